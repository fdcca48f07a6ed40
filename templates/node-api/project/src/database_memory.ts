// Rows in memory: they are gone when the service ends.

import type { z } from "zod";
import type { Config } from "./config.ts";

export type Fields = Record<string, z.ZodType>;
export type Values<F extends Fields> = { [K in keyof F]: z.output<F[K]> };
export type Row<F extends Fields> = Values<F> & { id: number; created_at: string; updated_at: string };

type Rows = Map<number, Row<Fields>>;

export class Store {
  private readonly tables = new Map<string, Rows>();

  table(name: string): Rows {
    const rows = this.tables.get(name) ?? new Map();
    this.tables.set(name, rows);
    return rows;
  }

  static async open(_: Config): Promise<Store> {
    return new Store();
  }

  async migrate(): Promise<void> {}

  async ready(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {}
}

/** The rows of one resource. */
export class Table<F extends Fields> {
  private readonly rows: Map<number, Row<F>>;
  private last = 0;

  constructor(store: Store, name: string, _fields: F) {
    this.rows = store.table(name) as Map<number, Row<F>>;
  }

  /** At most limit rows whose ids are above after. */
  async page(after: number, limit: number): Promise<Row<F>[]> {
    const later = this.rows.values().filter((row) => row.id > after);
    return [...later.take(limit)];
  }

  async get(id: number): Promise<Row<F> | undefined> {
    return this.rows.get(id);
  }

  async add(values: Values<F>): Promise<Row<F>> {
    const now = new Date().toISOString();
    this.last++;
    return this.set({ ...values, id: this.last, created_at: now, updated_at: now });
  }

  async replace(id: number, values: Values<F>): Promise<Row<F> | undefined> {
    const was = this.rows.get(id);
    return was && this.set({ ...values, id, created_at: was.created_at, updated_at: new Date().toISOString() });
  }

  /** The row that was removed. */
  async remove(id: number): Promise<Row<F> | undefined> {
    const was = this.rows.get(id);
    this.rows.delete(id);
    return was;
  }

  private set(row: Row<F>): Row<F> {
    this.rows.set(row.id, row);
    return row;
  }
}
