// An empty database for each test that wants one.

// msctl:if store=postgres
import { randomBytes } from "node:crypto";
import pg from "pg";

// msctl:end
// msctl:if store=sqlite
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

// msctl:end
export type Environment = Record<string, string>;
export type Database = AsyncDisposable & { env: Environment };
// msctl:if store=none

export const available = true;

/** env is what the environment has to say of it: nothing, rows are kept in memory. */
export async function emptyDatabase(): Promise<Database> {
  return { env: {}, [Symbol.asyncDispose]: async () => {} };
}
// msctl:end
// msctl:if store=sqlite

export const available = true;

/** env is what the environment has to say of it. */
export async function emptyDatabase(): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), "acme-widgets-"));
  return {
    env: { DATABASE_URL: `sqlite:${folder}/test.db` },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
// msctl:end
// msctl:if store=postgres

const url = process.env.TEST_DATABASE_URL ?? "";

/** Whether TEST_DATABASE_URL says where there is a PostgreSQL. */
export const available = url !== "";

/** A schema of the database that TEST_DATABASE_URL leads to. env is what the environment has to say of it. */
export async function emptyDatabase(): Promise<Database> {
  const client = new pg.Client(url);
  await client.connect();
  const schema = `test_${randomBytes(8).toString("hex")}`;
  await client.query(`CREATE SCHEMA ${schema}`);
  return {
    env: { DATABASE_URL: `${url}${url.includes("?") ? "&" : "?"}options=-csearch_path%3D${schema}` },
    [Symbol.asyncDispose]: async () => {
      await client.query(`DROP SCHEMA ${schema} CASCADE`);
      await client.end();
    },
  };
}
// msctl:end
