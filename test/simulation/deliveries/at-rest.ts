// What must be true once everything has had its time: the books of the receivers, the rows of D1 and what happened tell
// one story.
import type { Merchant } from "./merchant.ts";
import type { DeliveryRow } from "./mirror.ts";
import { isGood } from "./receivers.ts";
import { ATTEMPTS_MAX } from "./schedules.ts";
import type { DeliveryWorld } from "./world.ts";

/** After the storm and the longest schedule: nothing is on its way any more, and nothing is missing. */
export function checkAtRest(world: DeliveryWorld, merchants: readonly Merchant[]): void {
  const { mirror } = world.observer;
  for (const merchant of merchants) {
    for (const event of merchant.events) {
      if (!mirror.events.has(event)) world.violation(`I9: ${event} is not in D1`);
    }
  }
  checkFanOut(world);
  for (const { id, due_at, attempts } of mirror.open.values()) {
    // Retry-After can stretch a schedule by days.
    if (due_at === null || due_at <= world.clock.now() || attempts === 0) {
      world.violation(`I9: ${id} is still pending, due at ${due_at}`);
    }
  }
  const pinged = new Set(
    [...mirror.open.values()].filter((row) => mirror.isPing(row)).map((row) => row.endpoint),
  );
  for (const { id, status, deleted_at } of mirror.endpoints.values()) {
    // One that is told to come back in a day, each time, is still being pinged.
    if (status === "pending" && deleted_at === null && !pinged.has(id)) {
      world.violation(`${id} waits for the answer to a ping that nobody makes any more`);
    }
  }
  for (const row of mirror.deliveries.values()) checkDelivery(world, row);
}

/** Once everybody is well again and has recovered what was missed, nothing was lost. */
export function checkRecovered(world: DeliveryWorld): void {
  const { mirror } = world.observer;
  for (const row of mirror.deliveries.values()) {
    const endpoint = mirror.endpoints.get(row.endpoint);
    if (endpoint === undefined || endpoint.deleted_at !== null) continue;
    if (endpoint.status !== "enabled") world.violation(`${endpoint.id} is well, but ${endpoint.status}`);
    if (mirror.isPing(row)) continue;
    if (row.status !== "delivered") world.violation(`I9: ${row.id} was not recovered: ${row.status}`);
  }
}

/** Every event has one delivery to each endpoint that asked for it then; others only if somebody sent it there. */
function checkFanOut(world: DeliveryWorld): void {
  const { mirror, snapshots } = world.observer;
  const rows = new Map<string, DeliveryRow>();
  for (const row of mirror.deliveries.values()) {
    const pair = `${row.event} ${row.endpoint}`;
    if (rows.has(pair)) world.violation(`I9: ${pair} has two deliveries`);
    rows.set(pair, row);
  }
  for (const [event, seen] of snapshots) {
    for (const [endpoint, { asked }] of seen) {
      if (asked && !rows.has(`${event} ${endpoint}`)) {
        world.violation(`I9: ${event} has no delivery to ${endpoint}, which asked for it`);
      }
    }
  }
  for (const row of rows.values()) {
    const asked = snapshots.get(row.event)?.get(row.endpoint)?.asked;
    const isFirst = asked === undefined && mirror.isPing(row);
    if (asked !== true && !isFirst && !world.observer.course(row.id).sentByHand) {
      world.violation(`I9: ${row.endpoint} got ${row.event} and had not asked for it`);
    }
  }
}

function checkDelivery(world: DeliveryWorld, row: DeliveryRow): void {
  const course = world.observer.course(row.id);
  const receipts = world.receivers.receipts.get(row.id) ?? [];
  const taken = receipts.filter(({ answer }) => isGood(answer));
  if (row.status === "delivered" && taken.length === 0) {
    world.violation(`I9: ${row.id} is delivered, but its receiver has taken nothing`);
  }
  // An answer that came, and was written down, is the end of it, unless a person sends it again.
  const last = receipts.at(-1);
  const isRecorded = last !== undefined && course.recorded.has(last.number);
  if (isRecorded && isGood(last.answer) && last.number === row.attempts && row.status !== "delivered") {
    if (row.attempts > row.attempts_before) {
      world.violation(`I9: the receiver took ${row.id}, and it is ${row.status}`);
    }
  }
  if (row.attempts !== course.claims.length) world.violation(`${row.id} miscounts its attempts`);
  const inRun = row.attempts - row.attempts_before;
  if (inRun > Math.max(...Object.values(ATTEMPTS_MAX))) world.violation(`${row.id} was tried for ever`);
}
