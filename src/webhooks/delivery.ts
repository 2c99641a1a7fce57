// A delivery: one event on its way to one endpoint. Its row in D1 is the truth; a queue message only wakes the worker up.

/** `skipped`: the endpoint was disabled when the event happened; `exhausted`: the schedule ran out. */
export const DELIVERY_STATUSES = ["pending", "delivered", "exhausted", "skipped"] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** What started an attempt. */
export const TRIGGERS = ["auto", "manual"] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** Deliveries to an endpoint whose last attempt failed or was slow travel apart from the rest. */
export const LANES = ["fast", "slow"] as const;
export type Lane = (typeof LANES)[number];

/** The wake-up call on the queue. */
export interface DeliveryMessage {
  delivery: string;
  app: string;
  livemode: boolean;
}
