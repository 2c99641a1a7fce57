// A shop that refunds in batches, for tests: makes batches over the public interface, and has the cron's minutes pass,
// because the queues of these tests bring nothing.
import { env } from "cloudflare:workers";
import type { BatchObject } from "../../src/batches/schema.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import { type Answer, eventually, type Sent, type TestApp } from "../harness.ts";

export const PATH = "/v1/batch_refunds";

let numbers = 0;
export const nextNumber = () => `batch${++numbers}`;

export function makeBatch<Body = BatchObject>(
  app: TestApp,
  body: Record<string, unknown>,
  sent: Sent = {},
): Promise<Answer<Body>> {
  return app.post<Body>(PATH, { batch_no: nextNumber(), description: "Recalled", ...body }, sent);
}

export function charges(app: TestApp, count: number, facts: Record<string, unknown> = {}) {
  return Promise.all(Array.from({ length: count }, () => app.charge(facts)));
}

export const idsOf = (of: readonly ChargeObject[]) => of.map(({ id }) => id);

export async function retrieveBatch(app: TestApp, batch: { id: string }): Promise<BatchObject> {
  return (await app.get<BatchObject>(`${PATH}/${batch.id}`)).body;
}

/** The cron's minute, in which whatever was put off has its turn. */
export async function sweepNow(): Promise<void> {
  await env.DB.prepare("UPDATE commands SET due_at = 1 WHERE due_at is not null").run();
  await sweep(EVERY_MINUTE, env, Date.now());
}

/** The batch once nothing of it is open, as many minutes later as it takes. */
export function ended(app: TestApp, batch: { id: string }): Promise<BatchObject> {
  return eventually(async () => {
    await sweepNow();
    const seen = await retrieveBatch(app, batch);
    return seen.status !== "created" && seen.status !== "pending" && seen;
  });
}

/** How many of a batch's commands have not reached their ledgers. */
export async function commandsLeft(app: TestApp): Promise<number> {
  const query = "SELECT count(*) AS count FROM commands WHERE app = ? AND due_at is not null";
  return (await env.DB.prepare(query).bind(app.id).first<number>("count")) ?? 0;
}

export async function eventsOf(
  app: TestApp,
  batch: { id: string },
): Promise<{ type: string; body: string }[]> {
  const { results } = await env.DB.prepare("SELECT type, body FROM events WHERE app = ? AND batch = ?")
    .bind(app.id, batch.id)
    .all<{ type: string; body: string }>();
  return results;
}
