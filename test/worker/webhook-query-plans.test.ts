// What D1 reads for the lists of webhooks: each by an index, in the order of the list. D1 plans without statistics, so
// an empty database plans like a full one.
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { database } from "../../src/db/client.ts";
import { mintId } from "../../src/ids.ts";
import { deadLetters } from "../../src/webhooks/table.ts";
import { NOW, newClient, newDelivery, newEndpoint, newTenant } from "./webhook-fixture.ts";

const TABLES = ["deliveries", "delivery_attempts", "dead_letters", "events", "webhook_endpoints"];
const SORT = "USE TEMP B-TREE FOR ORDER BY";

/** A tenant with one of everything, and what SQLite plans to do for a request of its. */
async function shop() {
  const tenant = await newTenant();
  const call = await newClient(tenant);
  const endpoint = await newEndpoint(tenant);
  const { id: delivery, event } = await newDelivery(tenant, endpoint);
  const letter = mintId("deadLetter", (count) => crypto.getRandomValues(new Uint8Array(count)));
  const { app, livemode } = tenant;
  await database(env, app, livemode)
    .insert(deadLetters)
    .values({ id: letter, app, livemode, queue: "unknown", message: "null", createdAt: NOW });
  // The key is looked up once and then remembered: from here on only the route itself asks.
  await call("GET", "/v1/public_keys");

  const plansFor = async (path: string): Promise<string[]> => {
    const prepare = vi.spyOn(env.DB, "prepare");
    try {
      expect((await call("GET", path)).status).toBe(200);
      const queries = prepare.mock.calls.map(([query]) => query);
      expect(queries.length).toBeGreaterThan(0);
      const plans = await env.DB.batch<{ detail: string }>(
        queries.map((query) =>
          env.DB.prepare(`explain query plan ${query}`).bind(...[...query.matchAll(/\?/g)].map(() => null)),
        ),
      );
      return plans.flatMap(({ results }) => results.map(({ detail }) => detail));
    } finally {
      prepare.mockRestore();
    }
  };
  const ids: Record<string, string> = { delivery, endpoint: endpoint.id, event: event.id, letter };
  return (template: string) =>
    plansFor(template.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? ""));
}

const scans = (plan: string[]) =>
  plan.filter((step) =>
    TABLES.some((table) => step === `SCAN ${table}` || step.startsWith(`SCAN ${table} `)),
  );

describe("no table is scanned and nothing is sorted for", () => {
  test.each([
    ["/v1/deliveries", "deliveries_created"],
    ["/v1/deliveries?created[gte]=5&created[lt]=9", "deliveries_created"],
    ["/v1/deliveries?starting_after={delivery}", "deliveries_created"],
    ["/v1/deliveries?ending_before={delivery}", "deliveries_created"],
    ["/v1/deliveries?status=delivered", "deliveries_created"],
    ["/v1/deliveries?status=pending", "deliveries_undelivered"],
    ["/v1/deliveries?status=exhausted&created=5&starting_after={delivery}", "deliveries_undelivered"],
    ["/v1/deliveries?status=skipped&ending_before={delivery}", "deliveries_undelivered"],
    ["/v1/deliveries?endpoint={endpoint}", "deliveries_endpoint"],
    ["/v1/deliveries?endpoint={endpoint}&created[gt]=5&starting_after={delivery}", "deliveries_endpoint"],
    ["/v1/deliveries?endpoint={endpoint}&status=delivered", "deliveries_endpoint"],
    ["/v1/deliveries?endpoint={endpoint}&status=skipped", "deliveries_undelivered"],
    ["/v1/deliveries?event={event}&endpoint={endpoint}&status=pending", "deliveries_event_endpoint"],
    ["/v1/deliveries/{delivery}", "sqlite_autoindex_delivery_attempts_1"],
    ["/v1/deliveries/{delivery}/attempts", "sqlite_autoindex_delivery_attempts_1"],
    ["/v1/deliveries/{delivery}/attempts?limit=5", "sqlite_autoindex_delivery_attempts_1"],
    ["/v1/dead_letters", "dead_letters_created"],
    ["/v1/dead_letters?starting_after={letter}", "dead_letters_created"],
    ["/v1/dead_letters?ending_before={letter}", "dead_letters_created"],
    ["/v1/events", "events_created"],
    ["/v1/events?type=refund.failed&ending_before={event}", "events_type"],
    ["/v1/events?delivery_status=delivered&starting_after={event}", "events_created"],
    ["/v1/events?delivery_status=delivered&type=refund.failed", "events_type"],
  ])("%s, which %s answers", async (path, index) => {
    const plan = await (await shop())(path);
    expect(plan).toContainEqual(expect.stringContaining(` USING INDEX ${index} `));
    expect(scans(plan)).toEqual([]);
    expect(plan).not.toContain(SORT);
  });
});

describe("no table is scanned, and what is sorted is small, for", () => {
  test("the deliveries of an event: one to each endpoint at most", async () => {
    const plan = await (await shop())("/v1/deliveries?event={event}&starting_after={delivery}");
    expect(plan).toContainEqual("SEARCH deliveries USING INDEX deliveries_event_endpoint (event=?)");
    expect(scans(plan)).toEqual([]);
    expect(plan).toContain(SORT);
  });

  test.each(["pending", "exhausted", "skipped"])(
    "the events with %s deliveries: those that did not arrive, found without a walk over all there ever were",
    async (status) => {
      const plan = await (await shop())(
        `/v1/events?delivery_status=${status}&type=refund.failed&created[gt]=5`,
      );
      expect(plan).toContainEqual(expect.stringContaining(" USING INDEX deliveries_undelivered "));
      expect(plan).toContainEqual("SEARCH events USING INDEX events_id (id=?)");
      expect(scans(plan)).toEqual([]);
      expect(plan).toContain(SORT);
    },
  );

  test("the counts of an endpoint: the different durations of a period's attempts", async () => {
    const plan = await (await shop())("/v1/webhook_endpoints/{endpoint}/stats");
    expect(plan).toContainEqual(
      expect.stringContaining(
        "USING INDEX deliveries_endpoint (app=? AND livemode=? AND endpoint=? AND created_at>? AND created_at<?)",
      ),
    );
    expect(plan).toContainEqual(expect.stringContaining(" USING INDEX deliveries_undelivered "));
    expect(scans(plan)).toEqual([]);
  });
});
