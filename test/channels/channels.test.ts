// The long form: CHANNEL_REFUNDS=500 npm test -- --project channels. CHANNEL_SEED picks the first seed.
import { beforeAll, describe, expect, it, vi } from "vitest";
import { CONNECTORS, type ConnectorName } from "./counterparts.ts";
import type { Proofs, Report } from "./report.ts";
import { run } from "./run.ts";

const REFUNDS = Number(process.env.CHANNEL_REFUNDS ?? 50);
const FIRST_SEED = Number(process.env.CHANNEL_SEED ?? 1);
const SEEDS = [FIRST_SEED, FIRST_SEED + 1];
const PATIENCE_MS = 60_000 + REFUNDS * SEEDS.length * 500;

const reports: Report[] = [];

beforeAll(async () => {
  // Alerts are part of what happens here.
  vi.spyOn(console, "error").mockImplementation(() => {});
  vi.spyOn(console, "warn").mockImplementation(() => {});
  for (const connector of CONNECTORS) {
    for (const seed of SEEDS) {
      const report = await run(connector, { refunds: REFUNDS, seed });
      reports.push(report);
      console.info(JSON.stringify(report));
    }
  }
}, PATIENCE_MS * CONNECTORS.length);

/** What the runs of a connector show together. */
function proofsOf(connector: ConnectorName): Proofs & { faults: Record<string, number> } {
  const own = reports.filter((report) => report.connector === connector);
  const sum = (counts: Record<string, number>[]) => {
    const total: Record<string, number> = {};
    for (const [name, count] of counts.flatMap(Object.entries)) total[name] = (total[name] ?? 0) + count;
    return total;
  };
  const faults = sum(own.map((report) => report.faults));
  return { ...(sum(own.map((report) => ({ ...report.proofs }))) as Proofs), faults };
}

describe.each(CONNECTORS)(
  "an afternoon of refunds through %s, with every fault its channel knows",
  (connector) => {
    it.each(SEEDS)(
      "ends with every refund moved once or not at all, and ledgers that agree: seed %i",
      (seed) => {
        const report = reports.find((one) => one.connector === connector && one.seed === seed);
        const again = `CHANNEL_SEED=${seed} CHANNEL_REFUNDS=${REFUNDS} npm test -- --project channels`;
        expect(report?.violations, again).toEqual([]);
        expect(report?.refunds).toBeGreaterThanOrEqual(REFUNDS * 0.8);
      },
    );

    it("is one on which everything happens", () => {
      const { faults, late } = proofsOf(connector);
      const own = reports.filter((report) => report.connector === connector);
      expect(late).toBeGreaterThan(0);
      const expected = ["dropBefore", "dropAfter", "errorBefore", "errorAfter", "throttle", "delay", "hides"];
      const notices = ["noticeLost", "noticeLate", "noticeTwice", "noticeEarly"];
      for (const fault of [...expected, ...notices, "processing", "fails"]) {
        expect(faults[fault], fault).toBeGreaterThan(0);
      }
      expect(own.reduce((sum, { crashes }) => sum + crashes, 0)).toBeGreaterThan(0);
      expect(own.reduce((sum, { zombies }) => sum + zombies, 0)).toBeGreaterThan(0);
    });

    it("E4: outcomes that were unknown turn out to be successes, with one effect each", () => {
      expect(proofsOf(connector).unknownThenSucceeded).toBeGreaterThan(0);
    });

    it("E6: a number that is not found right after it was sent stays pending, and is sent again later", () => {
      const { notFoundEarly, resubmitted } = proofsOf(connector);
      expect(notFoundEarly).toBeGreaterThan(0);
      expect(resubmitted).toBeGreaterThan(0);
    });

    it("E10: what failed can be refunded again, under another number", () => {
      expect(proofsOf(connector).refundedAgain).toBeGreaterThan(0);
    });

    it("E14b: a no after an attempt in doubt is not believed at once", () => {
      expect(proofsOf(connector).doubted).toBeGreaterThan(0);
    });

    it("E31: a refusal keeps the channel's code", () => {
      expect(proofsOf(connector).refusedByChannel).toBeGreaterThan(0);
    });

    it("E38: too often means later, under the same number", () => {
      expect(proofsOf(connector).throttled).toBeGreaterThan(0);
    });

    it("E41: forged, stale and probing notices come, and none is taken", () => {
      const { faults } = proofsOf(connector);
      for (const fault of ["noticeForged", "noticeStale", "noticeProbe"]) {
        expect(faults[fault], fault).toBeGreaterThan(0);
      }
    });

    it("rotates its account while outcomes are unknown, and the new keys ask about them", () => {
      const { unknownAtRotation, askedWithNewKeys } = proofsOf(connector);
      expect(unknownAtRotation).toBeGreaterThan(0);
      expect(askedWithNewKeys).toBeGreaterThan(0);
    });
  },
);

describe("beyond what all channels have in common", () => {
  it.each(["wechatpay", "stripe"] as const)(
    "E11: a refund that is stuck at %s waits for a person",
    (connector) => {
      expect(proofsOf(connector).abnormal).toBeGreaterThan(0);
    },
  );

  it.each(["wechatpay", "stripe"] as const)(
    "E13: a success that %s takes back becomes a failure",
    (connector) => {
      expect(proofsOf(connector).reversed).toBeGreaterThan(0);
    },
  );

  it("E8: fund_change N is no answer, and a query decides", () => {
    expect(proofsOf("alipay").fundUnchanged).toBeGreaterThan(0);
  });

  it("E30: a charge that was refunded in Stripe's dashboard is matched, or a person must look", () => {
    const { alreadyRefunded, matched } = proofsOf("stripe");
    expect(alreadyRefunded + matched).toBeGreaterThan(0);
  });

  const total = (proof: keyof Proofs) =>
    CONNECTORS.reduce((sum, connector) => sum + proofsOf(connector)[proof], 0);

  it("E9: a number that reaches a channel twice has one effect", () => {
    expect(total("sentAgain")).toBeGreaterThan(0);
  });

  it("E14b: an attempt that was followed by a no turns out to have landed", () => {
    expect(total("landed")).toBeGreaterThan(0);
  });
});
