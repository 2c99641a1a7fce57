// Which charge the refunds belong to that this isolate was asked to make lately: whoever has just been told an id may ask
// for it before D1 has heard of it.
import { BoundedMap } from "../auth/bounded-map.ts";
import { ledgerName } from "../charges/charge.ts";

const RECENT_MAX = 2_000;

/** The charge, by the refund's own place: nobody finds another app's or mode's. */
const charges = new BoundedMap<string>(RECENT_MAX);

export interface RecentRefund {
  app: string;
  livemode: boolean;
  charge: string;
  refund: string;
}

export function rememberRefund({ app, livemode, charge, refund }: RecentRefund): void {
  charges.set(ledgerName(app, livemode, refund), charge);
}

/** The charge of a refund; undefined when this isolate does not remember it. */
export function recentCharge({ app, livemode, refund }: Omit<RecentRefund, "charge">): string | undefined {
  return charges.get(ledgerName(app, livemode, refund));
}
