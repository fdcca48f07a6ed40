// The description of the service: OpenAPI 3.1.

import { STATUS_CODES } from "node:http";
import { z } from "zod";
import type { Config } from "./config.ts";
import type { Resource } from "./resource.ts";

type JSONObject = Record<string, unknown>;

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  request_id: z.string(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
});

export function describe(config: Config, resources: Resource[]): JSONObject {
  const paths: JSONObject = {};
  const schemas: JSONObject = { Problem: schema(problem) };
  for (const { type, path, input, output } of resources) {
    schemas[type] = schema(output);
    schemas[`${type}Input`] = schema(input);
    schemas[`${type}Page`] = object({ items: { type: "array", items: ref(type) }, next: { type: ["string", "null"] } });
    const body = { required: true, content: json(ref(`${type}Input`)) };
    paths[path] = {
      get: {
        operationId: `list${type}`,
        parameters: [
          { name: "limit", in: "query", schema: { type: "integer", minimum: 1, maximum: 100, default: 20 } },
          { name: "cursor", in: "query", schema: { type: "string" } },
        ],
        responses: { 200: answer(200, ref(`${type}Page`)), ...problems(422) },
      },
      post: {
        operationId: `create${type}`,
        requestBody: body,
        responses: { 201: answer(201, ref(type)), ...problems(400, 413, 415, 422) },
      },
    };
    paths[`${path}/{id}`] = {
      parameters: [{ name: "id", in: "path", required: true, schema: { type: "integer" } }],
      get: { operationId: `get${type}`, responses: { 200: answer(200, ref(type)), ...problems(404) } },
      put: {
        operationId: `replace${type}`,
        requestBody: body,
        responses: { 200: answer(200, ref(type)), ...problems(400, 404, 413, 415, 422) },
      },
      delete: { operationId: `remove${type}`, responses: { 204: answer(204), ...problems(404) } },
    };
  }
  return { openapi: "3.1.0", info: { title: config.service, version: config.version }, paths, components: { schemas } };
}

/** The JSON schema of what is answered, which has the form of what is taken. */
function schema(of: z.ZodType): unknown {
  const { $schema: _, ...rest } = z.toJSONSchema(of, { io: "output" });
  return rest;
}

function object(properties: JSONObject): JSONObject {
  return { type: "object", properties, required: Object.keys(properties) };
}

function ref(name: string): JSONObject {
  return { $ref: `#/components/schemas/${name}` };
}

function json(of: JSONObject): JSONObject {
  return { "application/json": { schema: of } };
}

function answer(status: number, of?: JSONObject): JSONObject {
  return { description: STATUS_CODES[status], ...(of && { content: json(of) }) };
}

function problems(...statuses: number[]): JSONObject {
  const content = { "application/problem+json": { schema: ref("Problem") } };
  return Object.fromEntries(statuses.map((status) => [status, { description: STATUS_CODES[status], content }]));
}
