// Events of a refund, rendered in the moment they happen.
import type { Charge } from "../charges/charge.ts";
import { type Event, type EventType, eventBody } from "../events/event.ts";
import { mintId, type Random } from "../ids.ts";
import type { Refund } from "./refund.ts";
import { refundObject } from "./schema.ts";

/** A refund is born pending, also one that the same transaction ends. */
const BORN = { state: "waiting", failureCode: null, failureMsg: null } as const;

/** `request` is the id of the creating request while it drives the refund; `now` in ms. */
export function refundEvent(
  type: EventType,
  refund: Refund,
  charge: Charge,
  request: string | null,
  random: Random,
  now: number,
): Event {
  const id = mintId("event", random);
  const created = Math.floor(now / 1000);
  const shown = type === "refund.created" ? { ...refund, ...BORN } : refund;
  const object = refundObject(shown, charge);
  const body = eventBody({ id, created, livemode: charge.livemode, type, object, request });
  return { id, type, created, charge: charge.id, refund: refund.id, body };
}
