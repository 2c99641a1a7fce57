// I9, against the receivers' own books: every public transition has one event, every event one delivery for each
// endpoint that asked for it, and what D1 calls delivered has arrived, byte for byte.
import { type Refund, statusOf } from "../../src/refunds/refund.ts";
import type { Blame } from "./check-answers.ts";
import type { EndpointRecord, Records, Row } from "./records.ts";

/** What `*` stands for. */
const PINGPP = ["refund.succeeded", "refund.failed"];
const PING = "webhook_endpoint.ping";
/** Before it gives up, by either schedule. */
const ATTEMPTS_MIN = 10;

export function checkDeliveries(records: Records, blame: Blame): void {
  const byRefund = Map.groupBy(records.rows.events, ({ refund }) => refund);
  for (const { charge, refunds } of records.ledgers.values()) {
    for (const refund of refunds) {
      checkTransitions(refund, charge.id, byRefund.get(refund.id) ?? [], blame);
    }
  }
  const arrived = new Set(records.receipts.map(({ path, id }) => `${path} ${id}`));
  const byEvent = Map.groupBy(records.rows.deliveries, ({ event }) => event);
  const endpoints = new Map(records.endpoints.map((endpoint) => [endpoint.id, endpoint]));
  const gone = new Set(
    records.rows.endpoints.filter((row) => row.disabled_reason === "gone").map(({ id }) => String(id)),
  );
  for (const event of records.rows.events) {
    checkEvent(event, records.ledgers, blame);
    const deliveries = byEvent.get(event.id ?? "") ?? [];
    const asked = records.endpoints.filter((endpoint) => wants(endpoint, event));
    for (const endpoint of asked) {
      const mine = deliveries.filter((delivery) => delivery.endpoint === endpoint.id);
      if (mine.length !== 1)
        blame("I9", `${nameOf(event)} goes ${mine.length} times to ${endpoint.path}`, chargeOf(event));
    }
    for (const delivery of deliveries) {
      const endpoint = endpoints.get(String(delivery.endpoint));
      if (endpoint === undefined || !asked.includes(endpoint)) {
        blame(
          "I14",
          `${nameOf(event)} goes to ${delivery.endpoint}, which did not ask for it`,
          chargeOf(event),
        );
        continue;
      }
      const hasArrived = arrived.has(`${endpoint.path} ${event.id}`);
      checkDelivery(delivery, event, endpoint, { hasArrived, isGone: gone.has(endpoint.id) }, blame);
    }
  }
  checkReceipts(records, blame);
}

const nameOf = ({ id, type }: Row) => `${id} (${type})`;
const chargeOf = ({ charge }: Row) => (charge === null || charge === undefined ? null : String(charge));

function wants({ id, shop, events }: EndpointRecord, event: Row): boolean {
  if (event.app !== shop.app || (event.livemode === 1) !== shop.livemode) return false;
  const type = String(event.type);
  if (type === PING) return event.endpoint === id;
  return events.includes(type) || (events.includes("*") && PINGPP.includes(type));
}

/** A refund is created once and ends once, unless the channel itself took its word back. */
function checkTransitions(refund: Refund, charge: string, events: Row[], blame: Blame): void {
  const told = events
    .toSorted((a, b) => Number(a.seq) - Number(b.seq))
    .map(({ type }) => String(type))
    .filter((type) => type !== "refund.updated");
  const status = statusOf(refund.state);
  const [created, ...ends] = told;
  const isRepeated = ends.some((type, place) => type === ends[place - 1]);
  const isTurning = /\[sandbox:late_failure/.test(refund.description);
  const isLast = status === "pending" ? ends.length === 0 : ends.at(-1) === `refund.${status}`;
  const isOnce = created === "refund.created" && !ends.includes("refund.created");
  if (!isOnce || isRepeated || !isLast || (ends.length > 1 && !isTurning)) {
    blame("I9", `${refund.id} is ${status} and told ${told.join() || "nothing"}`, charge);
  }
}

function checkEvent(event: Row, ledgers: Records["ledgers"], blame: Blame): void {
  if (event.charge === null) return;
  const { id, type, livemode, data } = JSON.parse(String(event.body));
  const ledger = ledgers.get(String(event.charge));
  const isOf = ledger?.refunds.some((refund) => refund.id === event.refund) ?? false;
  const isTrue = id === event.id && type === event.type && data.object.id === event.refund;
  const isOurs = ledger?.charge.app === event.app && ledger?.charge.livemode === livemode;
  if (!isOf || !isTrue || !isOurs)
    blame("I9", `${nameOf(event)} is no event of ${event.refund}`, chargeOf(event));
  const status = /^refund\.(succeeded|failed)$/.exec(String(event.type))?.[1];
  if (status !== undefined && data.object.status !== status) {
    blame("I9", `${nameOf(event)} shows a refund that is ${data.object.status}`, chargeOf(event));
  }
}

function checkDelivery(
  { id, status, attempts }: Row,
  event: Row,
  endpoint: EndpointRecord,
  { hasArrived, isGone }: { hasArrived: boolean; isGone: boolean },
  blame: Blame,
): void {
  const what = `${id} of ${nameOf(event)} to ${endpoint.path}`;
  if (status === "delivered" && !hasArrived) blame("I9", `${what} never arrived`, chargeOf(event));
  if (endpoint.healthy && status !== "delivered") blame("I9", `${what} is ${status}`, chargeOf(event));
  // One that says that it is gone for good is not asked again.
  if (status === "exhausted" && !isGone && Number(attempts) < ATTEMPTS_MIN) {
    blame("I9", `${what} was given up after ${attempts} attempts`, chargeOf(event));
  }
}

/** What arrived is an event of that shop, asked for there, and its bytes are those that are kept. */
function checkReceipts({ receipts, endpoints, rows }: Records, blame: Blame): void {
  const events = new Map(rows.events.map((event) => [event.id, event]));
  const byPath = new Map(endpoints.map((endpoint) => [endpoint.path, endpoint]));
  for (const { path, id, body } of receipts) {
    const event = events.get(id);
    const endpoint = byPath.get(path);
    if (event === undefined) blame("I9", `${id} arrived at ${path} and is no event`, null);
    else if (endpoint === undefined || !wants(endpoint, event)) {
      blame("I14", `${nameOf(event)} arrived at ${path}, which did not ask for it`, chargeOf(event));
    } else if (body !== event.body) {
      blame("I9", `${nameOf(event)} arrived at ${path} with other bytes`, chargeOf(event));
    }
  }
}
