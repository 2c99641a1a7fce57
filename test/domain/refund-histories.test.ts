// What no sequence of verdicts may ever do to a refund: histories at random, and claims about their every moment.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Verdict } from "../../src/channels/channel.ts";
import {
  ATTENTIONS,
  holdsMoney,
  type Refund,
  STATES,
  statusOf,
  TRANSITIONS,
} from "../../src/refunds/refund.ts";
import { submission } from "../../src/refunds/reserve-refund.ts";
import {
  type Circumstances,
  OVERDUE_MS,
  type Settlement,
  settleRefund,
} from "../../src/refunds/settle-refund.ts";
import { aRefund, aVerdict, NOW, SETTLING_MS, type Words } from "./refund-fixture.ts";

type Asked = Circumstances["asked"];
const CIRCUMSTANCES = { channel: "alipay", currency: "cny", settlingMs: SETTLING_MS };

/** What can happen to a refund next. Times in ms. */
type Step =
  | { step: "wait"; ms: number }
  /** The ledger asks when it is due to. */
  | { step: "ask" }
  /** The answer to the question under way. */
  | { step: "answer"; words: Words; mismatch: boolean }
  /** A notice, an operator or a test helper speaks up. */
  | { step: "told"; words: Words; mismatch: boolean }
  /** The instance is gone, and with it the question under way. */
  | { step: "crash" };

interface Moment {
  before: Refund;
  after: Refund;
  asked: Asked;
  verdict: Verdict;
  now: number;
  settlement: Settlement | null;
  /** Submissions that never got an answer which settles them, this one not counted. */
  doubts: number;
}

const yesOrNo: fc.Arbitrary<Words> = fc.oneof(
  fc.record({ kind: fc.constant("succeeded" as const), transactionNo: fc.constantFrom(null, "R1") }),
  fc.record({
    kind: fc.constant("declined" as const),
    code: fc.constantFrom("NO", "CLOSED"),
    words: fc.constant("No."),
  }),
);
const open: fc.Arbitrary<Words> = fc.oneof(
  fc.record(
    {
      kind: fc.constant("accepted" as const),
      attention: fc.constantFrom(...ATTENTIONS),
      url: fc.constant("https://channel.example"),
      askAgainAt: fc.integer({ min: NOW - 1000, max: NOW + 1_000_000 }),
    },
    { requiredKeys: ["kind"] },
  ),
  fc.constant({ kind: "unknown" as const }),
  fc.constant({ kind: "notFound" as const }),
);
const notSent: fc.Arbitrary<Words> = fc.record({
  kind: fc.constant("notSent" as const),
  reason: fc.constantFrom("throttled" as const, "configuration" as const),
  retryAt: fc.integer({ min: NOW - 1000, max: NOW + 1_000_000 }),
});

const mismatch = fc.integer({ min: 0, max: 19 }).map((dice) => dice === 0);
const ask = fc.constant({ step: "ask" as const });
const answer = fc.record({
  step: fc.constant("answer" as const),
  words: fc.oneof(yesOrNo, open, notSent),
  mismatch,
});
const told = fc.record({ step: fc.constant("told" as const), words: fc.oneof(yesOrNo, open), mismatch });
const wait = fc.record({
  step: fc.constant("wait" as const),
  ms: fc.oneof(
    fc.integer({ min: 0, max: 20_000 }),
    fc.constantFrom(1, 999, SETTLING_MS, 3_600_000, OVERDUE_MS),
  ),
});
const crash = fc.constant({ step: "crash" as const });

const steps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.tuple(ask, answer) },
      { weight: 1, arbitrary: fc.tuple(ask) },
      { weight: 1, arbitrary: fc.tuple(answer) },
      { weight: 2, arbitrary: fc.tuple(told) },
      { weight: 1, arbitrary: fc.tuple(wait) },
      { weight: 1, arbitrary: fc.tuple(crash) },
    ),
    { maxLength: 20, size: "max" },
  )
  .map((parts) => parts.flat());

/** Plays the steps as a ledger would, one ms apart at least, and tells of every verdict that was applied. */
function play(history: Step[], fits: boolean): Moment[] {
  const moments: Moment[] = [];
  let now = NOW;
  let refund = aRefund("waiting", { created: NOW / 1000, version: 1 });
  let question: { asked: "submit" | "query"; askedAt: number } | null = null;
  let doubts = 0;
  const hear = (asked: Asked, words: Words, mismatch: boolean, askedAt: number) => {
    const facts = mismatch ? { amount: 1, askedAt } : { askedAt };
    const verdict = aVerdict(words, facts);
    const before = refund;
    const settlement = settleRefund(before, verdict, { ...CIRCUMSTANCES, asked, now, fits });
    refund = settlement?.refund ?? before;
    moments.push({ before, after: refund, asked, verdict, now, settlement, doubts });
  };
  for (const next of history) {
    now += 1;
    switch (next.step) {
      case "wait":
        now += next.ms;
        break;
      case "ask": {
        if (question !== null || refund.dueAt === null) break;
        now = Math.max(now, refund.dueAt, refund.leaseUntil ?? 0);
        if (refund.clearToSubmit) {
          refund = { ...refund, ...submission(refund, now), version: refund.version + 1 };
          question = { asked: "submit", askedAt: now };
        } else {
          question = { asked: "query", askedAt: now };
        }
        break;
      }
      case "answer": {
        if (question === null) break;
        const { asked, askedAt } = question;
        question = null;
        hear(asked, next.words, next.mismatch, askedAt);
        const definite = next.words.kind === "declined" || next.words.kind === "succeeded";
        if (asked === "submit" && next.words.kind !== "notSent" && (!definite || next.mismatch)) doubts++;
        break;
      }
      case "told":
        hear("told", next.words, next.mismatch, now);
        break;
      case "crash":
        if (question?.asked === "submit") doubts++;
        question = null;
        break;
    }
  }
  return moments;
}

const isFinal = ({ state }: Refund) => state === "succeeded" || state === "failed";

/** Checks a claim at every moment of many histories. */
function always(claim: (moment: Moment) => void): void {
  fc.assert(
    fc.property(steps, fc.boolean(), (history, fits) => {
      for (const moment of play(history, fits)) claim(moment);
    }),
    { numRuns: 1000 },
  );
}

describe("whatever a channel says, in whatever order", () => {
  it("I11: a refund makes legal moves alone", () => {
    always(({ before, after }) => {
      if (before.state !== after.state) expect(TRANSITIONS[before.state]).toContain(after.state);
    });
  });

  it("I11: its version grows by exactly one with every change, and nothing else is a change", () => {
    always(({ before, after, settlement }) => {
      expect(after.version).toBe(settlement === null ? before.version : before.version + 1);
    });
  });

  it("I15: it has succeeded exactly when it has a time of success", () => {
    always(({ after }) => expect(after.timeSucceed !== null).toBe(after.state === "succeeded"));
  });

  it("I9: its events are exactly its public transitions, and changes of attention", () => {
    always(({ before, after, settlement }) => {
      const status = statusOf(after.state);
      const moved = status !== statusOf(before.state);
      const events = moved
        ? [`refund.${status}`]
        : after.attention !== before.attention
          ? ["refund.updated"]
          : [];
      expect(settlement?.events ?? []).toEqual(events);
      if (moved) expect(status).not.toBe("pending");
    });
  });

  it("I12: its id, number, amount and creation never change", () => {
    always(({ before, after }) => {
      const facts = ({ id, seq, amount, created, refundNo, fingerprint }: Refund) => [
        id,
        seq,
        amount,
        created,
        refundNo,
        fingerprint,
      ];
      expect(facts(after)).toEqual(facts(before));
    });
  });

  it("E5: only a definite no releases money: no silence, no throttling, no age", () => {
    always(({ before, after, verdict }) => {
      if (!holdsMoney(before) || holdsMoney(after)) return;
      const confirms = verdict.kind === "notFound" && before.provisional !== null;
      expect(verdict.kind === "declined" || confirms).toBe(true);
      expect(verdict.amount).toBe(before.amount);
    });
  });

  it("E14b: a no about a refund in doubt releases nothing before a query past the settling time confirms it", () => {
    always(({ before, after, verdict, asked, doubts }) => {
      if (after.state !== "failed" || isFinal(before) || before.state === "accepted") return;
      const onlyAttempt = asked === "submit" && before.state === "submitting" && doubts === 0;
      if (onlyAttempt) return;
      expect(before.provisional).not.toBeNull();
      expect(asked).toBe("query");
      expect(verdict.askedAt).toBeGreaterThanOrEqual((before.lastSubmittedAt ?? 0) + SETTLING_MS);
    });
  });

  it("E13: a final state is only left after a query begun once the contradiction was heard", () => {
    always(({ before, after, verdict, asked }) => {
      if (!isFinal(before) || before.state === after.state) return;
      expect(asked).toBe("query");
      expect(before.contradictedAt).not.toBeNull();
      expect(verdict.askedAt).toBeGreaterThanOrEqual(before.contradictedAt ?? Number.POSITIVE_INFINITY);
    });
  });

  it("E13: a contradiction, once heard, rests only after a query begun later was answered", () => {
    always(({ before, after, verdict, asked }) => {
      if (before.contradictedAt === null || after.contradictedAt !== null) return;
      expect(asked).toBe("query");
      expect(verdict.askedAt).toBeGreaterThanOrEqual(before.contradictedAt);
    });
  });

  it("I8: an open refund is always due at some time, a final one only while it is contradicted", () => {
    always(({ after }) => {
      expect(after.dueAt !== null).toBe(!isFinal(after) || after.contradictedAt !== null);
    });
  });

  it("I8: what changes is due now or later, never in the past", () => {
    always(({ before, after, now, settlement }) => {
      if (settlement === null || after.dueAt === null || after.dueAt === before.dueAt) return;
      expect(after.dueAt).toBeGreaterThanOrEqual(now);
    });
  });

  it("I8: no answer to our own question leaves the same question due at once", () => {
    always(({ before, after, now, asked, verdict }) => {
      if (asked === "told" || after.dueAt === null || after.dueAt > now) return;
      const toSubmit = verdict.kind === "notFound" && after.clearToSubmit;
      // A contradiction is heard at this very moment, or it was heard while the question was under way.
      const freshNews = after.contradictedAt !== null && after.contradictedAt > verdict.askedAt;
      const mayAsk = toSubmit || freshNews || (before.askedAt ?? 0) > verdict.askedAt;
      expect(mayAsk).toBe(true);
    });
  });

  it("an answer to our own question gives its lease back", () => {
    always(({ after, asked }) => {
      if (asked !== "told") expect(after.leaseUntil).toBeNull();
    });
  });

  it("E6: a number is cleared for another submission only by not found past the settling time, or unsent", () => {
    always(({ before, after, verdict, asked }) => {
      if (before.clearToSubmit || !after.clearToSubmit) return;
      const unsent = verdict.kind === "notSent" && asked === "submit" && after.state === "waiting";
      const lost =
        verdict.kind === "notFound" &&
        before.provisional === null &&
        verdict.askedAt >= (before.lastSubmittedAt ?? 0) + SETTLING_MS;
      expect(unsent || lost).toBe(true);
    });
  });

  it("another amount never moves a refund to another public status", () => {
    always(({ before, after, verdict }) => {
      if (verdict.amount !== before.amount) expect(statusOf(after.state)).toBe(statusOf(before.state));
    });
  });

  it("E14c: a conflict is only seen where a success no longer fits", () => {
    always(({ before, after, verdict, settlement }) => {
      if (settlement?.conflict !== true) return;
      expect([before.state, after.state, verdict.kind]).toEqual(["failed", "failed", "succeeded"]);
      expect(after.attention).toBe("conflict");
    });
  });
});

describe("the histories", () => {
  it("reach every state and every move, so that the claims above claim something", () => {
    const seen = new Set<string>();
    for (const [history, fits] of fc.sample(fc.tuple(steps, fc.boolean()), 2000)) {
      for (const { before, after } of play(history, fits)) {
        if (before.state !== after.state) seen.add(`${before.state} → ${after.state}`);
      }
    }
    const moves = STATES.flatMap((from) => TRANSITIONS[from].map((to) => `${from} → ${to}`));
    // A submission is claimed, and a waiting refund canceled, outside of what a verdict does.
    const claimed = ["waiting → submitting", "unknown → submitting", "waiting → failed"];
    expect(moves.filter((move) => !seen.has(move)).sort()).toEqual(claimed.sort());
  });
});
