// The shop's page, rendered on the server from catalog and orders.
//
// GET / shows it, POST / places an order, GET /healthz says that the service is
// alive, GET /readyz that it may take traffic.

import { createServer } from "node:http";
import { page } from "./page.js";

const { PORT, INSTANCE_ID = "web", CATALOG_URL, ORDERS_URL } = process.env;
const MAX_FORM = 4096; // bytes
const DRAIN_TIMEOUT = 8000; // ms; msctl's stop_grace_period is 10 s

let draining = false;
let inFlight = 0; // requests, without probes

function log(level, msg, fields) {
  console.log(JSON.stringify({ time: new Date().toISOString(), level, msg, ...fields }));
}

// Calls another service; resolves to its answer as a value, and never rejects:
// a part that is missing must not take the page down.
async function call(url, options) {
  try {
    const res = await fetch(url, { ...options, signal: AbortSignal.timeout(4000) });
    const instance = res.headers.get("x-instance");
    const body = await res.json();
    return res.ok ? { body, instance } : { status: res.status, error: body.error ?? `status ${res.status}`, instance };
  } catch (err) {
    log("ERROR", "call failed", { url, err: String(err.cause ?? err) });
    return { status: 503, error: "no answer; try again" };
  }
}

async function showPage(res, status = 200, notice = "") {
  const [items, orders] = await Promise.all([call(`${CATALOG_URL}/items`), call(`${ORDERS_URL}/`)]);
  send(res, status, "text/html; charset=utf-8", page({ items, orders, notice, instance: INSTANCE_ID }));
}

async function placeOrder(req, res) {
  const form = await readForm(req);
  if (!form) return send(res, 413, "text/plain", "the form is too large\n");

  const order = await call(`${ORDERS_URL}/`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ item_id: Number(form.get("item_id")), quantity: Number(form.get("quantity")) }),
  });
  if (order.error) return showPage(res, order.status, `Not ordered: ${order.error}.`);
  res.setHeader("Location", "/"); // so that reloading the page does not order again
  send(res, 303, "text/plain", "ordered\n");
}

// Resolves to the form's fields, or to null when there are too many bytes.
async function readForm(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > MAX_FORM) return null;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

function send(res, status, type, body) {
  res.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) });
  res.end(body);
}

async function answer(req, res) {
  if (req.url.split("?")[0] !== "/") return send(res, 404, "text/plain", "not found\n");
  if (req.method === "GET" || req.method === "HEAD") return showPage(res);
  if (req.method === "POST") return placeOrder(req, res);
  return send(res, 405, "text/plain", "want GET or POST\n");
}

const server = createServer(async (req, res) => {
  res.setHeader("X-Instance", INSTANCE_ID);
  if (req.url === "/healthz") return send(res, 200, "text/plain", "alive\n");
  if (req.url === "/readyz") return send(res, draining ? 503 : 200, "text/plain", draining ? "draining\n" : "ready\n");

  const start = performance.now();
  inFlight++;
  res.on("close", () => {
    inFlight--;
    const ms = Math.round((performance.now() - start) * 100) / 100;
    log("INFO", "request", { method: req.method, path: req.url, status: res.statusCode, ms });
    if (draining) endWhenIdle();
  });
  try {
    await answer(req, res);
  } catch (err) {
    log("ERROR", "request failed", { path: req.url, err: String(err) });
    if (!res.headersSent) send(res, 500, "text/plain", "something went wrong\n");
  }
});

// Until no request is in flight, new connections are taken, so that probes see
// /readyz turn.
function drain() {
  draining = true;
  setTimeout(() => process.exit(1), DRAIN_TIMEOUT).unref();
  endWhenIdle();
}

function endWhenIdle() {
  if (inFlight > 0) return;
  server.close(() => {
    log("INFO", "stopped");
    process.exit(0); // without waiting for connections to other services
  });
  server.closeAllConnections();
}

process.on("SIGTERM", drain);
process.on("SIGINT", drain);
server.keepAliveTimeout = 120_000; // outlasts the gateway's idle connections; Node's 5 s does not
server.listen(PORT, "127.0.0.1", () => log("INFO", "listening", { port: server.address().port }));
