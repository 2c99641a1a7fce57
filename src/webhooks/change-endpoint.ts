// Changes an endpoint as a merchant asks. Another address, and an endpoint that is enabled again, must first answer a
// ping; what happens meanwhile waits for that.
import type { Database } from "../db/client.ts";
import { ProblemError } from "../http/problem.ts";
import type { Random } from "../ids.ts";
import { deliveryIdOf, type Wakeable } from "./delivery.ts";
import { disabledEvent, pingEvent } from "./endpoint-event.ts";
import { applyChange, type EndpointChange, type EndpointEdit, UNANSWERED } from "./repository.ts";
import type { EndpointRow } from "./schema.ts";

export interface EndpointWish extends EndpointEdit {
  status?: "enabled" | "disabled";
}

export interface ChangedEndpoint {
  endpoint: EndpointRow;
  /** Its ping, to be woken. */
  ping: Wakeable | null;
}

/** Changes that race for the same endpoint are made one after the other. */
const CHANGE_TRIES = 20;

/** The endpoint as it is then; null when it was deleted meanwhile. Throws a problem when too many race. `now` in ms. */
export async function changeEndpoint(
  db: Database,
  endpoint: EndpointRow,
  wish: EndpointWish,
  now: number,
  random: Random,
): Promise<ChangedEndpoint | null> {
  let before: EndpointRow | null = endpoint;
  for (let tries = 0; tries < CHANGE_TRIES && before !== null; tries++) {
    const change = changeOf(before, wish, now, random);
    const changed = await applyChange(db, before, change, now);
    before = changed.endpoint;
    if (changed.isDone && before !== null) {
      return { endpoint: before, ping: change.reping === null ? null : pingToWake(before, change.reping.id) };
    }
  }
  if (before === null) return null;
  throw new ProblemError({ code: "unavailable", retryAfterSeconds: 1 });
}

/** What a wish comes to for an endpoint as it is. */
function changeOf(
  endpoint: EndpointRow,
  { status, url, ...rest }: EndpointWish,
  now: number,
  random: Random,
): EndpointChange {
  const willBeOn = (status ?? endpoint.status) !== "disabled";
  const moves = url !== undefined && url !== endpoint.url;
  const edit = moves ? { ...rest, url } : rest;
  const edited = { ...endpoint, ...edit };
  const repings = willBeOn && (moves || endpoint.status === "disabled");
  const reping = repings ? pingEvent({ ...edited, ...UNANSWERED }, now, random) : null;
  const disables = !willBeOn && endpoint.status !== "disabled";
  const disabled = disables ? disabledEvent(edited, "by_request", now, random) : null;
  return { edit, reping, disabled };
}

/** The delivery of an endpoint's own ping. */
export function pingToWake({ id, app, livemode, lane }: EndpointRow, event: string): Wakeable {
  return { id: deliveryIdOf(event, id), app, livemode, lane };
}
