import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EventType } from "../../src/events/event.ts";
import { DELIVERY_STATUSES, type DeliveryStatus } from "../../src/webhooks/delivery.ts";
import { newClient, newDelivery, newEndpoint, newEvent, newTenant, SECONDS } from "./webhook-fixture.ts";

interface Listed {
  object: string;
  url: string;
  has_more: boolean;
  data: { id: string; created: number; type: string }[];
}

/** A tenant with events of these times and types, in the order of their making; ids newest first. */
async function shop(times: number[], types: EventType[] = []) {
  const tenant = await newTenant();
  const made: { id: string; created: number; seq: number }[] = [];
  for (const [seq, created] of times.entries()) {
    made.push({ ...(await newEvent(tenant, { created, type: types[seq] })), created, seq });
  }
  const newestFirst = [...made].sort((a, b) => b.created - a.created || b.seq - a.seq).map(({ id }) => id);
  const call = await newClient(tenant);
  const list = async (query: string) => {
    const { status, json } = await call("GET", `/v1/events${query}`);
    expect(status).toBe(200);
    const page = json as Listed;
    return { ids: page.data.map(({ id }) => id), hasMore: page.has_more, page };
  };
  return { tenant, call, list, newestFirst, made };
}

describe("an event", () => {
  test("is shown byte for byte as it was delivered, but for the count of pending webhooks", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const endpoint = await newEndpoint(tenant);
    const { event } = await newDelivery(tenant, endpoint);
    const { status, text, json } = await call("GET", `/v1/events/${event.id}`);
    expect(status).toBe(200);
    expect(text).toBe(event.body.replace(/0\}$/, "1}"));
    expect(Object.keys(json)).toEqual([
      "id",
      "created",
      "livemode",
      "type",
      "data",
      "object",
      "request",
      "pending_webhooks",
    ]);
    const quiet = await newDelivery(tenant, endpoint, { status: "delivered", dueAt: null, endedAt: 1 });
    expect((await call("GET", `/v1/events/${quiet.event.id}`)).text).toBe(quiet.event.body);
  });

  test("of another app or mode does not exist", async () => {
    const tenant = await newTenant();
    const event = await newEvent(tenant);
    for (const stranger of [await newTenant(), { ...tenant, livemode: true }]) {
      const call = await newClient(stranger);
      const { status, json } = await call("GET", `/v1/events/${event.id}`);
      expect([status, json.error.param]).toEqual([404, "id"]);
      expect((await call("GET", "/v1/events")).json.data).toEqual([]);
      const cursor = await call("GET", `/v1/events?starting_after=${event.id}`);
      expect([cursor.status, cursor.json.error.param]).toEqual([400, "starting_after"]);
    }
  });

  test.each(["evt_1", "re_000000000000000000000000", "evt_000000000000000000000000"])(
    "that nobody made is not found: %s",
    async (id) => {
      const call = await newClient(await newTenant());
      expect((await call("GET", `/v1/events/${id}`)).status).toBe(404);
    },
  );
});

describe("the list of events", () => {
  test("is empty at first", async () => {
    const { list } = await shop([]);
    expect((await list("")).page).toEqual({ object: "list", url: "/v1/events", has_more: false, data: [] });
  });

  test("is newest first, ties broken by the order of making, ten at a time", async () => {
    const times = Array.from({ length: 12 }, (_, i) => SECONDS + Math.floor(i / 5));
    const { list, newestFirst } = await shop(times);
    expect(await list("")).toMatchObject({ ids: newestFirst.slice(0, 10), hasMore: true });
    expect(await list("?limit=12")).toMatchObject({ ids: newestFirst, hasMore: false });
    expect(await list("?")).toMatchObject({ hasMore: true });
  });

  test("starting_after goes on to the older ones, ending_before back to the newer ones beside the cursor", async () => {
    const { list, newestFirst } = await shop(Array.from({ length: 9 }, () => SECONDS));
    const at = (i: number) => newestFirst[i] as string;
    expect(await list(`?limit=3&starting_after=${at(2)}`)).toMatchObject({
      ids: newestFirst.slice(3, 6),
      hasMore: true,
    });
    expect(await list(`?limit=3&starting_after=${at(5)}`)).toMatchObject({
      ids: newestFirst.slice(6, 9),
      hasMore: false,
    });
    expect(await list(`?limit=3&ending_before=${at(5)}`)).toMatchObject({
      ids: newestFirst.slice(2, 5),
      hasMore: true,
    });
    expect(await list(`?limit=3&ending_before=${at(3)}`)).toMatchObject({
      ids: newestFirst.slice(0, 3),
      hasMore: false,
    });
    expect(await list(`?ending_before=${at(0)}`)).toMatchObject({ ids: [], hasMore: false });
    expect(await list(`?starting_after=${at(8)}`)).toMatchObject({ ids: [], hasMore: false });
  });

  test("is partitioned by its pages in both directions, whatever the times and the limit", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: SECONDS, max: SECONDS + 3 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        async (times, limit) => {
          const { list, newestFirst } = await shop(times);
          const forward: string[] = [];
          let page = await list(`?limit=${limit}`);
          forward.push(...page.ids);
          while (page.hasMore) {
            page = await list(`?limit=${limit}&starting_after=${forward.at(-1)}`);
            forward.push(...page.ids);
          }
          expect(forward).toEqual(newestFirst);

          const backward = [newestFirst.at(-1) as string];
          do {
            page = await list(`?limit=${limit}&ending_before=${backward[0]}`);
            backward.unshift(...page.ids);
          } while (page.hasMore);
          expect(backward).toEqual(newestFirst);
        },
      ),
      { numRuns: 15 },
    );
  });

  test("can be narrowed by type and by time", async () => {
    const types: EventType[] = ["refund.failed", "refund.succeeded", "refund.failed", "refund.created"];
    const { list, made } = await shop([SECONDS, SECONDS + 1, SECONDS + 2, SECONDS + 3], types);
    const ids = (...picks: number[]) => picks.map((i) => made[i]?.id);
    expect((await list("?type=refund.failed")).ids).toEqual(ids(2, 0));
    expect((await list(`?type=refund.failed&starting_after=${made[1]?.id}`)).ids).toEqual(ids(0));
    expect((await list(`?created[gt]=${SECONDS}&created[lt]=${SECONDS + 3}`)).ids).toEqual(ids(2, 1));
    expect((await list(`?created[gte]=${SECONDS + 2}`)).ids).toEqual(ids(3, 2));
    expect((await list(`?created%5Blte%5D=${SECONDS + 1}`)).ids).toEqual(ids(1, 0));
    expect((await list(`?created=${SECONDS + 1}`)).ids).toEqual(ids(1));
    expect((await list("?color=red")).ids).toHaveLength(4);
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=101", "limit"],
    ["limit=ten", "limit"],
    ["limit=1e1", "limit"],
    ["limit=-1", "limit"],
    ["limit=5.0", "limit"],
    ["limit=", "limit"],
    ["type=charge.succeeded", "type"],
    ["delivery_status=lost", "delivery_status"],
    ["created[gt]=yesterday", "created[gt]"],
    ["created=1.5", "created"],
    ["starting_after=evt_000000000000000000000000", "starting_after"],
    ["ending_before=nothing", "ending_before"],
    [
      "starting_after=evt_000000000000000000000000&ending_before=evt_000000000000000000000000",
      "ending_before",
    ],
  ])("?%s is refused, naming %s", async (query, param) => {
    const { call } = await shop([]);
    const { status, json } = await call("GET", `/v1/events?${query}`);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ type: "invalid_request_error", param });
  });

  test("counts the pending webhooks of each event", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    await newDelivery(tenant, await newEndpoint(tenant));
    await newEvent(tenant);
    const { json } = await call("GET", "/v1/events");
    const counts = json.data.map((event: { pending_webhooks: number }) => event.pending_webhooks);
    expect(counts).toEqual([0, 1]);
  });
});

describe("the list of events by the state of their deliveries", () => {
  /** A delivery in each of the states, each of an event of its own. */
  async function deliveredShop(statuses: readonly DeliveryStatus[]) {
    const tenant = await newTenant();
    const endpoint = await newEndpoint(tenant);
    const made: { id: string; status: DeliveryStatus }[] = [];
    for (const status of statuses) {
      // The newest delivery is not always the newest event's: one may have been sent again.
      const { event } = await newDelivery(tenant, endpoint, { status, createdAt: 1000 - made.length });
      made.unshift({ id: event.id, status });
    }
    const call = await newClient(tenant);
    const list = async (query: string) => {
      const { status, json } = await call("GET", `/v1/events${query}`);
      expect(status).toBe(200);
      return { ids: (json as Listed).data.map(({ id }) => id), hasMore: (json as Listed).has_more };
    };
    return { tenant, list, newestFirst: made };
  }

  test("has those with one delivery in that state, once each, and counts their pending webhooks", async () => {
    const { tenant, list, newestFirst } = await deliveredShop(DELIVERY_STATUSES);
    const other = await newEndpoint(tenant);
    const quiet = await newEvent(tenant);
    // The event whose delivery was skipped is pending elsewhere, and delivered to a third.
    const [skipped, exhausted, arrived, pending] = newestFirst.map(({ id }) => id);
    await newDelivery(tenant, other, { event: skipped });
    await newDelivery(tenant, await newEndpoint(tenant), { event: skipped, status: "delivered" });
    await newDelivery(tenant, other, { event: pending });
    expect((await list("?delivery_status=skipped")).ids).toEqual([skipped]);
    expect((await list("?delivery_status=exhausted")).ids).toEqual([exhausted]);
    expect((await list("?delivery_status=delivered")).ids).toEqual([skipped, arrived]);
    expect((await list("?delivery_status=pending")).ids).toEqual([skipped, pending]);
    expect((await list("?delivery_status=pending&type=refund.failed")).ids).toEqual([]);
    expect((await list("?delivery_status=pending&type=refund.succeeded")).ids).toEqual([skipped, pending]);
    expect((await list(`?delivery_status=pending&created[gt]=${SECONDS}`)).ids).toEqual([]);
    expect((await list(`?delivery_status=pending&starting_after=${quiet.id}`)).ids).toEqual([
      skipped,
      pending,
    ]);
    const call = await newClient(tenant);
    const { json } = await call("GET", "/v1/events?delivery_status=pending");
    expect(json.data.map((event: { pending_webhooks: number }) => event.pending_webhooks)).toEqual([1, 2]);
  });

  test("shows nothing of another app or mode", async () => {
    const { tenant } = await deliveredShop(DELIVERY_STATUSES);
    for (const stranger of [await newTenant(), { ...tenant, livemode: true }]) {
      const call = await newClient(stranger);
      for (const status of DELIVERY_STATUSES) {
        expect((await call("GET", `/v1/events?delivery_status=${status}`)).json.data).toEqual([]);
      }
    }
  });

  test("is partitioned by its pages in both directions", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...DELIVERY_STATUSES), { minLength: 1, maxLength: 12 }),
        fc.constantFrom(...DELIVERY_STATUSES),
        fc.integer({ min: 1, max: 4 }),
        async (statuses, status, limit) => {
          const { list, newestFirst } = await deliveredShop(statuses);
          const wanted = newestFirst.filter((event) => event.status === status).map(({ id }) => id);
          const filter = `limit=${limit}&delivery_status=${status}`;
          const forward: string[] = [];
          let page = await list(`?${filter}`);
          forward.push(...page.ids);
          while (page.hasMore) {
            page = await list(`?${filter}&starting_after=${forward.at(-1)}`);
            forward.push(...page.ids);
          }
          expect(forward).toEqual(wanted);

          // A cursor need not be in that state itself.
          const oldest = newestFirst.at(-1) as { id: string; status: DeliveryStatus };
          const backward: string[] = oldest.status === status ? [oldest.id] : [];
          do {
            page = await list(`?${filter}&ending_before=${backward[0] ?? oldest.id}`);
            backward.unshift(...page.ids);
          } while (page.hasMore);
          expect(backward).toEqual(wanted);
        },
      ),
      { numRuns: 15 },
    );
  });
});

test("the public keys of an app and mode are listed, and only those", async () => {
  const tenant = await newTenant();
  await newTenant();
  const call = await newClient(tenant);
  const { status, json } = await call("GET", "/v1/public_keys");
  expect(status).toBe(200);
  expect(json).toEqual({
    object: "list",
    url: "/v1/public_keys",
    has_more: false,
    data: [
      {
        id: tenant.signingKey,
        object: "public_key",
        public_key: tenant.publicKey,
        livemode: false,
        created: SECONDS,
      },
    ],
  });
  const live = await newClient({ ...tenant, livemode: true });
  expect((await live("GET", "/v1/public_keys")).json.data).toEqual([]);
});
