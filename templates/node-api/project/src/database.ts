// SQLite: its migrations, and what is done with rows.

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { z } from "zod";
import type { Config } from "./config.ts";
import { boolean } from "./fields.ts";

const MIGRATIONS = new URL("../migrations/", import.meta.url);

export type Fields = Record<string, z.ZodType>;
export type Values<F extends Fields> = { [K in keyof F]: z.output<F[K]> };
export type Row<F extends Fields> = Values<F> & { id: number; created_at: string; updated_at: string };

export class Store {
  readonly db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.db = db;
  }

  static async open(config: Config): Promise<Store> {
    mkdirSync(dirname(config.database), { recursive: true });
    const db = new DatabaseSync(config.database, { timeout: 10_000 });
    db.exec("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON");
    return new Store(db);
  }

  /** Applies the migrations that were not yet: of several instances that start at once, one does it. */
  async migrate(): Promise<void> {
    this.db.exec("BEGIN IMMEDIATE");
    try {
      this.db.exec("CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY)");
      const done = this.db.prepare("SELECT 1 FROM schema_migrations WHERE name = ?");
      const note = this.db.prepare("INSERT INTO schema_migrations (name) VALUES (?)");
      for (const name of migrations()) {
        if (!done.get(name)) {
          this.db.exec(readFileSync(new URL(name, MIGRATIONS), "utf8"));
          note.run(name);
        }
      }
      this.db.exec("COMMIT");
    } catch (err) {
      this.db.exec("ROLLBACK");
      throw err;
    }
  }

  async ready(): Promise<boolean> {
    try {
      this.db.prepare("SELECT 1 FROM schema_migrations").get();
      return true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    this.db.close();
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
  private readonly truths: string[];

  constructor(store: Store, name: string, fields: F) {
    this.store = store;
    this.name = name;
    this.columns = Object.keys(fields);
    this.truths = this.columns.filter((column) => fields[column] === boolean);
  }

  /** At most limit rows whose ids are above after. */
  async page(after: number, limit: number): Promise<Row<F>[]> {
    const sql = `SELECT * FROM ${this.name} WHERE id > ? ORDER BY id LIMIT ?`;
    return this.store.db
      .prepare(sql)
      .all(after, limit)
      .map((row) => this.read(row));
  }

  async get(id: number): Promise<Row<F> | undefined> {
    return this.one(`SELECT * FROM ${this.name} WHERE id = ?`, id);
  }

  async add(values: Values<F>): Promise<Row<F>> {
    const now = new Date().toISOString();
    const columns = ["created_at", "updated_at", ...this.columns];
    const places = columns.map(() => "?").join(", ");
    const sql = `INSERT INTO ${this.name} (${columns.join(", ")}) VALUES (${places}) RETURNING *`;
    return this.one(sql, now, now, ...this.write(values)) as Row<F>;
  }

  async replace(id: number, values: Values<F>): Promise<Row<F> | undefined> {
    const sets = ["updated_at", ...this.columns].map((column) => `${column} = ?`).join(", ");
    const sql = `UPDATE ${this.name} SET ${sets} WHERE id = ? RETURNING *`;
    return this.one(sql, new Date().toISOString(), ...this.write(values), id);
  }

  /** The row that was removed. */
  async remove(id: number): Promise<Row<F> | undefined> {
    return this.one(`DELETE FROM ${this.name} WHERE id = ? RETURNING *`, id);
  }

  private one(sql: string, ...values: SQLInputValue[]): Row<F> | undefined {
    const row = this.store.db.prepare(sql).get(...values);
    return row && this.read(row);
  }

  private write(values: Values<F>): SQLInputValue[] {
    return this.columns.map((column) => {
      const value: unknown = values[column];
      return typeof value === "boolean" ? Number(value) : (value as SQLInputValue);
    });
  }

  private read(row: Record<string, unknown>): Row<F> {
    const truths = this.truths.map((column) => [column, row[column] === 1]);
    return { ...row, ...Object.fromEntries(truths) } as Row<F>;
  }
}
