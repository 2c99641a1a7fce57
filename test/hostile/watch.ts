// Sees whether a request left anything behind. Statements that could write, messages and calls to channels are counted on
// their way out; what was really written in D1 is counted by triggers on every table, and in a ledger by SQLite itself: a
// count that has not moved proves that nothing was.
import { listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { ledgerName } from "../../src/charges/charge.ts";
import { inLedger } from "../books.ts";
import type { Caller } from "./draft.ts";
import type { World } from "./world.ts";

/** Hosts that only webhooks of the tests go to. */
const RECEIVERS = /^https:\/\/[^/]*\bexample\.com(:\d+)?\//;

/** How long what an accepted request began is waited for; what takes longer is recognised when it is done. */
const SETTLING_TRIES = 50;

export interface Marks {
  /** Writes of rows in D1 ever, by operation and table: `INSERT charges`. */
  d1: Record<string, number>;
  /** Messages ever sent to a queue. */
  messages: number;
  /** Calls ever made to anything but receivers of webhooks. */
  calls: number;
}

export class Watch {
  readonly #world: World;
  #statements = 0;
  #messages = 0;
  #calls = 0;
  /** By the name of the ledger: the rows ever changed in it, when last looked at. */
  readonly #ledgers = new Map<string, number>();
  readonly #known = new Set<string>();

  private constructor(world: World) {
    this.#world = world;
  }

  static async begin(world: World): Promise<Watch> {
    const watch = new Watch(world);
    await countWrites();
    for (const queue of [env.DELIVERIES, env.DELIVERIES_SLOW, env.COMMANDS] as Queue<unknown>[]) {
      for (const method of ["send", "sendBatch"] as const) {
        const send = queue[method].bind(queue) as (...args: unknown[]) => Promise<never>;
        vi.spyOn(queue, method).mockImplementation((...args: unknown[]) => {
          watch.#messages++;
          return send(...args);
        });
      }
    }
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
      const url = input instanceof Request ? input.url : String(input);
      if (!RECEIVERS.test(url)) watch.#calls++;
      return new Response("ok");
    });
    // Every binding to D1 is of one class: the Worker's, the ledgers' and this one.
    const d1: D1Database = Object.getPrototypeOf(env.DB);
    const { prepare } = d1;
    vi.spyOn(d1, "prepare").mockImplementation(function (this: D1Database, query: string) {
      if (!/^\s*select\b/i.test(query)) watch.#statements++;
      return prepare.call(this, query);
    });
    for (const id of await listDurableObjectIds(env.LEDGERS)) watch.#known.add(id.toString());
    return watch;
  }

  /** Grows with everything that could leave something behind, except in ledgers. */
  get attempts(): number {
    return this.#statements + this.#messages + this.#calls;
  }

  async marks(): Promise<Marks> {
    return { d1: await writes(), messages: this.#messages, calls: this.#calls };
  }

  /** Whether something was written in a ledger since it was last looked at. */
  async hasLedgerChanged(caller: Caller, charge: string): Promise<boolean> {
    const name = this.#nameOf(caller, charge);
    const before = this.#ledgers.get(name);
    const now = await changesIn(name);
    this.#ledgers.set(name, now);
    // A ledger that left memory counts from nothing again.
    return before !== undefined && now > before;
  }

  /** From now on the charge has a ledger, as it should. */
  expectLedger(caller: Caller, charge: string): void {
    this.#known.add(env.LEDGERS.idFromName(this.#nameOf(caller, charge)).toString());
  }

  /** Ledgers that hold something although no accepted request made them. */
  async unexpectedLedgers(): Promise<string[]> {
    const found: string[] = [];
    for (const id of await listDurableObjectIds(env.LEDGERS)) {
      if (this.#known.has(id.toString())) continue;
      const { tables, alarm } = await inLedger(env.LEDGERS.get(id) as unknown as DurableObjectStub);
      if (tables.length > 0 || alarm) found.push(id.toString());
      this.#known.add(id.toString());
    }
    return found;
  }

  /** Waits until what accepted requests began has ended; false when it goes on. */
  async settle(caller?: Caller, charge?: string): Promise<boolean> {
    let before = -1;
    let quiet = 0;
    for (let tries = 0; tries < SETTLING_TRIES; tries++) {
      quiet = this.attempts === before ? quiet + 1 : 0;
      before = this.attempts;
      if (quiet >= 2 && (charge === undefined || (await isAtRest(this.#nameOf(caller ?? "test", charge))))) {
        if (await isNothingDue()) {
          if (charge !== undefined && caller !== undefined) await this.hasLedgerChanged(caller, charge);
          return true;
        }
      }
      await scheduler.wait(1);
    }
    return false;
  }

  #nameOf(caller: Caller, charge: string): string {
    return ledgerName(this.#world.owner.id, caller === "live", charge);
  }
}

const ledgerOf = (name: string) => env.LEDGERS.getByName(name) as unknown as DurableObjectStub;

function changesIn(name: string): Promise<number> {
  return runInDurableObject(ledgerOf(name), async (_, state) => {
    return state.storage.sql.exec<{ n: number }>("SELECT total_changes() AS n").one().n;
  });
}

/** Whether no delivery and no stored command waits to be done. */
async function isNothingDue(): Promise<boolean> {
  const waiting = await env.DB.prepare(
    "SELECT (SELECT count(*) FROM deliveries WHERE status = 'pending' AND due_at IS NOT NULL) + (SELECT count(*) FROM commands WHERE due_at IS NOT NULL) AS n",
  ).first<number>("n");
  return waiting === 0;
}

/** Whether D1 has all that the ledger knows. */
function isAtRest(name: string): Promise<boolean> {
  return runInDurableObject(ledgerOf(name), async (_, { storage }) => {
    const tables = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'refunds'").toArray();
    if (tables.length === 0) return true;
    const outbox = storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM outbox").one().n;
    const late = storage.sql
      .exec<{ n: number }>(
        "SELECT count(*) AS n FROM refunds WHERE json_extract(doc, '$.syncDueAt') IS NOT NULL",
      )
      .one().n;
    return outbox === 0 && late === 0;
  });
}

/** A table that no migration knows, and triggers that fill it. */
async function countWrites(): Promise<void> {
  const { results } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'd1_*'",
  ).all<{ name: string }>();
  const statements = [
    "CREATE TABLE IF NOT EXISTS writes (what TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID",
    ...results.flatMap(({ name }) =>
      ["INSERT", "UPDATE", "DELETE"].map(
        (operation) =>
          `CREATE TRIGGER IF NOT EXISTS "${operation} ${name}" AFTER ${operation} ON "${name}" BEGIN
            INSERT INTO writes VALUES ('${operation} ${name}', 1) ON CONFLICT DO UPDATE SET n = n + 1; END`,
      ),
    ),
  ];
  await env.DB.batch(statements.map((statement) => env.DB.prepare(statement)));
}

async function writes(): Promise<Record<string, number>> {
  const { results } = await env.DB.prepare("SELECT what, n FROM writes").all<{ what: string; n: number }>();
  return Object.fromEntries(results.map(({ what, n }) => [what, n]));
}
