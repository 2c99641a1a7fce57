// The arithmetic of a soak: latencies counted from when a request was due, a straight line through samples, and how far
// a database reaches. Pure.

/** The smallest value that so many of all values do not exceed: one that was really seen. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** ms. */
export interface Latency {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

export function latencyOf(latencies: readonly number[]): Latency {
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}

/**
 * When the request of that place is due, ms since the start. A request that cannot be sent then waits, and its waiting
 * counts: a service that stalls for a second has kept everybody waiting who came in that second, not only the one whom
 * it was serving.
 */
export function dueAt(place: number, perSecond: number): number {
  return (place / perSecond) * 1000;
}

export interface Line {
  slope: number;
  intercept: number;
  /** Standard error of the slope: what noise alone would make of it. */
  error: number;
}

/** Least squares; null where no line goes through. */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): Line | null {
  const count = points.length;
  if (count < 3) return null;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  if (spread === 0) return null;
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const intercept = meanY - slope * meanX;
  const residue = points.reduce((sum, [x, y]) => sum + (y - intercept - slope * x) ** 2, 0);
  return { slope, intercept, error: Math.sqrt(residue / (count - 2) / spread) };
}

/** The later half, by place. */
export function lastHalf<T>(list: readonly T[]): T[] {
  return list.slice(Math.floor(list.length / 2));
}

export interface Sizes {
  count: number;
  median: number;
  max: number;
}

export function sizesOf(bytes: readonly number[]): Sizes {
  const sorted = bytes.toSorted((a, b) => a - b);
  return { count: sorted.length, median: quantile(sorted, 0.5), max: sorted.at(-1) ?? Number.NaN };
}

/** One table of a database with its indexes. */
export interface TableSize {
  table: string;
  rows: number;
  bytes: number;
}

/** Tables of which a refund's rows are removed again after a time, once they were delivered. */
const PASSING = new Set(["deliveries", "delivery_attempts"]);
/** Tables that grow with charges, not with refunds. */
const OF_CHARGES = new Set(["charges", "payments"]);
const OF_REFUNDS = new Set(["refunds", "events", ...PASSING]);

export interface Growth {
  /** Bytes for each charge, its refunds not counted. */
  perCharge: number;
  /** Bytes for each refund with its events and deliveries. */
  perRefund: number;
  /** Of which so many stay when its deliveries have been removed. */
  lasting: number;
}

export function growthOf(tables: readonly TableSize[], charges: number, refunds: number): Growth {
  const sum = (of: (table: string) => boolean) =>
    tables.reduce((total, { table, bytes }) => total + (of(table) ? bytes : 0), 0);
  return {
    perCharge: sum((table) => OF_CHARGES.has(table)) / charges,
    perRefund: sum((table) => OF_REFUNDS.has(table)) / refunds,
    lasting: sum((table) => OF_REFUNDS.has(table) && !PASSING.has(table)) / refunds,
  };
}

/** How many refunds fit into so many bytes, each with a charge of its own. */
export function refundsIn(bytes: number, perRefund: number, perCharge: number): number {
  return Math.floor(bytes / (perRefund + perCharge));
}
