// What D1 holds, read back after every commit by triggers of the simulation's own, past all that the service believes.
import type { SimulatedD1 } from "../d1.ts";

export interface DeliveryRow {
  id: string;
  app: string;
  livemode: number;
  event: string;
  endpoint: string;
  status: "pending" | "delivered" | "exhausted" | "skipped";
  attempts: number;
  attempts_before: number;
  due_at: number | null;
  slot_at: number | null;
  lease_until: number | null;
  slow_endpoint: string | null;
  trigger: "auto" | "manual";
  created_at: number;
  ended_at: number | null;
}

export interface EndpointRow {
  id: string;
  app: string;
  livemode: number;
  url: string;
  enabled_events: string;
  status: "pending" | "enabled" | "disabled";
  schedule: "standard" | "pingpp";
  secrets: string;
  rate_limit: number | null;
  lane: "fast" | "slow";
  first_failure_at: number | null;
  disabled_at: number | null;
  disabled_reason: string | null;
  deleted_at: number | null;
}

export interface EventRow {
  id: string;
  app: string;
  livemode: number;
  type: string;
  endpoint: string | null;
  body: string;
}

export interface AttemptRow {
  delivery: string;
  number: number;
  trigger: string;
  started_at: number;
  duration_ms: number;
  http_status: number | null;
  failure: string | null;
}

/** One write, as its trigger saw it; `before` is null for a new row. */
export type Write =
  | { table: "deliveries"; row: DeliveryRow; before: DeliveryRow | null }
  | { table: "webhook_endpoints"; row: EndpointRow; before: EndpointRow | null }
  | { table: "events"; row: EventRow; before: null }
  | { table: "delivery_attempts"; row: AttemptRow; before: null };

const COLUMNS = {
  deliveries: [
    ...["id", "app", "livemode", "event", "endpoint", "status", "attempts", "attempts_before", "due_at"],
    ...["slot_at", "lease_until", "slow_endpoint", "trigger", "created_at", "ended_at"],
  ],
  webhook_endpoints: [
    ...["id", "app", "livemode", "url", "enabled_events", "status", "schedule", "secrets", "rate_limit"],
    ...["lane", "first_failure_at", "disabled_at", "disabled_reason", "deleted_at"],
  ],
  events: ["id", "app", "livemode", "type", "endpoint", "body"],
  delivery_attempts: [
    ...["delivery", "number", "trigger", "started_at", "duration_ms", "http_status", "failure"],
  ],
} as const;

export class Mirror {
  readonly #d1: SimulatedD1;
  readonly deliveries = new Map<string, DeliveryRow>();
  /** Those that have not ended. */
  readonly open = new Map<string, DeliveryRow>();
  readonly endpoints = new Map<string, EndpointRow>();
  readonly events = new Map<string, EventRow>();

  /** `committed` hears of every transaction that wrote something, with its writes in order. */
  constructor(d1: SimulatedD1, committed: (writes: Write[]) => void) {
    this.#d1 = d1;
    d1.exec("CREATE TABLE simulated_log (seq INTEGER PRIMARY KEY, origin TEXT, content TEXT)");
    for (const [table, columns] of Object.entries(COLUMNS)) {
      const content = columns.map((column) => `'${column}', NEW."${column}"`).join(", ");
      for (const kind of ["INSERT", "UPDATE"]) {
        d1.exec(`CREATE TRIGGER simulated_${table}_${kind} AFTER ${kind} ON ${table} BEGIN
          INSERT INTO simulated_log (origin, content) VALUES ('${table}', json_object(${content})); END`);
      }
    }
    d1.exec(`CREATE TRIGGER simulated_deletes AFTER DELETE ON deliveries BEGIN
      INSERT INTO simulated_log (origin, content) VALUES ('deleted', json_object('id', OLD.id)); END`);
    d1.afterCommit = () => {
      const writes = this.#read();
      if (writes.length > 0) committed(writes);
    };
  }

  /** Whether the sweeper would find anything. */
  isAnythingDue(now: number): boolean {
    for (const { due_at, lease_until } of this.open.values()) {
      if (due_at !== null && due_at <= now && (lease_until ?? 0) <= now) return true;
    }
    return false;
  }

  isPing(delivery: { event: string }): boolean {
    return this.events.get(delivery.event)?.type === "webhook_endpoint.ping";
  }

  #read(): Write[] {
    const rows = this.#d1.rows("SELECT origin, content FROM simulated_log ORDER BY seq");
    if (rows.length === 0) return [];
    this.#d1.rows("DELETE FROM simulated_log");
    return rows.map(({ origin, content }) => this.#write(origin as string, JSON.parse(content as string)));
  }

  #write(table: string, row: unknown): Write {
    switch (table) {
      case "deliveries": {
        const delivery = row as DeliveryRow;
        const before = this.deliveries.get(delivery.id) ?? null;
        this.deliveries.set(delivery.id, delivery);
        if (delivery.status === "pending") this.open.set(delivery.id, delivery);
        else this.open.delete(delivery.id);
        return { table, row: delivery, before };
      }
      case "webhook_endpoints": {
        const endpoint = row as EndpointRow;
        const before = this.endpoints.get(endpoint.id) ?? null;
        this.endpoints.set(endpoint.id, endpoint);
        return { table, row: endpoint, before };
      }
      case "events":
        this.events.set((row as EventRow).id, row as EventRow);
        return { table, row: row as EventRow, before: null };
      case "delivery_attempts":
        return { table, row: row as AttemptRow, before: null };
      default:
        throw new Error(`${table} was never to be written: ${JSON.stringify(row)}`);
    }
  }
}
