// What must hold once everything has come to rest: the channel's own books decide, and ledgers and D1 agree with them.
import { type Refund, refundOrderNo, statusOf } from "../../src/refunds/refund.ts";
import type { Merchant } from "./merchant.ts";
import type { World } from "./world.ts";

/** Whether a refund has ended, or waits for a person and may do so for ever. */
export function isSettled({ counterpart }: World, refund: Refund): boolean {
  if (refund.version > refund.synced) return false;
  if (refund.state === "succeeded" || refund.state === "failed") return refund.dueAt === null;
  if (refund.attention === "already_refunded") return true;
  const there = counterpart.find(refundOrderNo(refund.id));
  return there?.status === "stuck" && refund.attention === "channel_abnormal";
}

export function checkAtRest(world: World, merchant: Merchant): void {
  const refunds = new Map([...world.watch.refunds()].map((refund) => [refundOrderNo(refund.id), refund]));
  for (const [number, refund] of refunds) checkRefund(world, number, refund);
  for (const refund of refunds.values()) checkTold(world, refund);
  checkBooks(world, refunds);
  checkPayments(world, merchant);
  for (const [id, told] of merchant.told) {
    const refund = refunds.get(refundOrderNo(id));
    if (refund?.amount !== told.amount)
      world.violation(`I4: ${id} of ${told.amount} is now ${refund?.amount}`);
  }
}

/** I3, I7: per number and amount, what moved at the channel is what the ledger says has succeeded. */
function checkRefund(world: World, number: string, refund: Refund): void {
  const there = world.counterpart.find(number);
  const says = there?.status ?? "nothing";
  if (!isSettled(world, refund)) {
    world.violation(`I7: ${refund.id} is still ${refund.state}; the channel says ${says}`);
    return;
  }
  if ((refund.state === "succeeded") !== (there?.status === "succeeded")) {
    world.violation(`I3: ${refund.id} is ${refund.state}; the channel says ${says}`);
  }
  if (there === null) return;
  if (there.effects !== 1) world.violation(`E9: ${there.effects} refunds at the channel for ${refund.id}`);
  if (there.amount !== refund.amount) {
    world.violation(`I3: ${refund.id} of ${refund.amount} is ${there.amount} at the channel`);
  }
}

/** I5, I9: D1 has the ledger's version, and one event for each public transition. */
function checkTold(world: World, refund: Refund): void {
  const [row] = world.d1.rows("SELECT version, state, status, amount FROM refunds WHERE id = ?", refund.id);
  const expected = [refund.version, refund.state, statusOf(refund.state), refund.amount].join(" ");
  const found = [row?.version, row?.state, row?.status, row?.amount].join(" ");
  if (found !== expected) world.violation(`I5: ${refund.id} is ${found} in D1, ${expected} in its ledger`);
  const events = world.d1.rows("SELECT type FROM events WHERE refund = ? ORDER BY seq", refund.id);
  const told = events.map(({ type }) => String(type)).filter((type) => type !== "refund.updated");
  const statuses = world.watch.observer.statuses.get(refund.id) ?? [];
  const transitions = ["refund.created", ...statuses.slice(1).map((status) => `refund.${status}`)];
  if (told.join() !== transitions.join()) {
    world.violation(`I9: ${refund.id} was ${statuses.join()} and told ${told.join()}`);
  }
}

/** I12 and the channel's own complaints: every number is one refund's, and none of ours broke a rule. */
function checkBooks(world: World, refunds: ReadonlyMap<string, Refund>): void {
  const { books, notices } = world.counterpart;
  for (const words of books.violations) world.violation(`at the channel: ${words}`);
  for (const number of books.numbers.keys()) {
    if (!refunds.has(number) && !number.startsWith("elsewhere_")) {
      world.violation(`I12: nobody knows the number ${number}`);
    }
  }
  for (const { kind, status } of notices.sent) {
    if (kind !== "good" && status !== null && status < 300)
      world.violation(`E41: a ${kind} notice was taken`);
  }
}

/** I2: no payment gave back more than it was. */
function checkPayments(world: World, merchant: Merchant): void {
  for (const { id, transactionNo, amount } of merchant.charges) {
    const moved = world.counterpart.books.moved(transactionNo ?? "");
    if (moved > amount) world.violation(`I2: ${moved} of ${amount} moved for ${id}`);
    const freeze = world.watch.observer.look(world.disk({ id })).cover?.freeze;
    if (freeze !== undefined && freeze !== null) world.violation(`${id} is frozen: ${freeze}`);
  }
}
