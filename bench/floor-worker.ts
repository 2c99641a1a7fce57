// What no refund can do without: one call of a Durable Object that stores one row. No keys, no checks, no database. The
// other figures are told as multiples of this one, so that they mean something on any machine.
import { DurableObject } from "cloudflare:workers";

interface Env {
  NOTEBOOKS: DurableObjectNamespace<Notebook>;
}

export class Notebook extends DurableObject<Env> {
  #opened = false;

  /** Stores a text and returns the number of its row. */
  insert(text: string): number {
    const { sql } = this.ctx.storage;
    if (!this.#opened)
      sql.exec("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
    this.#opened = true;
    return sql.exec<{ id: number }>("INSERT INTO notes (text) VALUES (?) RETURNING id", text).one().id;
  }
}

export default {
  async fetch(request, env) {
    const row = await env.NOTEBOOKS.getByName(new URL(request.url).pathname).insert(await request.text());
    return Response.json({ row });
  },
} satisfies ExportedHandler<Env>;
