// The least that a request of each kind can cost here: no keys, no checks, no signatures, nothing kept twice. The Worker's
// own figures are told as multiples of these, so that they mean something on any machine.
//   GET /noop          JSON
//   POST /ledger/NAME  one call of a Durable Object, which stores one row
//   POST /safe/NAME    one call of an object that loses nothing whatever crashes: a row, an event and an alarm in one commit,
//                      what became of the row and another event in the next
//   POST /full/NAME    as ledger, then a row in D1 and a message in a queue, all awaited; a consumer takes the messages
//   GET /page/NAME     ten rows from D1 by an index
//   POST /message      one message, whose consumer makes one POST and changes one row in D1; /no-message: not even that
import { DurableObject } from "cloudflare:workers";

interface Env {
  NOTEBOOKS: DurableObjectNamespace<Notebook>;
  DB: D1Database;
  DELIVERIES: Queue<FloorMessage>;
  TOLD: Queue<{ id: string }>;
}

const HOUR_MS = 3_600_000;

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

  /** The same as it must be done if its outcome comes from elsewhere, and is to be told. */
  async insertSafely(text: string): Promise<number> {
    const { storage } = this.ctx;
    const event = "INSERT INTO events (text) VALUES (?)";
    const row = storage.transactionSync(() => {
      storage.sql.exec("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
      const id = this.insert(text);
      storage.sql.exec(event, text);
      void storage.setAlarm(Date.now() + HOUR_MS);
      return id;
    });
    await null;
    storage.transactionSync(() => {
      storage.sql.exec("UPDATE notes SET text = ? WHERE id = ?", text, row);
      storage.sql.exec(event, text);
    });
    return row;
  }

  /** Stands for what would be done if nothing else were. */
  override alarm(): void {}
}

async function deliver({ id, url, body }: FloorMessage, db: D1Database): Promise<void> {
  const answer = await fetch(url, { method: "POST", headers: { "webhook-id": id }, body });
  await answer.body?.cancel();
  await db.prepare("UPDATE deliveries SET status = 'delivered' WHERE id = ?").bind(id).run();
}

async function tell(env: Env, notebook: string, row: number, text: string): Promise<void> {
  const id = `${notebook}#${row}`;
  const insert = env.DB.prepare("INSERT INTO told (id, notebook, text) VALUES (?, ?, ?)");
  await insert.bind(id, notebook, text).run();
  await env.TOLD.send({ id });
}

export default {
  async fetch(request, env) {
    const [, what = "", name = ""] = new URL(request.url).pathname.split("/", 3);
    switch (what) {
      case "noop":
        return Response.json({ ok: true });
      case "ledger":
      case "full": {
        const text = await request.text();
        const row = await env.NOTEBOOKS.getByName(name).insert(text);
        if (what === "full") await tell(env, name, row, text);
        return Response.json({ row });
      }
      case "safe": {
        const row = await env.NOTEBOOKS.getByName(name).insertSafely(await request.text());
        return Response.json({ row });
      }
      case "page": {
        const select = env.DB.prepare("SELECT id, text FROM pages WHERE page = ? ORDER BY id DESC LIMIT 10");
        const { results } = await select.bind(name).all();
        return Response.json({ data: results });
      }
      case "message":
      case "no-message": {
        const message: FloorMessage = await request.json();
        const at = Date.now();
        if (what === "message") await env.DELIVERIES.send(message);
        return Response.json({ at });
      }
      default:
        return new Response(null, { status: 404 });
    }
  },

  async queue(batch, env) {
    // What is told is only taken: the batch counts as acknowledged.
    if (batch.queue !== "floor-deliveries") return;
    await Promise.all(batch.messages.map(({ body }) => deliver(body as FloorMessage, env.DB)));
  },
} satisfies ExportedHandler<Env, unknown>;
