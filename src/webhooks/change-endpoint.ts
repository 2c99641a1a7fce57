// Changes an endpoint as a merchant asks. Another address, and an endpoint that is enabled again, must first answer a
// ping; what happens meanwhile waits for that.
import type { Database } from "../db/client.ts";
import type { Random } from "../ids.ts";
import { deliveryIdOf, type Wakeable } from "./delivery.ts";
import { disabledEvent, pingEvent } from "./endpoint-event.ts";
import { applyChange, type EndpointEdit } from "./repository.ts";
import type { EndpointRow } from "./schema.ts";

export interface EndpointWish extends EndpointEdit {
  status?: "enabled" | "disabled";
}

/** The endpoint as it is then, and its ping to be woken; null when it was deleted meanwhile. `now` in ms. */
export async function changeEndpoint(
  db: Database,
  endpoint: EndpointRow,
  { status, ...edit }: EndpointWish,
  now: number,
  random: Random,
): Promise<{ endpoint: EndpointRow; ping: Wakeable | null } | null> {
  const willBeOn = (status ?? endpoint.status) !== "disabled";
  const moves = edit.url !== undefined && edit.url !== endpoint.url;
  const repings = willBeOn && (moves || endpoint.status === "disabled");
  const edited = { ...endpoint, ...edit };
  const reping = repings
    ? pingEvent(
        { ...edited, status: "pending", firstFailureAt: null, disabledAt: null, disabledReason: null },
        now,
        random,
      )
    : null;
  const disables = !willBeOn && endpoint.status !== "disabled";
  const disabled = disables ? disabledEvent(edited, "by_request", now, random) : null;

  const changed = await applyChange(db, endpoint, { edit, reping, disabled }, now);
  if (changed === null) return null;
  return { endpoint: changed, ping: reping === null ? null : pingToWake(changed, reping.id) };
}

/** The delivery of an endpoint's own ping. */
export function pingToWake({ id, app, livemode, lane }: EndpointRow, event: string): Wakeable {
  return { id: deliveryIdOf(event, id), app, livemode, lane };
}
