// What a request may do, counted exactly on the local runtime: a gate without noise. The figures are those of bench/counts.ts,
// which `npm run bench -- counts` prints.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { billOf } from "../../bench/cost.ts";
import { COUNTERS, type Counter, type Counts } from "../../bench/counters.ts";
import { type Case, type Counted, countWork } from "../../bench/counts.ts";

let counted: Map<Case, Counted>;

beforeAll(async () => {
  // The configuration is read without its secrets, which would be warned of.
  process.env.WRANGLER_LOG ??= "error";
  const state = await mkdtemp(join(tmpdir(), "edge-refunds-counts-"));
  try {
    counted = await countWork(state);
  } finally {
    await rm(state, { recursive: true, force: true });
  }
});

function of(name: Case): Counted {
  const found = counted.get(name);
  if (found === undefined) throw new Error(`${name} was not counted`);
  return found;
}

/** What was counted, but rows and statements; what is not there is 0. */
function work(counts: Counts): Partial<Counts> {
  const named = Object.entries(counts).filter(([name]) => !/ (rows|statements)/.test(name));
  return Object.fromEntries(named.filter(([, count]) => count !== 0));
}

describe("before it is answered", () => {
  test("a refund is one call of its ledger and two commits", () => {
    expect(work(of("create").before)).toEqual({
      ...{ "ledger calls": 1, "ledger commits": 2, "alarms set": 1 },
    });
  });

  test("a refund sets no alarm when one is armed early enough", () => {
    expect(work(of("create-more").before)).toEqual({ "ledger calls": 1, "ledger commits": 2 });
  });

  test("a refund that nobody waits for is one commit", () => {
    expect(work(of("create-async").before)).toEqual({
      ...{ "ledger calls": 1, "ledger commits": 1, "alarms set": 1 },
    });
  });

  test("a refund that an endpoint will hear of is no more", () => {
    expect(work(of("with-endpoint").before)).toEqual(work(of("create").before));
  });

  test.each(["replay", "retrieve", "list", "charge-retrieve", "bad-refund"] as const)(
    "%s is one call of the ledger, which writes nothing",
    (name) => {
      expect(work(of(name).before)).toEqual({ "ledger calls": 1 });
      expect(of(name).before["ledger rows written"]).toBe(0);
    },
  );

  test.each(["bad-request", "unauthenticated"] as const)("%s asks neither a ledger nor D1", (name) => {
    expect(work(of(name).before)).toEqual({});
  });
});

describe("from the request to the end of all work", () => {
  const total = (name: Case) => {
    const { before, after } = of(name);
    const sum = (counter: Counter): [Counter, number] => [counter, before[counter] + after[counter]];
    return Object.fromEntries(COUNTERS.map(sum)) as Counts;
  };

  test.each(["create", "create-more", "create-async"] as const)(
    "%s is told to D1 in one batch, with one commit that remembers it",
    (name) => {
      const { "alarms set": _, "alarms deleted": __, ...rest } = work(total(name));
      expect(rest).toEqual({ "ledger calls": 1, "ledger commits": 3, "D1 calls": 1 });
    },
  );

  test("the first refund takes its alarm back when all is done; those that follow keep theirs", () => {
    expect(total("create")).toMatchObject({ "alarms set": 1, "alarms deleted": 1, "alarm runs": 0 });
    expect(total("create-more")).toMatchObject({ "alarms set": 0, "alarms deleted": 0 });
  });

  test("the twentieth refund of a charge is as much work as the third, but for a row read of each refund that D1 has", () => {
    const [twentieth, third] = [total("create-twentieth"), total("create-more")];
    const reads = { "D1 rows read": third["D1 rows read"] + 17 };
    expect(twentieth).toEqual({ ...third, ...reads });
  });

  test("with an endpoint, one message more is sent; its delivery is three calls of D1", () => {
    const [withIt, without] = [total("with-endpoint"), total("create")];
    const added = COUNTERS.map((counter): [Counter, number] => [counter, withIt[counter] - without[counter]]);
    expect(work(Object.fromEntries(added) as Counts)).toEqual({
      ...{ "queue sends": 1, "queue messages": 1, "queue consumer runs": 1, "D1 calls": 3 },
    });
  });

  test.each([
    ...(["replay", "retrieve", "list", "charge-retrieve"] as const),
    ...(["bad-request", "bad-refund", "unauthenticated"] as const),
  ])("%s leaves nothing to do", (name) => {
    expect(work(of(name).after)).toEqual({});
  });

  test.each([
    ["create", "ledger rows written", 7],
    ["create", "D1 rows written", 25],
    ["with-endpoint", "D1 rows written", 38],
    ["record charge", "D1 rows written", 9],
  ] as const)("%s: %s are no more than %i", (name, counter, most) => {
    expect(total(name)[counter]).toBeLessThanOrEqual(most);
  });
});

test.each([
  ["create", 35],
  ["with-endpoint", 50],
  ["retrieve", 0.5],
] as const)("a million times %s is billed no more than %d USD, CPU time aside", (name, most) => {
  const { usd } = billOf(name, of(name));
  expect(usd.reduce((sum, part) => sum + part, 0)).toBeLessThanOrEqual(most);
});
