// What no refund can do without: one call of a Durable Object that stores one row. And no webhook: one message, one POST
// and one row changed in D1. No keys, no checks, no signatures. The other figures are told as multiples of these, so that
// they mean something on any machine.
import { DurableObject } from "cloudflare:workers";

interface Env {
  NOTEBOOKS: DurableObjectNamespace<Notebook>;
  DB: D1Database;
  DELIVERIES: Queue<FloorMessage>;
}

export interface FloorMessage {
  id: string;
  url: string;
  body: string;
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

async function deliver({ id, url, body }: FloorMessage, db: D1Database): Promise<void> {
  const answer = await fetch(url, { method: "POST", headers: { "webhook-id": id }, body });
  await answer.body?.cancel();
  await db.prepare("UPDATE deliveries SET status = 'delivered' WHERE id = ?").bind(id).run();
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/message" && pathname !== "/no-message") {
      const row = await env.NOTEBOOKS.getByName(pathname).insert(await request.text());
      return Response.json({ row });
    }
    const message: FloorMessage = await request.json();
    const at = Date.now();
    if (pathname === "/message") await env.DELIVERIES.send(message);
    return Response.json({ at });
  },

  async queue(batch, env) {
    await Promise.all(batch.messages.map(({ body }) => deliver(body, env.DB)));
  },
} satisfies ExportedHandler<Env, FloorMessage>;
