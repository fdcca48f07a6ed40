// PostgreSQL: its migrations, and what is done with rows.

import { readdirSync, readFileSync } from "node:fs";
import pg from "pg";
import type { z } from "zod";
import type { Config } from "./config.ts";

const MIGRATIONS = new URL("../migrations/", import.meta.url);

export type Fields = Record<string, z.ZodType>;
export type Values<F extends Fields> = { [K in keyof F]: z.output<F[K]> };
export type Row<F extends Fields> = Values<F> & { id: number; created_at: string; updated_at: string };

const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);
types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => `${text.replace(" ", "T").replace(/\+00$/, "")}Z`);

export class Store {
  readonly db: pg.Pool;

  private constructor(db: pg.Pool) {
    this.db = db;
  }

  static async open(config: Config): Promise<Store> {
    const db = new pg.Pool({
      connectionString: config.database,
      types,
      max: 10,
      connectionTimeoutMillis: 5_000,
      statement_timeout: 10_000,
    });
    db.on("connect", (connection) => {
      connection.query("SET TIME ZONE 'UTC'").catch(() => {}); // the query after it fails, too
    });
    db.on("error", () => {}); // an idle connection was lost: the next query takes another
    return new Store(db);
  }

  /** Applies the migrations that were not yet: of several instances that start at once, one does it. */
  async migrate(): Promise<void> {
    const connection = await this.db.connect();
    try {
      await connection.query("BEGIN");
      await connection.query("SELECT pg_advisory_xact_lock(hashtext('migrations'))");
      await connection.query("CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY)");
      for (const name of migrations()) {
        const note = "INSERT INTO schema_migrations (name) VALUES ($1) ON CONFLICT DO NOTHING";
        if ((await connection.query(note, [name])).rowCount) {
          await connection.query(readFileSync(new URL(name, MIGRATIONS), "utf8"));
        }
      }
      await connection.query("COMMIT");
      connection.release();
    } catch (err) {
      connection.release(true);
      throw err;
    }
  }

  async ready(): Promise<boolean> {
    try {
      await this.db.query("SELECT 1 FROM schema_migrations");
      return true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    await this.db.end();
  }
}

function migrations(): string[] {
  const names = readdirSync(MIGRATIONS).filter((name) => name.endsWith(".sql"));
  return names.sort();
}

/** The rows of one resource. Its columns are the fields. */
export class Table<F extends Fields> {
  private readonly store: Store;
  private readonly name: string;
  private readonly columns: string[];

  constructor(store: Store, name: string, fields: F) {
    this.store = store;
    this.name = name;
    this.columns = Object.keys(fields);
  }

  /** At most limit rows whose ids are above after. */
  async page(after: number, limit: number): Promise<Row<F>[]> {
    const sql = `SELECT * FROM ${this.name} WHERE id > $1 ORDER BY id LIMIT $2`;
    return (await this.store.db.query<Row<F>>(sql, [after, limit])).rows;
  }

  async get(id: number): Promise<Row<F> | undefined> {
    return this.one(`SELECT * FROM ${this.name} WHERE id = $1`, id);
  }

  async add(values: Values<F>): Promise<Row<F>> {
    const now = new Date().toISOString();
    const columns = ["created_at", "updated_at", ...this.columns];
    const places = columns.map((_, n) => `$${n + 1}`).join(", ");
    const sql = `INSERT INTO ${this.name} (${columns.join(", ")}) VALUES (${places}) RETURNING *`;
    return (await this.one(sql, now, now, ...this.write(values))) as Row<F>;
  }

  async replace(id: number, values: Values<F>): Promise<Row<F> | undefined> {
    const sets = ["updated_at", ...this.columns].map((column, n) => `${column} = $${n + 2}`).join(", ");
    const sql = `UPDATE ${this.name} SET ${sets} WHERE id = $1 RETURNING *`;
    return this.one(sql, id, new Date().toISOString(), ...this.write(values));
  }

  /** The row that was removed. */
  async remove(id: number): Promise<Row<F> | undefined> {
    return this.one(`DELETE FROM ${this.name} WHERE id = $1 RETURNING *`, id);
  }

  private async one(sql: string, ...values: unknown[]): Promise<Row<F> | undefined> {
    return (await this.store.db.query<Row<F>>(sql, values)).rows[0];
  }

  private write(values: Values<F>): unknown[] {
    return this.columns.map((column) => values[column]);
  }
}
