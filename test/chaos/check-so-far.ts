// What can be seen to be wrong while the storm still blows: money beyond the payment, a promise that was forgotten, one
// key that is two refunds.
import type { Clients } from "./clients.ts";
import type { Outside } from "./outside.ts";
import { answersOf } from "./records.ts";

export function checkSoFar(clients: Clients, outside: Outside): string[] {
  const seen = outside.violations();
  const moved = new Map<string, number>();
  for (const { payment, amount, effects, moved: isMoved } of outside.booked()) {
    if (isMoved) moved.set(payment, (moved.get(payment) ?? 0) + amount * effects);
  }
  for (const { id, amount, livemode, transactionNo } of clients.charges) {
    const sum = moved.get((livemode ? transactionNo : id) ?? "") ?? 0;
    if (sum > amount) seen.push(`${sum} of ${amount} has left the channel for ${id}`);
  }
  for (const reading of clients.reader.readings) {
    if (reading.kind === "refund" && reading.status === 404) seen.push(`${reading.refund} was not found`);
  }
  for (const wish of clients.wishes) {
    const ids = new Set(answersOf(wish).map(({ refund }) => refund.id));
    const isKeyed = wish.refundNo !== null || wish.idempotencyKey !== null;
    if (isKeyed && ids.size > 1) seen.push(`${wish.token} is ${[...ids].join(" and ")}`);
  }
  return seen;
}
