import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { database } from "../../src/db/client.ts";
import { listSchema } from "../../src/http/wire.ts";
import { mintId } from "../../src/ids.ts";
import { deadLetterSchema } from "../../src/webhooks/dead-letter-schema.ts";
import { consumeDeadLetters } from "../../src/webhooks/queue-consumer.ts";
import { deadLetters } from "../../src/webhooks/table.ts";
import {
  messageBatch,
  NOW,
  newClient,
  newDelivery,
  newDue,
  newEndpoint,
  newTenant,
  readDelivery,
  SECONDS,
  type Tenant,
} from "./webhook-fixture.ts";

const PATH = "/v1/dead_letters";
const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
const HOUR = 3_600_000;

const sent = { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
let fast: MockInstance<typeof env.DELIVERIES.send>;
let slow: MockInstance<typeof env.DELIVERIES_SLOW.send>;
let commands: MockInstance<typeof env.COMMANDS.send>;

beforeEach(() => {
  fast = vi.spyOn(env.DELIVERIES, "send").mockResolvedValue(sent);
  slow = vi.spyOn(env.DELIVERIES_SLOW, "send").mockResolvedValue(sent);
  commands = vi.spyOn(env.COMMANDS, "send").mockResolvedValue(sent);
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

/** The letters of an app in test mode, as they are kept. */
async function kept({ app }: Pick<Tenant, "app">) {
  return await database(env, app, false).select().from(deadLetters).where(eq(deadLetters.app, app));
}

/** A message that came to the dead-letter queue; the letter it became. */
async function bury(body: { app: string }) {
  await consumeDeadLetters(messageBatch("dead-letters", [body]), env, { now: () => NOW + 500 });
  const [letter] = await kept(body);
  return letter?.id ?? "";
}

/** A letter with any message. */
async function addLetter({ app, livemode }: Tenant, message: string, createdAt = NOW) {
  const id = mintId("deadLetter", random);
  const letter = { id, app, livemode, queue: "unknown", message, createdAt };
  await database(env, app, livemode).insert(deadLetters).values(letter);
  return id;
}

/** What a refund that is stored nowhere but on the queue looks like there. */
function commandOf({ app, livemode }: Tenant) {
  const [refund, charge] = [mintId("refund", random), mintId("charge", random)];
  return {
    app,
    livemode,
    refund,
    command: { refund, charge, app, livemode, description: "密", amount: 100 },
  };
}

describe("a dead letter", () => {
  test("says what it is about, and never shows the message", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const { delivery } = await newDue({}, tenant);
    const letter = await bury(delivery.message);
    expect((await call("GET", PATH)).json).toEqual({
      object: "list",
      url: PATH,
      has_more: false,
      data: [
        {
          id: letter,
          object: "dead_letter",
          queue: "webhook-deliveries",
          delivery: delivery.id,
          refund: null,
          charge: null,
          livemode: false,
          created: SECONDS,
          redriven_at: null,
        },
      ],
    });
    const shop = await newTenant();
    const command = commandOf(shop);
    await bury(command);
    const { json, text } = await (await newClient(shop))("GET", PATH);
    expect(json.data).toMatchObject([
      { queue: "ledger-commands", delivery: null, refund: command.refund, charge: command.command.charge },
    ]);
    expect(text).not.toContain("密");
    expect(text).not.toContain("amount");
  });

  test.each([
    ["null", "null"],
    ["a text", '"dlv_000000000000000000000000"'],
    ["fields of other types", '{"delivery":5,"refund":{"id":1},"command":[]}'],
    ["fields that are no ids", '{"delivery":"<script>","refund":"re_1","command":{"charge":"x"}}'],
    ["more levels than SQLite reads", `${"[".repeat(1500)}${"]".repeat(1500)}`],
  ])("whose message is %s says nothing, and cannot be sent again", async (_, message) => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const letter = await addLetter(tenant, message);
    expect((await call("GET", PATH)).json.data).toMatchObject([
      { id: letter, delivery: null, refund: null, charge: null },
    ]);
    const { status, json } = await call("POST", `${PATH}/${letter}/redrive`);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ code: "dead_letter_unreadable", param: "id" });
    expect(json.error.message).toContain(letter);
    expect(await kept(tenant)).toMatchObject([{ redrivenAt: null }]);
  });

  test("that names no app is nobody's", async () => {
    await bury({ app: "" });
    const call = await newClient(await newTenant());
    expect((await call("GET", PATH)).json.data).toEqual([]);
  });

  test("of another app or mode does not exist", async () => {
    const tenant = await newTenant();
    const { delivery } = await newDue({}, tenant);
    const letter = await bury(delivery.message);
    for (const stranger of [await newTenant(), { ...tenant, livemode: true }]) {
      const call = await newClient(stranger);
      expect((await call("GET", PATH)).json.data).toEqual([]);
      const { status, json } = await call("POST", `${PATH}/${letter}/redrive`);
      expect([status, json.error.param]).toEqual([404, "id"]);
      const cursor = await call("GET", `${PATH}?ending_before=${letter}`);
      expect([cursor.status, cursor.json.error.param]).toEqual([400, "ending_before"]);
    }
    expect(fast).not.toHaveBeenCalled();
    expect(await kept(tenant)).toMatchObject([{ redrivenAt: null }]);
  });
});

describe("the list of dead letters", () => {
  test("is newest first, and partitioned by its pages in both directions", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const made: { id: string; at: number }[] = [];
    for (const at of [0, 1, 1, 0, 1, 2, 2]) made.push({ id: await addLetter(tenant, "null", NOW + at), at });
    const newestFirst = made.sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1)).map(({ id }) => id);
    const list = async (query: string) => {
      const page = listSchema(deadLetterSchema).parse((await call("GET", `${PATH}${query}`)).json);
      return { ids: page.data.map(({ id }) => id), hasMore: page.has_more };
    };
    expect(await list("?limit=3")).toEqual({ ids: newestFirst.slice(0, 3), hasMore: true });
    const at = (i: number) => newestFirst[i];
    expect(await list(`?limit=3&starting_after=${at(2)}`)).toEqual({
      ids: newestFirst.slice(3, 6),
      hasMore: true,
    });
    expect(await list(`?limit=3&starting_after=${at(5)}`)).toEqual({
      ids: newestFirst.slice(6),
      hasMore: false,
    });
    expect(await list(`?limit=3&ending_before=${at(4)}`)).toEqual({
      ids: newestFirst.slice(1, 4),
      hasMore: true,
    });
    expect(await list(`?limit=3&ending_before=${at(1)}`)).toEqual({
      ids: newestFirst.slice(0, 1),
      hasMore: false,
    });
    for (const [query, param] of [
      ["limit=0", "limit"],
      ["limit=101", "limit"],
      ["starting_after=dl_000000000000000000000000", "starting_after"],
      [`starting_after=${at(0)}&ending_before=${at(1)}`, "ending_before"],
    ]) {
      const { status, json } = await call("GET", `${PATH}?${query}`);
      expect([status, json.error.param]).toEqual([400, param]);
    }
  });
});

describe("redriving a letter", () => {
  test.each(["fast", "slow"] as const)(
    "of a delivery makes it due now and wakes it up in the %s lane of its endpoint",
    async (lane) => {
      const tenant = await newTenant();
      const call = await newClient(tenant);
      const endpoint = await newEndpoint(tenant, { lane });
      const dueAt = Date.now() + 5 * HOUR;
      const delivery = await newDelivery(tenant, endpoint, { dueAt, attempts: 3 });
      const letter = await bury(delivery.message);
      const before = Date.now();
      const { status, json } = await call("POST", `${PATH}/${letter}/redrive`);
      expect(status).toBe(200);
      expect(deadLetterSchema.parse(json)).toMatchObject({ id: letter, delivery: delivery.id });
      expect(json.redriven_at).toBeGreaterThanOrEqual(Math.floor(before / 1000));
      expect((lane === "fast" ? fast : slow).mock.calls).toEqual([[delivery.message]]);
      expect(lane === "fast" ? slow : fast).not.toHaveBeenCalled();
      const row = await readDelivery(delivery.id);
      expect(row).toMatchObject({ status: "pending", attempts: 3, trigger: "manual" });
      expect(row?.dueAt).toBeGreaterThanOrEqual(before);
      expect(row?.dueAt).toBeLessThanOrEqual(Date.now());
      expect((await call("GET", PATH)).json.data).toEqual([json]);
    },
  );

  test("keeps a delivery that is due already, that is held, or that has a slot under a rate limit where it is", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const endpoint = await newEndpoint(tenant);
    const slotAt = Date.now() + HOUR;
    for (const columns of [
      { dueAt: 5 },
      { dueAt: null },
      { dueAt: slotAt, slotAt },
      { dueAt: null, status: "exhausted", endedAt: 7 },
      { dueAt: null, status: "delivered", endedAt: 7 },
    ] as const) {
      const delivery = await newDelivery(tenant, endpoint, columns);
      const letter = await addLetter(tenant, JSON.stringify(delivery.message));
      expect((await call("POST", `${PATH}/${letter}/redrive`)).status).toBe(200);
      expect(await readDelivery(delivery.id)).toMatchObject({ trigger: "auto", ...columns });
      expect(fast).toHaveBeenLastCalledWith(delivery.message);
    }
  });

  test("of a delivery that no longer exists is harmless", async () => {
    const tenant = await newTenant();
    const { app, livemode } = tenant;
    const message = { delivery: "dlv_000000000000000000000000", app, livemode };
    const letter = await bury(message);
    expect((await (await newClient(tenant))("POST", `${PATH}/${letter}/redrive`)).status).toBe(200);
    expect(slow.mock.calls).toEqual([[message]]);
  });

  test("of a stored command puts the same message on its queue, whole, as often as it is asked", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const message = commandOf(tenant);
    const letter = await bury(message);
    expect((await call("POST", `${PATH}/${letter}/redrive`)).status).toBe(200);
    const again = await call("POST", `${PATH}/${letter}/redrive`);
    expect(again.status).toBe(200);
    expect(again.text).not.toContain("密");
    expect(commands.mock.calls).toEqual([[message], [message]]);
    expect(fast).not.toHaveBeenCalled();
  });

  test("that the queue does not take answers 503 and marks nothing", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const message = commandOf(tenant);
    const letter = await bury(message);
    commands.mockRejectedValue(new Error("Queue sendBatch failed: Too Many Requests"));
    const { status, json } = await call("POST", `${PATH}/${letter}/redrive`);
    expect(status).toBe(503);
    expect(json.error.type).toBe("api_error");
    expect((await call("GET", PATH)).json.data).toMatchObject([{ redriven_at: null }]);
  });

  test("that the queue never answers is not waited for for ever", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const { delivery } = await newDue({}, tenant);
    const letter = await bury(delivery.message);
    fast.mockReturnValue(new Promise(() => {}));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const answer = call("POST", `${PATH}/${letter}/redrive`);
      await vi.waitFor(() => expect(fast).toHaveBeenCalled());
      await vi.advanceTimersByTimeAsync(3000);
      expect((await answer).status).toBe(503);
    } finally {
      vi.useRealTimers();
    }
    expect(await kept(tenant)).toMatchObject([{ redrivenAt: null }]);
  });

  test.each(["dl_000000000000000000000000", "dl_1", "dlv_000000000000000000000000"])(
    "that nobody has, %s, is not found",
    async (id) => {
      const call = await newClient(await newTenant());
      expect((await call("POST", `${PATH}/${id}/redrive`)).status).toBe(404);
    },
  );

  test("needs the scope", async () => {
    const call = await newClient(await newTenant(), ["refunds:read", "refunds:write"]);
    for (const [method, path] of [
      ["GET", PATH],
      ["POST", `${PATH}/dl_000000000000000000000000/redrive`],
    ] as const) {
      expect((await call(method, path)).json.error.code).toBe("scope_missing");
    }
  });
});
