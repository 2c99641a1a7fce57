import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { database } from "../../src/db/client.ts";
import { listSchema } from "../../src/http/wire.ts";
import type { DeliveryStatus } from "../../src/webhooks/delivery.ts";
import { attemptSchema, deliverySchema } from "../../src/webhooks/delivery-schema.ts";
import { deliveryAttempts } from "../../src/webhooks/table.ts";
import { NOW, newClient, newDelivery, newEndpoint, newEvent, newTenant, SECONDS } from "./webhook-fixture.ts";

const PATH = "/v1/deliveries";
const listOfDeliveries = listSchema(deliverySchema);

/** Attempts of a delivery as the consumer writes them: they fail with 500, the last one with `last`. */
async function addAttempts(
  delivery: string,
  count: number,
  last: Partial<typeof deliveryAttempts.$inferInsert> = {},
) {
  const rows = Array.from({ length: count }, (_, i) => ({
    delivery,
    number: i + 1,
    trigger: "auto" as const,
    startedAt: NOW + i * 60_000 + 700,
    durationMs: 30 + i,
    httpStatus: 500,
    failure: null,
    answer: null,
    ...(i === count - 1 ? last : {}),
  }));
  for (const row of rows) await database(env, "", false).insert(deliveryAttempts).values(row);
}

/** A tenant with deliveries of these times (ms) to one endpoint, and its list; ids newest first. */
async function shop(times: number[], statuses: DeliveryStatus[] = []) {
  const tenant = await newTenant();
  const call = await newClient(tenant);
  const endpoint = await newEndpoint(tenant);
  const made: { id: string; createdAt: number; event: { id: string } }[] = [];
  for (const [i, createdAt] of times.entries()) {
    const status = statuses[i] ?? "pending";
    const dueAt = status === "pending" ? NOW : null;
    made.push({ ...(await newDelivery(tenant, endpoint, { createdAt, status, dueAt })), createdAt });
  }
  const newestFirst = [...made]
    .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
    .map(({ id }) => id);
  const list = async (query: string) => {
    const { status, json } = await call("GET", `${PATH}${query}`);
    expect(status).toBe(200);
    const page = listOfDeliveries.parse(json);
    return { ids: page.data.map(({ id }) => id), hasMore: page.has_more, page };
  };
  return { tenant, call, endpoint, list, made, newestFirst };
}

describe("a delivery", () => {
  test("is shown with its event's type, its times in seconds and its newest attempt", async () => {
    const { call, made, endpoint } = await shop([NOW + 999]);
    const [delivery] = made;
    await addAttempts(delivery?.id ?? "", 2, { httpStatus: null, failure: "timeout", trigger: "manual" });
    const { status, json, text } = await call("GET", `${PATH}/${delivery?.id}`);
    expect(status).toBe(200);
    expect(text).toBe(JSON.stringify(deliverySchema.parse(json)));
    expect(json).toEqual({
      id: delivery?.id,
      object: "webhook_delivery",
      event: delivery?.event.id,
      event_type: "refund.succeeded",
      endpoint: endpoint.id,
      livemode: false,
      status: "pending",
      attempts: 0,
      dead_lettered: false,
      created: SECONDS,
      next_attempt_at: SECONDS,
      ended_at: null,
      last_attempt: {
        object: "webhook_delivery_attempt",
        number: 2,
        trigger: "manual",
        started_at: SECONDS + 60,
        duration_ms: 31,
        http_status: null,
        failure: "timeout",
        answer: null,
      },
    });
  });

  test("has no next attempt while it is held, and none once it has ended", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const endpoint = await newEndpoint(tenant, { status: "pending" });
    const held = await newDelivery(tenant, endpoint, { dueAt: null });
    expect((await call("GET", `${PATH}/${held.id}`)).json).toMatchObject({
      status: "pending",
      next_attempt_at: null,
      ended_at: null,
      last_attempt: null,
    });
    const ended = await newDelivery(tenant, endpoint, {
      status: "exhausted",
      attempts: 10,
      dueAt: null,
      endedAt: NOW + 5999,
      deadLettered: true,
    });
    expect((await call("GET", `${PATH}/${ended.id}`)).json).toMatchObject({
      status: "exhausted",
      attempts: 10,
      next_attempt_at: null,
      ended_at: SECONDS + 5,
      dead_lettered: true,
    });
  });

  test("keeps its history when its endpoint is deleted", async () => {
    const { call, endpoint, list, made } = await shop([NOW]);
    await call("DELETE", `/v1/webhook_endpoints/${endpoint.id}`);
    expect((await call("GET", `${PATH}/${made[0]?.id}`)).json).toMatchObject({ status: "skipped" });
    expect((await list(`?endpoint=${endpoint.id}`)).ids).toEqual([made[0]?.id]);
  });

  test("of another app or mode does not exist, nor do its attempts", async () => {
    const { tenant, made, endpoint } = await shop([NOW]);
    const [delivery] = made;
    await addAttempts(delivery?.id ?? "", 1);
    for (const stranger of [await newTenant(), { ...tenant, livemode: true }]) {
      const call = await newClient(stranger);
      for (const path of [`${PATH}/${delivery?.id}`, `${PATH}/${delivery?.id}/attempts`]) {
        const { status, json } = await call("GET", path);
        expect([status, json.error.param]).toEqual([404, "id"]);
      }
      for (const query of [
        "",
        `?endpoint=${endpoint.id}`,
        `?event=${delivery?.event.id}`,
        "?status=pending",
      ]) {
        expect((await call("GET", `${PATH}${query}`)).json.data).toEqual([]);
      }
      const cursor = await call("GET", `${PATH}?starting_after=${delivery?.id}`);
      expect([cursor.status, cursor.json.error.param]).toEqual([400, "starting_after"]);
    }
  });

  test.each(["dlv_1", "evt_000000000000000000000000", "dlv_000000000000000000000000"])(
    "that nobody made is not found: %s",
    async (id) => {
      const call = await newClient(await newTenant());
      expect((await call("GET", `${PATH}/${id}`)).status).toBe(404);
      expect((await call("GET", `${PATH}/${id}/attempts`)).status).toBe(404);
    },
  );
});

describe("the list of deliveries", () => {
  test("is empty at first, and then newest first, ten at a time", async () => {
    const { list: empty } = await shop([]);
    expect((await empty("")).page).toEqual({ object: "list", url: PATH, has_more: false, data: [] });
    const { list, newestFirst } = await shop(Array.from({ length: 12 }, (_, i) => NOW + Math.floor(i / 5)));
    expect(await list("")).toMatchObject({ ids: newestFirst.slice(0, 10), hasMore: true });
    expect(await list("?limit=12")).toMatchObject({ ids: newestFirst, hasMore: false });
    expect((await list("?limit=1")).page.data[0]).not.toHaveProperty("last_attempt");
  });

  test("is partitioned by its pages in both directions, whatever the times, the states and the filter", async () => {
    const statuses = fc.constantFrom<DeliveryStatus>("pending", "delivered", "exhausted", "skipped");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: NOW, max: NOW + 3 }), statuses), { minLength: 1, maxLength: 12 }),
        fc.option(statuses),
        fc.boolean(),
        fc.integer({ min: 1, max: 5 }),
        async (deliveries, status, byEndpoint, limit) => {
          const { list, newestFirst, made, endpoint } = await shop(
            deliveries.map(([time]) => time),
            deliveries.map(([, status]) => status),
          );
          const inState = new Set(made.filter((_, i) => deliveries[i]?.[1] === status).map(({ id }) => id));
          const wanted = newestFirst.filter((id) => status === null || inState.has(id));
          const filter = `${status === null ? "" : `&status=${status}`}${byEndpoint ? `&endpoint=${endpoint.id}` : ""}`;
          const forward: string[] = [];
          let page = await list(`?limit=${limit}${filter}`);
          forward.push(...page.ids);
          while (page.hasMore) {
            page = await list(`?limit=${limit}${filter}&starting_after=${forward.at(-1)}`);
            forward.push(...page.ids);
          }
          expect(forward).toEqual(wanted);

          if (wanted.length === 0) return;
          const backward = [wanted.at(-1) as string];
          do {
            page = await list(`?limit=${limit}${filter}&ending_before=${backward[0]}`);
            backward.unshift(...page.ids);
          } while (page.hasMore);
          expect(backward).toEqual(wanted);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("can be narrowed by event, endpoint, state and time, all at once", async () => {
    const statuses: DeliveryStatus[] = ["delivered", "skipped", "delivered", "exhausted"];
    const { tenant, list, made, endpoint } = await shop([NOW, NOW + 1000, NOW + 2000, NOW + 3999], statuses);
    const other = await newEndpoint(tenant);
    const elsewhere = await newDelivery(tenant, other, { event: made[1]?.event.id, createdAt: NOW + 9000 });
    const ids = (...picks: number[]) => picks.map((i) => made[i]?.id);
    const event = made[1]?.event.id;
    expect((await list(`?endpoint=${endpoint.id}`)).ids).toEqual(ids(3, 2, 1, 0));
    expect((await list(`?endpoint=${other.id}`)).ids).toEqual([elsewhere.id]);
    expect((await list(`?event=${event}`)).ids).toEqual([elsewhere.id, ...ids(1)]);
    expect((await list(`?event=${event}&limit=1&starting_after=${elsewhere.id}`)).ids).toEqual(ids(1));
    expect((await list(`?event=${event}&endpoint=${endpoint.id}`)).ids).toEqual(ids(1));
    expect((await list(`?event=${event}&status=pending`)).ids).toEqual([elsewhere.id]);
    expect((await list("?status=delivered")).ids).toEqual(ids(2, 0));
    expect((await list(`?status=delivered&starting_after=${made[3]?.id}`)).ids).toEqual(ids(2, 0));
    expect((await list(`?status=exhausted&endpoint=${endpoint.id}`)).ids).toEqual(ids(3));
    expect((await list(`?status=exhausted&endpoint=${other.id}`)).ids).toEqual([]);
    expect((await list(`?created=${SECONDS + 3}`)).ids).toEqual(ids(3));
    expect((await list(`?created[gt]=${SECONDS}&created[lte]=${SECONDS + 2}`)).ids).toEqual(ids(2, 1));
    expect((await list(`?created[lt]=${SECONDS + 3}&endpoint=${endpoint.id}&status=skipped`)).ids).toEqual(
      ids(1),
    );
    expect((await list("?color=red")).ids).toHaveLength(5);
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=101", "limit"],
    ["limit=ten", "limit"],
    ["status=lost", "status"],
    ["status=", "status"],
    ["event=refund.succeeded", "event"],
    ["endpoint=evt_000000000000000000000000", "endpoint"],
    ["created[gt]=yesterday", "created[gt]"],
    ["starting_after=dlv_000000000000000000000000", "starting_after"],
    ["ending_before=nothing", "ending_before"],
    ["starting_after=dlv_000000000000000000000000&ending_before=dlv_0", "ending_before"],
  ])("?%s is refused, naming %s", async (query, param) => {
    const { call } = await shop([]);
    const { status, json } = await call("GET", `${PATH}?${query}`);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ type: "invalid_request_error", param });
  });
});

describe("the attempts of a delivery", () => {
  async function tried(count: number, last: Parameters<typeof addAttempts>[2] = {}) {
    const { call, made } = await shop([NOW, NOW]);
    const id = made[0]?.id ?? "";
    await addAttempts(id, count, last);
    await addAttempts(made[1]?.id ?? "", 1);
    const list = async (query: string) => {
      const { status, json } = await call("GET", `${PATH}/${id}/attempts${query}`);
      expect(status).toBe(200);
      const page = listSchema(attemptSchema).parse(json);
      return { numbers: page.data.map(({ number }) => number), hasMore: page.has_more, page };
    };
    return { call, id, list };
  }

  test("are listed as they were made, with the first bytes of a 2xx", async () => {
    const { id, list } = await tried(2, { httpStatus: 200, answer: "ok ✓" });
    expect((await list("")).page).toEqual({
      object: "list",
      url: `${PATH}/${id}/attempts`,
      has_more: false,
      data: [
        {
          object: "webhook_delivery_attempt",
          number: 1,
          trigger: "auto",
          started_at: SECONDS,
          duration_ms: 30,
          http_status: 500,
          failure: null,
          answer: null,
        },
        expect.objectContaining({ number: 2, started_at: SECONDS + 60, http_status: 200, answer: "ok ✓" }),
      ],
    });
  });

  test("have pages, whose cursors are their numbers", async () => {
    const { list } = await tried(9);
    expect(await list("")).toMatchObject({ numbers: [1, 2, 3, 4, 5, 6, 7, 8, 9], hasMore: false });
    expect(await list("?limit=3")).toMatchObject({ numbers: [1, 2, 3], hasMore: true });
    expect(await list("?limit=3&starting_after=3")).toMatchObject({ numbers: [4, 5, 6], hasMore: true });
    expect(await list("?limit=3&starting_after=6")).toMatchObject({ numbers: [7, 8, 9], hasMore: false });
    expect(await list("?limit=3&ending_before=7")).toMatchObject({ numbers: [4, 5, 6], hasMore: true });
    expect(await list("?limit=3&ending_before=4")).toMatchObject({ numbers: [1, 2, 3], hasMore: false });
    expect(await list("?ending_before=1")).toMatchObject({ numbers: [], hasMore: false });
  });

  test.each([
    ["starting_after=3", "starting_after"],
    ["ending_before=0", "ending_before"],
    ["starting_after=1.0", "starting_after"],
    ["starting_after=1&ending_before=2", "ending_before"],
    ["limit=101", "limit"],
  ])("?%s is refused, naming %s", async (query, param) => {
    const { call, id } = await tried(2);
    const { status, json } = await call("GET", `${PATH}/${id}/attempts?${query}`);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ type: "invalid_request_error", param });
  });
});

test("a key without the scope sees none of it", async () => {
  const tenant = await newTenant();
  const event = await newEvent(tenant);
  const call = await newClient(tenant, ["refunds:read", "refunds:write"]);
  expect((await call("GET", `/v1/events/${event.id}`)).status).toBe(200);
  for (const path of [
    PATH,
    `${PATH}/dlv_000000000000000000000000`,
    `${PATH}/dlv_000000000000000000000000/attempts`,
  ]) {
    const { status, json } = await call("GET", path);
    expect([status, json.error.code]).toEqual([401, "scope_missing"]);
  }
});
