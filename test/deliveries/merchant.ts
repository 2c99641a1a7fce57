// A merchant who records charges, refunds them, has webhook endpoints and looks up what became of the deliveries.
import { randomUUID } from "node:crypto";
import { expect, inject } from "vitest";
import type { Received, Receiver } from "../emulators/receiver.ts";
import type { MerchantName } from "./global-setup.ts";

export interface Endpoint {
  id: string;
  url: string;
  status: "pending" | "enabled" | "disabled";
  disabled_reason: string | null;
  /** In the answers that make one. */
  secret?: string;
}

export interface Delivery {
  id: string;
  object: "webhook_delivery";
  event: string;
  event_type: string;
  endpoint: string;
  status: "pending" | "delivered" | "exhausted" | "skipped";
  attempts: number;
  next_attempt_at: number | null;
}

export interface Attempt {
  object: "webhook_delivery_attempt";
  number: number;
  trigger: "auto" | "manual";
  started_at: number;
  duration_ms: number;
  http_status: number | null;
  failure: string | null;
  answer: string | null;
}

/** What an attempt said, without what differs from machine to machine. */
export type Said = Omit<Attempt, "started_at" | "duration_ms">;

export const saidBy = ({ started_at: _, duration_ms: __, ...said }: Attempt): Said => said;

/** An attempt as the log should have it. */
export const attempt = (number: number, said: Partial<Said>): Said => ({
  object: "webhook_delivery_attempt",
  number,
  trigger: "auto",
  http_status: null,
  failure: null,
  answer: null,
  ...said,
});

interface RefundEvent {
  id: string;
  type: string;
  data: { object: { id: string } };
}

interface List<Item> {
  has_more: boolean;
  data: Item[];
}

/** How long the stories wait for something: far longer than it takes. */
export const PATIENCE = { timeout: 60_000, interval: 200 };

/** A refund's two events, by name: `*` holds only the second. */
export const BOTH_EVENTS = ["refund.created", "refund.succeeded"];
/** Under the limit of refunds per charge. */
const REFUNDS_PER_CHARGE = 50;
const AT_ONCE = 8;

export class Merchant {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  /** Throws with the answer unless it is 2xx. */
  async call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#key}`,
        Connection: "close",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** Everything in a list, page by page. */
  async all<Item extends { id: string }>(path: string, query: Record<string, string> = {}): Promise<Item[]> {
    const items: Item[] = [];
    for (;;) {
      const last = items.at(-1)?.id;
      const page = { ...query, limit: "100", ...(last === undefined ? {} : { starting_after: last }) };
      const list = await this.call<List<Item>>("GET", `${path}?${new URLSearchParams(page)}`);
      items.push(...list.data);
      if (!list.has_more) return items;
    }
  }

  /** A new endpoint, which may have to answer a ping before it is enabled. */
  createEndpoint(url: string, settings: Record<string, unknown> = {}): Promise<Endpoint> {
    return this.call("POST", "/v1/webhook_endpoints", { url, ...settings });
  }

  /** A new endpoint that is enabled already: its receiver must be well for now. */
  async openEndpoint(url: string, settings: Record<string, unknown> = {}): Promise<Endpoint> {
    const { id } = await this.createEndpoint(url, settings);
    return this.untilEndpoint(id, { status: "enabled" });
  }

  endpoint(id: string): Promise<Endpoint> {
    return this.call("GET", `/v1/webhook_endpoints/${id}`);
  }

  async untilEndpoint(id: string, expected: Partial<Endpoint>): Promise<Endpoint> {
    await expect.poll(() => this.endpoint(id), PATIENCE).toMatchObject(expected);
    return this.endpoint(id);
  }

  /** A paid charge. */
  async charge(): Promise<string> {
    const order = { order_no: randomUUID(), channel: "alipay", amount: 100_000 };
    return (await this.call<{ id: string }>("POST", "/v1/charges", order)).id;
  }

  /** Without a number of its own the second refund of the same amount would be taken for the first one's repeat. */
  async refund(charge: string, change: { refund_no?: string; description?: string } = {}): Promise<string> {
    const refund = { amount: 1, description: "退货", refund_no: randomUUID(), ...change };
    return (await this.call<{ id: string }>("POST", `/v1/charges/${charge}/refunds`, refund)).id;
  }

  /** Refunds that succeed, some at once, spread over as many charges as they need. Their ids. */
  async refunds(count: number): Promise<string[]> {
    const charges = await Promise.all(
      Array.from({ length: Math.ceil(count / REFUNDS_PER_CHARGE) }, () => this.charge()),
    );
    const made: string[] = [];
    let next = 0;
    const refundOnAndOn = async () => {
      while (next < count) made.push(await this.refund(charges[next++ % charges.length] as string));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, refundOnAndOn));
    return made;
  }

  /** Deliveries of events about refunds: those of pings are left out. */
  async deliveries(query: Record<string, string> = {}): Promise<Delivery[]> {
    const found = await this.all<Delivery>("/v1/deliveries", query);
    return found.filter(({ event_type }) => event_type.startsWith("refund."));
  }

  /** First the first. */
  async attempts(delivery: Delivery): Promise<Attempt[]> {
    const { data } = await this.call<List<Attempt>>(
      "GET",
      `/v1/deliveries/${delivery.id}/attempts?limit=100`,
    );
    return data.toSorted((a, b) => a.number - b.number);
  }

  /** The events of these refunds, two of each; throws when there are fewer, more or others. */
  async eventsOf(refunds: readonly string[]): Promise<string[]> {
    const events = await this.all<RefundEvent>("/v1/events");
    const ofRefunds = events.filter(({ type }) => type.startsWith("refund."));
    const expected = Object.fromEntries(refunds.map((refund) => [refund, BOTH_EVENTS.length]));
    expect(countBy(ofRefunds, ({ data }) => data.object.id)).toEqual(expected);
    return ofRefunds.map(({ id }) => id).sort();
  }

  /** Whether anything is still on its way to an endpoint. */
  async hasPending(endpoint: Endpoint): Promise<boolean> {
    const query = `endpoint=${endpoint.id}&status=pending&limit=1`;
    return (await this.call<List<Delivery>>("GET", `/v1/deliveries?${query}`)).data.length > 0;
  }

  /** Waits until an endpoint has as many deliveries as expected and each has the status. */
  async untilDeliveries(
    endpoint: Endpoint,
    count: number,
    status: Delivery["status"],
    patience = PATIENCE,
  ): Promise<Delivery[]> {
    let found: Delivery[] = [];
    const counted = async () => {
      // To read all of a long list again and again would be a storm of its own.
      if (status !== "pending" && (await this.hasPending(endpoint))) return "some are pending";
      found = await this.deliveries({ endpoint: endpoint.id });
      return countBy(found, (one) => one.status);
    };
    await expect.poll(counted, patience).toEqual({ [status]: count });
    return found;
  }

  resend(event: string, endpoint: Endpoint, force?: boolean): Promise<unknown> {
    return this.call("POST", `/v1/events/${event}/resend`, { endpoint: endpoint.id, force });
  }

  /** Starts all that did not arrive in the last hour anew. */
  recover(endpoint: Endpoint): Promise<unknown> {
    const now = Math.floor(Date.now() / 1000);
    const period = { since: now - 3600, until: now + 1 };
    return this.call("POST", `/v1/webhook_endpoints/${endpoint.id}/recover`, period);
  }
}

/** The merchant of one story, at the server that all stories share. */
export function merchantNamed(name: MerchantName): Merchant {
  return new Merchant(inject("url"), inject("merchants")[name]);
}

/** What came to a path about refunds: pings are left out. */
export function refundsAt(receiver: Receiver, path: string): Received[] {
  return receiver.at(path).filter(({ body }) => JSON.parse(body.toString()).type.startsWith("refund."));
}

export function countBy<Item>(items: readonly Item[], of: (item: Item) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[of(item)] = (counts[of(item)] ?? 0) + 1;
  return counts;
}
