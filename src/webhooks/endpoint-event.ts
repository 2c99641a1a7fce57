// The events an endpoint itself gives rise to. Their object is the endpoint as it is then, without its secrets.
import { type EndpointEvent, eventBody } from "../events/event.ts";
import { mintId, type Random } from "../ids.ts";
import type { DisabledReason } from "./endpoint.ts";
import { type EndpointRow, endpointObject } from "./schema.ts";

/** Asks an endpoint whether it is there. `now` in ms. */
export function pingEvent(endpoint: EndpointRow, now: number, random: Random): EndpointEvent {
  return endpointEvent("webhook_endpoint.ping", endpoint, now, random);
}

/** Tells the app's other endpoints that this one gets nothing any more. `now` in ms. */
export function disabledEvent(
  endpoint: EndpointRow,
  reason: DisabledReason,
  now: number,
  random: Random,
): EndpointEvent {
  const disabledAt = Math.floor(now / 1000);
  const disabled: EndpointRow = { ...endpoint, status: "disabled", disabledReason: reason, disabledAt };
  return endpointEvent("webhook_endpoint.disabled", disabled, now, random);
}

function endpointEvent(
  type: EndpointEvent["type"],
  endpoint: EndpointRow,
  now: number,
  random: Random,
): EndpointEvent {
  const id = mintId("event", random);
  const created = Math.floor(now / 1000);
  const { livemode } = endpoint;
  const body = eventBody({ id, created, livemode, type, object: endpointObject(endpoint), request: null });
  return { id, type, created, endpoint: endpoint.id, body };
}
