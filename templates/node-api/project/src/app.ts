// The service: what answers which path.

import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from "fastify";
import type { Logger } from "pino";
import type { ZodType } from "zod";
import type { Config } from "./config.ts";
import type { Store } from "./database.ts";
import { parse } from "./fields.ts";
import { Metrics } from "./metrics.ts";
import { type Draining, observe } from "./observe.ts";
import { describe } from "./openapi.ts";
import { install, Problem } from "./problems.ts";
import { resources } from "./resources/index.ts";

const MAX_BODY = 1 << 20;

export function build(config: Config, log: Logger, store: Store, draining: Draining): FastifyInstance {
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }), // observe logs them
    childLoggerFactory: (parent) => parent,
    bodyLimit: MAX_BODY,
  });
  const metrics = new Metrics();
  observe(app, metrics, draining);
  install(app);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, body.length > 0 ? parse(body.toString()) : undefined); // DELETE may have the header, too
    } catch {
      done(new Problem(400, "the body is no JSON"));
    }
  });
  validate(app);

  const allowed = new Map<string, string[]>();
  app.addHook("onRoute", ({ url, method }) => {
    allowed.set(url, [...(allowed.get(url) ?? []), ...[method].flat()]);
  });
  app.get("/healthz", async () => ({ status: "alive" }));
  app.get("/readyz", async () => {
    if (draining.begun) {
      throw new Problem(503, "it is about to end");
    }
    if (!(await store.ready())) {
      throw new Problem(503, "the store does not answer");
    }
    return { status: "ready" };
  });
  app.get("/metrics", async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  const description = describe(config, resources);
  app.get("/openapi.json", async () => description);
  for (const one of resources) {
    one.routes(app, store);
  }
  for (const [url, methods] of [...allowed]) {
    refuse(app, url, methods);
  }
  return app;
}

/** Has all that is wrong with a request said at once. */
function validate(app: FastifyInstance): void {
  app.setValidatorCompiler<ZodType>(({ schema }) => (data) => {
    const read = schema.safeParse(data);
    if (read.success) {
      return { value: read.data };
    }
    const errors = read.error.issues.flatMap((issue) => {
      const keys = issue.code === "unrecognized_keys" ? issue.keys : [issue.path.join(".")];
      return keys.map((field) => ({ field, message: issue.message }));
    });
    return { error: new Problem(422, "the request is not right", { errors }) };
  });
  app.addHook("preValidation", async (request) => {
    const { schema } = request.routeOptions;
    if (schema?.body && request.body === undefined) {
      throw request.headers["content-type"]
        ? new Problem(400, "the body is no JSON")
        : new Problem(415, "want application/json");
    }
  });
}

/** Answers the methods that a path does not have. */
function refuse(app: FastifyInstance, url: string, methods: string[]): void {
  app.route({
    url,
    method: app.supportedMethods.filter((method) => !methods.includes(method)),
    handler: async (request) => {
      const headers = { Allow: [...new Set(methods)].sort().join(", ") };
      throw new Problem(405, `the path does not take ${request.method}`, { headers });
    },
  });
}
