"use strict";

// What is shown comes from the services' documents, which may say anything:
// it becomes text nodes and form values, never markup. References may lead in
// circles and fan out, so that whatever follows them has a depth and a budget.

const verbs = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];
const maxShown = 1000;
const token = document.querySelector("meta[name=msctl-token]").content;
const main = document.getElementById("services");
const search = document.getElementById("search");
let doc = {};

function el(tag, properties, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return e;
}

const isObject = (v) => typeof v === "object" && v !== null && !Array.isArray(v);
const object = (v) => (isObject(v) ? v : {});
const list = (v) => (Array.isArray(v) ? v : []);
const text = (v) => (typeof v === "string" ? v : v === undefined ? "" : JSON.stringify(v));
const own = (o, k) => (Object.hasOwn(object(o), k) ? o[k] : undefined);

// resolve follows references within the document.
function resolve(v) {
  for (let steps = 0; steps < 20 && typeof own(v, "$ref") === "string"; steps++) {
    if (!v.$ref.startsWith("#/")) return {};
    let at = doc;
    try {
      for (const token of v.$ref.slice(2).split("/")) {
        at = own(at, decodeURIComponent(token).replaceAll("~1", "/").replaceAll("~0", "~"));
      }
    } catch {
      return {};
    }
    v = at;
  }
  return object(v);
}

const refName = (v) => text(own(v, "$ref")).split("/").pop();

// A budget is how many schemas one shape or sample may still look at.
const newBudget = () => ({ left: 500 });

// shape is a schema in the manner of a type of TypeScript; within are the
// names of those that it is part of.
function shape(schema, budget = newBudget(), indent = "", depth = 0, within = []) {
  if (schema === true || schema === undefined) return "any";
  const name = refName(schema);
  if (depth > 5 || budget.left-- <= 0 || (name && within.includes(name))) return name || "…";
  const s = resolve(schema);
  if (name) within = [...within, name];
  const inner = (v, to = indent) => shape(v, budget, to, depth + 1, within);
  for (const [key, by] of [["oneOf", " | "], ["anyOf", " | "], ["allOf", " & "]]) {
    if (Array.isArray(s[key])) return s[key].map((v) => inner(v)).join(by) || "any";
  }
  if (Array.isArray(s.enum)) return s.enum.map((v) => JSON.stringify(v)).join(" | ");
  if ("const" in s) return JSON.stringify(s.const);
  const types = list(s.type).length ? s.type : [s.type ?? (s.properties ? "object" : s.items ? "array" : "any")];
  return types.map((type) => {
    if (type === "array") return inner(s.items) + "[]";
    if (type !== "object") return text(type) + (s.format ? `<${text(s.format)}>` : "") + (s.nullable === true ? " | null" : "");
    const deeper = indent + "  ";
    const fields = Object.entries(object(s.properties)).map(([name, p]) => {
      const about = text(resolve(p).description).split("\n")[0];
      const optional = list(s.required).includes(name) ? "" : "?";
      return `${deeper}${name}${optional}: ${inner(p, deeper)}${about && "  // " + about}\n`;
    });
    if (isObject(s.additionalProperties)) fields.push(`${deeper}[name]: ${inner(s.additionalProperties, deeper)}\n`);
    return fields.length ? `{\n${fields.join("")}${indent}}` : "object";
  }).join(" | ");
}

// sample is a value that a schema might take.
function sample(schema, budget = newBudget(), depth = 0) {
  const s = resolve(schema);
  for (const v of [own(s, "example"), list(s.examples)[0], own(s, "default"), own(s, "const"), list(s.enum)[0]]) {
    if (v !== undefined) return v;
  }
  if (depth > 5 || budget.left-- <= 0) return null;
  if (Array.isArray(s.allOf)) return Object.assign({}, ...s.allOf.map((p) => object(sample(p, budget, depth + 1))));
  const choice = list(s.oneOf)[0] ?? list(s.anyOf)[0];
  if (choice !== undefined) return sample(choice, budget, depth + 1);
  const type = list(s.type)[0] ?? s.type ?? (s.properties ? "object" : "string");
  const formats = { "date-time": "2026-01-31T12:00:00Z", date: "2026-01-31", uuid: "00000000-0000-4000-8000-000000000000", email: "a@example.com" };
  switch (type) {
    case "object": return Object.fromEntries(Object.entries(object(s.properties)).map(([k, p]) => [k, sample(p, budget, depth + 1)]));
    case "array": return [sample(s.items, budget, depth + 1)];
    case "integer": case "number": return typeof s.minimum === "number" ? s.minimum : 0;
    case "boolean": return false;
    case "null": return null;
  }
  return own(formats, s.format) ?? "text";
}

// media is what a body of one content type looks like.
function media(content) {
  const all = Object.entries(object(content));
  const [type, m] = all.find(([type]) => type.includes("json")) ?? all[0] ?? ["", {}];
  const named = resolve(Object.values(object(own(m, "examples")))[0]).value;
  return { type, schema: own(m, "schema"), example: own(m, "example") ?? named ?? (type.includes("json") ? sample(own(m, "schema")) : "") };
}

function operations() {
  const all = [];
  for (const [path, item] of Object.entries(object(doc.paths))) {
    for (const verb of verbs) {
      const op = own(item, verb);
      if (!isObject(op)) continue;
      const server = text(own(list(own(item, "servers"))[0], "url"));
      const parameters = new Map();
      for (const p of [...list(item.parameters), ...list(op.parameters)].map(resolve)) parameters.set(`${p.in} ${p.name}`, p);
      all.push({
        verb, op, host: server && new URL(server).host, path: path.split("#")[0], parameters: [...parameters.values()],
        service: text(op["x-msctl-service"]),
        words: [verb, path, server, op.operationId, op.summary, op.description, op.tags].map(text).join(" ").toLowerCase(),
      });
    }
  }
  return all;
}

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = operations().filter((o) => words.every((w) => o.words.includes(w)));
  const shown = found.slice(0, maxShown);
  main.replaceChildren();
  for (const s of list(doc["x-msctl-services"])) {
    const ops = shown.filter((o) => o.service === s.service);
    if (words.length && !ops.length) continue;
    main.append(el("h2", {}, text(s.service), " ", el("span", { className: "soft" }, [s.title, s.version].map(text).join(" "))));
    if (s.reason) main.append(el("p", { className: "soft" }, "no operations: " + text(s.reason)));
    if (s.note) main.append(el("p", { className: "soft" }, text(s.note)));
    main.append(...ops.map(row));
  }
  if (found.length > maxShown) main.append(el("p", { className: "soft" }, `${found.length - maxShown} more: search for them`));
  if (words.length && !found.length) main.append(el("p", {}, "Nothing has all of these words."));
}

// row is an operation; what it consists of is made when it is opened.
function row(o) {
  const deprecated = o.op.deprecated === true ? " struck" : "";
  const details = el("details", {}, el("summary", {},
    el("span", { className: "verb " + o.verb }, o.verb.toUpperCase()),
    el("span", { className: "path" + deprecated }, o.path),
    el("span", { className: "soft" }, [o.host, text(o.op.summary)].filter(Boolean).join(" · "))));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(content(o));
  });
  return details;
}

function content(o) {
  const out = el("div", {}, el("p", { className: "text" }, text(o.op.description)));
  const body = o.op.requestBody ? media(resolve(o.op.requestBody).content) : null;
  if (body) out.append(el("h3", {}, "request body"), el("div", { className: "soft" }, body.type), el("pre", {}, shape(body.schema)));
  const responses = Object.entries(object(o.op.responses));
  if (responses.length) out.append(el("h3", {}, "responses"));
  for (const [status, value] of responses) {
    const r = resolve(value);
    const m = media(r.content);
    out.append(el("div", {}, el("code", {}, status), " ", text(r.description), " ", el("span", { className: "soft" }, m.type)));
    if (m.schema !== undefined) out.append(el("pre", {}, shape(m.schema)));
  }
  out.append(form(o, body));
  return out;
}

// form sends the operation to the front door.
function form(o, body) {
  const table = el("table");
  const fields = o.parameters.map((p) => {
    const type = shape(p.schema ?? media(p.content).schema);
    const example = own(p, "example") ?? own(resolve(p.schema), "example") ?? own(resolve(p.schema), "default");
    const input = el("input", { className: "value", value: p.in === "path" ? text(example ?? sample(p.schema)) : text(example), ariaLabel: text(p.name) });
    table.append(el("tr", {},
      el("td", {}, el("code", {}, text(p.name)), p.required ? " *" : "", el("div", { className: "soft" }, `${text(p.in)} ${type}`)),
      el("td", {}, input, el("div", { className: "soft text" }, text(p.description)))));
    return { p, input };
  });
  const headers = el("textarea", { placeholder: "Name: value", ariaLabel: "header fields", value: body?.type ? "Content-Type: " + body.type : "", rows: 2 });
  const payload = el("textarea", { ariaLabel: "body", rows: 8, value: body ? (typeof body.example === "string" ? body.example : JSON.stringify(body.example, null, 2)) : "" });
  const result = el("div", { ariaLive: "polite" });
  const button = el("button", {}, "Send");
  const out = el("form", {}, el("h3", {}, "try it"), table, el("h3", {}, "header fields"), headers);
  if (body) out.append(el("h3", {}, "body"), payload);
  out.append(el("p", {}, button), result);
  out.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      result.replaceChildren(...outcome(await send(request(o, fields, headers.value, body ? payload.value : ""))));
    } catch (err) {
      result.replaceChildren(el("p", { className: "bad" }, String(err.message ?? err)));
    }
    button.disabled = false;
  });
  return out;
}

// request is what a form says, in the terms of the try endpoint.
function request(o, fields, lines, body) {
  const headers = o.host ? { Host: o.host } : {};
  const query = new URLSearchParams();
  const cookies = [];
  let path = o.path;
  for (const { p, input } of fields) {
    const value = input.value;
    if (p.in === "path") path = path.replaceAll(`{${p.name}}`, () => encodeURIComponent(value));
    if (value === "") continue;
    if (p.in === "query") query.append(p.name, value);
    if (p.in === "header") headers[p.name] = value;
    if (p.in === "cookie") cookies.push(`${p.name}=${value}`);
  }
  if (cookies.length) headers.Cookie = cookies.join("; ");
  for (const line of lines.split("\n").filter((l) => l.trim())) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`want "Name: value", got ${line}`);
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return { method: o.verb.toUpperCase(), path: path + (query.size ? "?" + query : ""), headers, body };
}

async function send(attempt) {
  const answer = await fetch("try", {
    method: "POST", headers: { "Content-Type": "application/json", "X-Msctl-Token": token }, body: JSON.stringify(attempt),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(text(value.detail));
  return value;
}

function outcome(r) {
  let body = r.binary ? `${r.bytes} bytes that are no text` : r.body;
  try {
    body = JSON.stringify(JSON.parse(body), null, 2);
  } catch { /* it is shown as it is */ }
  const fields = Object.entries(r.headers ?? {}).flatMap(([name, values]) => values.map((v) => `${name}: ${v}`)).sort();
  return [
    el("p", {}, el("b", { className: r.status < "4" ? "get" : "bad" }, r.status), ` in ${r.milliseconds} ms, ${r.bytes} bytes`, r.incomplete ? `, ${r.incomplete}` : ""),
    el("pre", {}, fields.join("\n")),
    el("pre", {}, body),
  ];
}

search.addEventListener("input", show);
fetch("openapi.json")
  .then((r) => (r.ok ? r.json() : Promise.reject(new Error(`openapi.json: ${r.status}`))))
  .then((d) => { doc = d; show(); })
  .catch((err) => main.replaceChildren(el("p", { className: "bad" }, String(err.message ?? err))));
