// Refunds of other times, which no request can make: copies of one that was made, as D1 has it, with other facts. What
// they are searched by is copied with them.
import { env } from "cloudflare:workers";
import { getTableColumns } from "drizzle-orm";
import { mintId } from "../../src/ids.ts";
import type { Refund, State } from "../../src/refunds/refund.ts";
import { statusOf } from "../../src/refunds/refund.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { refunds } from "../../src/refunds/table.ts";
import { eventually, random, type TestApp } from "../harness.ts";

export type Copy = Partial<
  Pick<Refund, "id" | "seq" | "created" | "amount" | "description" | "metadata" | "transactionNo">
> & { state?: State; channel?: string; currency?: string };

/** A refund that D1 knows. */
export async function projectedRefund(
  app: TestApp,
  facts: { charge?: Record<string, unknown>; refund?: Record<string, unknown> } = {},
): Promise<RefundObject> {
  const charge = await app.charge(facts.charge);
  const { body } = await app.refund(charge, { amount: 100, ...facts.refund });
  const row = env.DB.prepare("SELECT status FROM refunds WHERE id = ?").bind(body.id);
  await eventually(async () => (await row.first<{ status: string }>())?.status === "succeeded");
  return body;
}

/** Adds copies and returns their ids. */
export async function copyRefund(of: RefundObject, copies: readonly Copy[]): Promise<string[]> {
  const values = copies.map(({ id = mintId("refund", random), state = "succeeded", ...facts }) => {
    const { channel, currency, ...doc } = { ...facts, id, state };
    const { seq, created, amount, transactionNo: transaction_no } = facts;
    const columns = {
      id,
      state,
      status: statusOf(state),
      channel,
      currency,
      seq,
      created,
      amount,
      transaction_no,
    };
    return { columns, doc };
  });
  const columns = Object.values(getTableColumns(refunds)).map(({ name }) => name);
  const selected = columns.map((name) =>
    name === "doc"
      ? "json_patch(r.doc, c.value -> 'doc')"
      : `coalesce(c.value -> 'columns' ->> '${name}', r.${name})`,
  );
  await env.DB.prepare(
    `INSERT INTO refunds (${columns.join()}) SELECT ${selected.join()} FROM refunds r, json_each(?) c WHERE r.id = ?`,
  )
    .bind(JSON.stringify(values), of.id)
    .run();
  return values.map(({ columns }) => columns.id);
}
