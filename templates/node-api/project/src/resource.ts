// What all resources do: their routes, and what is said of them.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { type Fields, type Row, type Store, Table, type Values } from "./database.ts";
import { record } from "./fields.ts";
import { pageQuery, page } from "./pages.ts";
import { Problem } from "./problems.ts";

export type Resource = {
  type: string;
  path: string;
  input: z.ZodType;
  output: z.ZodType;
  routes: (app: FastifyInstance, store: Store) => void;
};

/** name is what clients read, type what the description calls it. */
type Thing<F extends Fields> = { name: string; type: string; path: string; table: string; fields: F };

/** A thing that the service keeps. */
export function resource<F extends Fields>({ name, type, path, table, fields }: Thing<F>): Resource {
  const input = z.strictObject(fields);
  const routes = (app: FastifyInstance, store: Store) => {
    add(app, name, path, new Table(store, table, fields), input);
  };
  return { type, path, input, output: z.object({ ...record, ...fields }), routes };
}

const keyed = z.object({
  id: z
    .string()
    .regex(/^[0-9]{1,15}$/)
    .transform(Number),
});

type Keyed = { Params: z.infer<typeof keyed> };

function add<F extends Fields>(
  app: FastifyInstance,
  name: string,
  path: string,
  table: Table<F>,
  input: z.ZodType,
): void {
  const one = `${path}/:id`;
  const found = (row: Row<F> | undefined, id: number) => {
    if (!row) {
      throw new Problem(404, `there is no ${name} ${id}`);
    }
    return row;
  };
  app.get<{ Querystring: z.infer<typeof pageQuery> }>(path, { schema: { querystring: pageQuery } }, async (request) => {
    const { limit, cursor } = request.query;
    return page(await table.page(cursor, limit + 1), limit);
  });
  app.post(path, { schema: { body: input } }, async (request, reply) => {
    const row = await table.add(request.body as Values<F>);
    return reply.code(201).header("Location", `${path}/${row.id}`).send(row);
  });
  app.get<Keyed>(one, { schema: { params: keyed } }, async ({ params }) => {
    return found(await table.get(params.id), params.id);
  });
  app.put<Keyed>(one, { schema: { params: keyed, body: input } }, async ({ params, body }) => {
    return found(await table.replace(params.id, body as Values<F>), params.id);
  });
  app.delete<Keyed>(one, { schema: { params: keyed } }, async ({ params }, reply) => {
    found(await table.remove(params.id), params.id);
    return reply.code(204).send();
  });
}
