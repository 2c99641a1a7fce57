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

/** A delivery that a message is to wake, through the lane of its endpoint. */
export interface Wakeable {
  id: string;
  app: string;
  livemode: boolean;
  lane: Lane;
}

/** The id of a delivery follows from its event and endpoint: 12 characters of each. */
export function deliveryIdOf(event: string, endpoint: string): string {
  return `dlv_${event.slice(4, 16)}${endpoint.slice(3, 15)}`;
}

/** The wake-up call on the queue. */
export interface DeliveryMessage {
  delivery: string;
  app: string;
  livemode: boolean;
}
