// D1 may hang. Whoever comes from outside (a request, a message, the cron) asks it through here, and is told within
// 10 s, as if it had failed: no client waits for ever, and no consumer's place is taken by a call that never ends.
// Ledgers have time-outs of their own.
import { sleep, within } from "../deadline.ts";
import type { Env } from "../env.ts";

const TIMEOUT_MS = 10_000;

/** One per binding: clients of the database are kept by binding. */
const bounded = new WeakMap<D1Database, D1Database>();

/** The same bindings, with a D1 none of whose calls takes for ever. */
export function patient(env: Env): Env {
  let db = bounded.get(env.DB);
  if (db === undefined) {
    db = bind(env.DB);
    bounded.set(env.DB, db);
  }
  return { ...env, DB: db };
}

/** As much of a binding as drizzle uses. */
function bind(binding: D1Database): D1Database {
  // A batch takes the platform's own statements.
  const own = new WeakMap<object, D1PreparedStatement>();
  const prepared = (statement: D1PreparedStatement): D1PreparedStatement => {
    const outer = {
      bind: (...values: unknown[]) => prepared(statement.bind(...values)),
      all: () => inTime(statement.all()),
      raw: () => inTime(statement.raw()),
      run: () => inTime(statement.run()),
    } as unknown as D1PreparedStatement;
    own.set(outer, statement);
    return outer;
  };
  return {
    prepare: (query: string) => prepared(binding.prepare(query)),
    batch: (statements: D1PreparedStatement[]) =>
      inTime(binding.batch(statements.map((outer) => own.get(outer) ?? outer))),
  } as D1Database;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const outcome = await within(sleep, work, TIMEOUT_MS);
  if (outcome === "late") throw new Error("D1_ERROR: no answer in time");
  return outcome.done;
}
