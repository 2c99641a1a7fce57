// A webhook endpoint: an address of the merchant that receives deliveries.

export const ENDPOINT_STATUSES = ["pending", "enabled", "disabled"] as const;

export const SCHEDULES = ["standard", "pingpp"] as const;
export type Schedule = (typeof SCHEDULES)[number];

/** Why an endpoint was disabled. */
export const DISABLED_REASONS = ["gone", "failing", "by_request"] as const;

/** Endpoints an app may have in each mode. */
export const ENDPOINTS_MAX = 16;
