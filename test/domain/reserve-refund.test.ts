// Whether a create command finds a refund, makes one or is refused: the refusals in the order of `refusal.ts`, request
// keys, inferred repeats, spacing, and what no sequence of commands may ever do to a charge.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChannelFacts } from "../../src/channels/channel.ts";
import { balanceOf } from "../../src/charges/balance.ts";
import type { Charge } from "../../src/charges/charge.ts";
import type { CreateCommand } from "../../src/charges/ledger-calls.ts";
import { type Fingerprints, type Refund, STATES } from "../../src/refunds/refund.ts";
import type { Refusal, RefusalCode } from "../../src/refunds/refusal.ts";
import {
  LEASE_MS,
  type Reservation,
  reserveRefund,
  type Situation,
} from "../../src/refunds/reserve-refund.ts";
import { aCharge, aCommand, anAccount, aRefund, NOW } from "./refund-fixture.ts";

const facts: ChannelFacts = {
  fullRefundOnly: false,
  windowSeconds: 90 * 86_400,
  spacingMs: 0,
  settlingMs: 60_000,
};

function aSituation(changes: Partial<Situation> = {}): Situation {
  return {
    charge: aCharge(),
    freeze: null,
    refunds: [],
    facts,
    slotFree: true,
    answeredAt: () => null,
    now: NOW,
    ...changes,
  };
}

/** What this reservation was: a refusal's code, `reserved`, or whose refund was found and how. */
function summary(reservation: Reservation): string {
  switch (reservation.kind) {
    case "refused":
      return reservation.refusal.code;
    case "reserved":
      return "reserved";
    case "existing":
      return `${reservation.refund.id} ${reservation.replayed}`;
  }
}

/** Reserves for a request that comes at the situation's time. */
function reserve(command: CreateCommand, situation: Situation): string {
  return summary(reserveRefund({ ...command, requestedAt: situation.now }, situation));
}

function reserved(command: CreateCommand, situation: Situation): Refund {
  const reservation = reserveRefund(command, situation);
  if (reservation.kind !== "reserved") throw new Error(`not reserved: ${summary(reservation)}`);
  return reservation.refund;
}

function refusal(command: CreateCommand, situation: Situation): Refusal | null {
  const reservation = reserveRefund(command, situation);
  return reservation.kind === "refused" ? reservation.refusal : null;
}

describe("a reservation", () => {
  it("is submitted at once, holding a lease, when nothing stands in its way", () => {
    const refund = reserved(aCommand(), aSituation());
    expect(refund).toMatchObject({
      id: aCommand().refund,
      seq: 1,
      amount: 4000,
      created: NOW / 1000,
      state: "submitting",
      version: 1,
      synced: 0,
      dueAt: NOW,
      leaseUntil: NOW + LEASE_MS,
      attempts: 1,
      firstSubmittedAt: NOW,
      lastSubmittedAt: NOW,
      clearToSubmit: false,
      inDoubt: false,
      account: null,
      attention: null,
    });
  });

  it("of a reversal takes the whole charge, also when it was promised with what D1 thought was left", () => {
    const refund = reserved(aCommand({ amount: 6000, reverses: true }), aSituation());
    expect(refund).toMatchObject({ amount: 10_000, reverses: true });
  });

  it("waits, due at once, when no call to the channel is free", () => {
    expect(reserved(aCommand(), aSituation({ slotFree: false }))).toMatchObject({
      state: "waiting",
      dueAt: NOW,
      leaseUntil: null,
      attempts: 0,
      clearToSubmit: true,
    });
  });

  it("E22: without an amount takes everything that is left, not the original total", () => {
    const refunds = [aRefund("succeeded", { amount: 3000 }), aRefund("unknown", { amount: 500 })];
    expect(reserved(aCommand({ amount: null }), aSituation({ refunds })).amount).toBe(6500);
  });

  it("pins the account that the command brings for the charge's channel", () => {
    const account = anAccount({ revision: 4 });
    const command = aCommand({ accounts: { alipay: account, wx: { ...account, id: "ca_2" } } });
    expect(reserved(command, aSituation()).account).toEqual({ id: "ca_1", revision: 4 });
  });

  it("is numbered after the last one", () => {
    const refunds = [aRefund("failed", { id: "a", seq: 1 }), aRefund("succeeded", { id: "b", seq: 7 })];
    expect(reserved(aCommand(), aSituation({ refunds })).seq).toBe(8);
  });

  it("is numbered after the highest one, also when refunds taken over from D1 stand out of order", () => {
    const refunds = [
      aRefund("unknown", { id: "b", amount: 1, seq: 4 }),
      aRefund("unknown", { id: "a", amount: 1, seq: 3 }),
    ];
    expect(reserved(aCommand(), aSituation({ refunds })).seq).toBe(5);
  });
});

const held = (count: number) =>
  Array.from({ length: count }, (_, i) => aRefund("succeeded", { id: `held${i}`, seq: i + 1, amount: 1 }));

interface Fault {
  code: RefusalCode;
  name: string;
  command?: Partial<CreateCommand>;
  charge?: Partial<Charge>;
  situation?: Partial<Situation>;
  refunds?: Refund[];
}

/** Known under both keys, so that either one finds it. */
const known = aRefund("failed", {
  id: "known",
  idempotencyKey: "key",
  refundNo: "no",
  fingerprint: "theirs",
});

/** One mutation for each refusal, in the order of `refusal.ts`: the first one wins. */
const FAULTS: Fault[] = [
  {
    code: "request_keys_disagree",
    name: "key and number of two refunds",
    command: { idempotencyKey: "key2", refundNo: "no2", fingerprint: "theirs" },
    refunds: [
      { ...known, id: "keyed", idempotencyKey: "key2", refundNo: null },
      { ...known, id: "numbered", idempotencyKey: null, refundNo: "no2" },
    ],
  },
  {
    code: "idempotency_key_reused",
    name: "a key that was used",
    command: { idempotencyKey: "key", fingerprint: "ours" },
    refunds: [known],
  },
  {
    code: "refund_no_reused",
    name: "a number that was used",
    command: { refundNo: "no", fingerprint: "ours" },
    refunds: [known],
  },
  { code: "charge_frozen", name: "a frozen charge", situation: { freeze: "conflict" } },
  { code: "charge_not_paid", name: "an unpaid charge", charge: { paid: false } },
  { code: "charge_reversed", name: "a reversed charge", charge: { reversed: true } },
  { code: "fully_refunded", name: "nothing left", charge: { refundedElsewhere: 10_000 } },
  {
    code: "refund_window_closed",
    name: "a charge too old",
    charge: { timePaid: NOW / 1000 - 91 * 86_400 },
  },
  {
    code: "too_many_refunds",
    name: "too many refunds",
    command: { rules: { ...aCommand().rules, refundsMax: 3 } },
    refunds: held(3),
  },
  { code: "charge_disputed", name: "a dispute", charge: { disputed: 6001 } },
  {
    code: "partial_refund_unsupported",
    name: "a part where only the whole will do",
    situation: { facts: { ...facts, fullRefundOnly: true } },
  },
  { code: "refund_amount_exceeded", name: "too much", command: { amount: 10_001 } },
  { code: "channel_not_configured", name: "no connector", situation: { facts: null } },
];

/** The valid fixture with these faults, and nothing else wrong with it. */
function faulty(...faults: Fault[]): [CreateCommand, Situation] {
  const merged = <Key extends "command" | "charge" | "situation">(key: Key) =>
    Object.assign({}, ...faults.map((fault) => fault[key] ?? {}));
  return [
    aCommand(merged("command")),
    aSituation({
      refunds: faults.flatMap((fault) => fault.refunds ?? []),
      ...merged("situation"),
      charge: aCharge(merged("charge")),
    }),
  ];
}

describe("refusals", () => {
  it("E25, E32: nothing is wrong with the fixture itself", () => {
    expect(reserve(...faulty())).toBe("reserved");
  });

  it.each(FAULTS)("$name is refused as $code", (fault) => {
    expect(reserve(...faulty(fault))).toBe(fault.code);
  });

  const pairs = FAULTS.flatMap((first, i) => FAULTS.slice(i + 1).map((second) => ({ first, second })));
  // Two pairs cannot be: without a connector nobody knows that the channel refunds only the whole, and a dispute is
  // only the reason where the refund would fit without it.
  const impossible = new Set([
    "partial_refund_unsupported channel_not_configured",
    "charge_disputed refund_amount_exceeded",
  ]);
  const possible = pairs.filter(({ first, second }) => !impossible.has(`${first.code} ${second.code}`));
  it.each(possible)("$first.code comes before $second.code", ({ first, second }) => {
    expect(reserve(...faulty(first, second))).toBe(first.code);
  });

  it("cnp_u and cnp_f refund the whole or nothing, also where no connector says so", () => {
    for (const channel of ["cnp_u", "cnp_f"]) {
      const charge = aCharge({ channel });
      expect(refusal(aCommand(), aSituation({ charge, facts: null }))).toEqual({
        code: "partial_refund_unsupported",
        channel,
        amount: 10_000,
      });
      const sandboxed = aSituation({ charge, facts: { ...facts, fullRefundOnly: true } });
      expect(reserve(aCommand({ amount: 10_000 }), sandboxed)).toBe("reserved");
      expect(reserve(aCommand({ amount: null }), sandboxed)).toBe("reserved");
    }
  });

  it("a refund of the whole is refused by its amount, not by its being partial, when a part is gone", () => {
    const refunds = [aRefund("unknown", { amount: 10_000 })];
    const whole = { ...facts, fullRefundOnly: true };
    expect(reserve(aCommand({ amount: 10_000 }), aSituation({ refunds, facts: whole }))).toBe(
      "refund_amount_exceeded",
    );
  });

  it("the facts of a refusal are those the caller is told", () => {
    const refunds = [aRefund("succeeded", { amount: 3000 }), aRefund("accepted", { amount: 2000 })];
    expect(refusal(aCommand({ amount: 5001 }), aSituation({ refunds }))).toEqual({
      code: "refund_amount_exceeded",
      refundable: 5000,
    });
    expect(
      refusal(...faulty({ code: "fully_refunded", name: "", charge: { refundedElsewhere: 10_000 } })),
    ).toEqual({
      code: "fully_refunded",
      charge: aCharge().id,
      orderNo: "order-1",
    });
    expect(refusal(aCommand({ amount: 4001 }), aSituation({ charge: aCharge({ disputed: 6000 }) }))).toEqual({
      code: "charge_disputed",
      refundable: 4000,
    });
    expect(
      refusal(...faulty({ code: "charge_frozen", name: "", situation: { freeze: "lost" } })),
    ).toMatchObject({
      freeze: "lost",
    });
  });

  it.each([
    ["succeeded", "fully_refunded"],
    ["unknown", "refund_amount_exceeded"],
    ["waiting", "refund_amount_exceeded"],
    ["failed", "reserved"],
  ] as const)("E22: a charge whose whole amount is %s answers %s", (state, answer) => {
    const refunds = [aRefund(state, { amount: 10_000 })];
    for (const amount of [null, 1, 10_000]) {
      expect(reserve(aCommand({ amount }), aSituation({ refunds }))).toBe(answer);
    }
  });

  it("E22: one unit that is pending keeps the charge from being called fully refunded", () => {
    const refunds = [aRefund("succeeded", { amount: 9999 }), aRefund("unknown", { amount: 1 })];
    expect(reserve(aCommand({ amount: null }), aSituation({ refunds }))).toBe("refund_amount_exceeded");
  });

  it("E29: what is disputed is not refundable, and what does not fit without the dispute either is too much", () => {
    const disputed = (amount: number, pending = 0) =>
      reserve(
        aCommand({ amount }),
        aSituation({
          charge: aCharge({ disputed: 5000 }),
          refunds: pending === 0 ? [] : [aRefund("unknown", { amount: pending })],
        }),
      );
    expect(disputed(5000)).toBe("reserved");
    expect(disputed(5001)).toBe("charge_disputed");
    expect(disputed(10_000)).toBe("charge_disputed");
    expect(disputed(10_001)).toBe("refund_amount_exceeded");
    expect(disputed(1000, 9000)).toBe("charge_disputed");
  });

  it("the window is open to its last ms and counted from the payment", () => {
    const windowMs = facts.windowSeconds * 1000;
    const paid = NOW / 1000 - facts.windowSeconds;
    const at = (now: number, charge: Partial<Charge>) =>
      reserve(aCommand(), aSituation({ now, charge: aCharge({ created: 0, ...charge }) }));
    expect(at(NOW, { timePaid: paid })).toBe("reserved");
    expect(at(NOW + 1, { timePaid: paid })).toBe("refund_window_closed");
    expect(at(windowMs, { timePaid: null })).toBe("reserved");
    expect(at(windowMs + 1, { timePaid: null })).toBe("refund_window_closed");
  });

  it.each([
    ["alipay", 90],
    ["alipay_wap", 90],
    ["wx", 365],
    ["wx_lite", 365],
    ["upacp_pc", 330],
    ["jdpay", 365],
  ])("%s refunds for %i days where no connector says otherwise", (channel, days) => {
    const charge = aCharge({ channel, timePaid: NOW / 1000 - days * 86_400 });
    // Without a connector the refusal of an open window is that nobody can ask the channel.
    expect(reserve(aCommand(), aSituation({ charge, facts: null }))).toBe("channel_not_configured");
    expect(reserve(aCommand(), aSituation({ charge, facts: null, now: NOW + 1 }))).toBe(
      "refund_window_closed",
    );
  });

  it("an app's own window goes before the channel's, for that channel alone", () => {
    const rules = { ...aCommand().rules, windows: { alipay: 1 } };
    const charge = aCharge({ timePaid: NOW / 1000 - 86_401 });
    expect(reserve(aCommand({ rules }), aSituation({ charge }))).toBe("refund_window_closed");
    const other = aSituation({ charge: { ...charge, channel: "alipay_wap" } });
    expect(reserve(aCommand({ rules }), other)).toBe("reserved");
  });

  it("E37: exactly N refunds that have not failed, and at most M with the failed ones", () => {
    const rules = { ...aCommand().rules, refundsMax: 3, refundAttemptsMax: 5 };
    const one = aCommand({ rules, amount: 1 });
    const failed = (count: number) =>
      Array.from({ length: count }, (_, i) => aRefund("failed", { id: `f${i}` }));
    expect(reserve(one, aSituation({ refunds: [...held(2), ...failed(2)] }))).toBe("reserved");
    expect(refusal(one, aSituation({ refunds: held(3) }))).toEqual({ code: "too_many_refunds", limit: 3 });
    expect(refusal(one, aSituation({ refunds: failed(5) }))).toEqual({ code: "too_many_refunds", limit: 5 });
  });

  it("a live charge needs an account for its channel, a test charge none", () => {
    const live = aSituation({ charge: aCharge({ livemode: true }) });
    const account = anAccount();
    expect(reserve(aCommand(), live)).toBe("channel_not_configured");
    expect(reserve(aCommand({ accounts: { wx: account } }), live)).toBe("channel_not_configured");
    expect(reserve(aCommand({ accounts: { alipay: account } }), live)).toBe("reserved");
    expect(reserve(aCommand(), aSituation())).toBe("reserved");
  });

  it("a channel called like a property of every object brings neither account nor window", () => {
    const charge = aCharge({ livemode: true, channel: "constructor" });
    expect(reserve(aCommand(), aSituation({ charge }))).toBe("channel_not_configured");
  });
});

describe("request keys", () => {
  const found = aRefund("succeeded", {
    id: "found",
    idempotencyKey: "key",
    refundNo: "no",
    fingerprint: "same",
  });
  const refunds = [found];
  const ask = (changes: Partial<CreateCommand>, situation: Partial<Situation> = {}) =>
    reserve(aCommand({ fingerprint: "same", ...changes }), aSituation({ refunds, ...situation }));

  it("E2, I10: the same key with the same parameters finds the same refund", () => {
    expect(ask({ idempotencyKey: "key" })).toBe("found true");
    expect(ask({ refundNo: "no" })).toBe("found true");
    expect(ask({ idempotencyKey: "key", refundNo: "no" })).toBe("found true");
  });

  it("E12: with other parameters it is refused, naming the refund", () => {
    const other = aCommand({ idempotencyKey: "key", fingerprint: "other" });
    expect(refusal(other, aSituation({ refunds }))).toEqual({
      code: "idempotency_key_reused",
      refund: "found",
    });
    const number = aCommand({ refundNo: "no", fingerprint: "other" });
    expect(refusal(number, aSituation({ refunds }))).toEqual({ code: "refund_no_reused", refund: "found" });
  });

  it("E36: the two keys are separate: one never matches the other", () => {
    expect(ask({ idempotencyKey: "no" })).toBe("reserved");
    expect(ask({ refundNo: "key" })).toBe("reserved");
  });

  it("one known key and one new one are what the known one says", () => {
    expect(ask({ idempotencyKey: "new", refundNo: "no" })).toBe("found true");
    expect(ask({ idempotencyKey: "key", refundNo: "new" })).toBe("found true");
    expect(ask({ idempotencyKey: "key", refundNo: "new", fingerprint: "other" })).toBe(
      "idempotency_key_reused",
    );
  });

  it("keys of two refunds disagree, whatever the parameters", () => {
    const second = aRefund("failed", { id: "second", refundNo: "no2", fingerprint: "same" });
    expect(ask({ idempotencyKey: "key", refundNo: "no2" }, { refunds: [found, second] })).toBe(
      "request_keys_disagree",
    );
  });

  it("E35: a hit is a hit on a charge that would refuse a new refund", () => {
    const spent = { charge: aCharge({ paid: false, reversed: true }), freeze: "conflict" as const };
    expect(ask({ idempotencyKey: "key" }, spent)).toBe("found true");
  });

  it("E3c: a new refund_no makes a second refund, always", () => {
    expect(ask({ refundNo: "no-2" })).toBe("reserved");
  });

  it("a ledger asked again under the same refund id answers with that refund, not marked as a replay", () => {
    expect(ask({ refund: "found", request: aRefund("succeeded").request })).toBe("found false");
  });

  it("I10: another request with the refund id that follows from its key finds the refund if its parameters are the same", () => {
    expect(ask({ refund: "found", idempotencyKey: "other" })).toBe("found true");
    expect(ask({ refund: "found", idempotencyKey: "other", fingerprint: "g" })).toBe(
      "idempotency_key_reused",
    );
    expect(ask({ refund: "found", refundNo: "other", fingerprint: "g" })).toBe("refund_no_reused");
  });
});

describe("repeats that an SDK sends on its own account", () => {
  const seconds = NOW / 1000;
  const first: Fingerprints = {
    apiKey: "key_1",
    body: "sha",
    signature: "signature",
    timestamp: seconds,
    pingpp: true,
  };
  const found = aRefund("succeeded", { id: "found", created: seconds, requestedAt: NOW, repeats: first });
  /** The same request, `ms` after the first. */
  const again = (
    changes: Partial<Fingerprints>,
    ms: number,
    situation: Partial<Situation> = {},
    windowMs = 15_000,
  ) =>
    reserve(
      aCommand({
        repeats: { ...first, ...changes },
        rules: { ...aCommand().rules, duplicateWindowMs: windowMs },
      }),
      aSituation({ refunds: [found], now: NOW + ms, answeredAt: () => NOW, ...situation }),
    );
  const bare = { signature: null, timestamp: null };
  const plain = { ...bare, pingpp: false };
  const hour = 3_600_000;

  it("E3a: the same signature joins, whenever it comes and whoever sends it", () => {
    expect(again({ timestamp: null, pingpp: false }, hour)).toBe("found inferred");
  });

  it("E3a: the same body and timestamp join within 300 s of that timestamp", () => {
    const stamped = { signature: "other", pingpp: false };
    expect(again(stamped, 300_000)).toBe("found inferred");
    expect(again(stamped, 300_001)).toBe("reserved");
    expect(again({ signature: null, pingpp: false }, 300_000)).toBe("found inferred");
  });

  it("E3a: a timestamp that runs ahead joins for 600 s", () => {
    const ahead = { signature: null, timestamp: seconds + 300, pingpp: false };
    const refunds = [{ ...found, repeats: { ...first, ...ahead } }];
    expect(again(ahead, 0, { refunds })).toBe("found inferred");
    expect(again(ahead, 600_000, { refunds })).toBe("found inferred");
    expect(again(ahead, 600_001, { refunds })).toBe("reserved");
  });

  it("E3a: a timestamp more than 300 s ahead of now joins nothing", () => {
    const ahead = { signature: null, timestamp: seconds + 301, pingpp: false };
    const refunds = [{ ...found, repeats: { ...first, ...ahead } }];
    expect(again(ahead, 999, { refunds })).toBe("reserved");
    expect(again(ahead, 1000, { refunds })).toBe("found inferred");
  });

  it("E3d: another timestamp is another request, unless an SDK sent it within the window", () => {
    expect(again({ signature: null, timestamp: seconds + 1, pingpp: false }, 1000)).toBe("reserved");
    expect(again({ signature: null, timestamp: seconds + 1 }, 1000)).toBe("found inferred");
  });

  it("E3b: from a Pingpp agent it joins within the duplicate window after the answer, from others never", () => {
    expect(again(bare, 15_000)).toBe("found inferred");
    expect(again(bare, 15_001)).toBe("reserved");
    expect(again(plain, 0)).toBe("reserved");
  });

  it("E3b: it joins while the first is still running, however long that takes", () => {
    const running = { answeredAt: () => "running" as const };
    expect(again(bare, hour, running)).toBe("found inferred");
    expect(again(bare, hour, running, 0)).toBe("found inferred");
    expect(again(plain, 1, running)).toBe("reserved");
  });

  it.each([0, 15, 600])("E3b: an app's own window of %i s ends to the ms", (window) => {
    expect(again(bare, window * 1000, {}, window * 1000)).toBe("found inferred");
    expect(again(bare, window * 1000 + 1, {}, window * 1000)).toBe("reserved");
  });

  it("E34: after a restart the answer counts as given by the end of the wait", () => {
    const forgotten = { answeredAt: () => null };
    expect(again(bare, found.waitMs + 15_000, forgotten)).toBe("found inferred");
    expect(again(bare, found.waitMs + 15_001, forgotten)).toBe("reserved");
  });

  it("E3: a promised request that is replayed later joins the repeat that came in its place", () => {
    // Promised at NOW, repeated by the SDK `ms` later, and replayed by the sweeper after an hour.
    const replayed = (ms: number, changes: Partial<Fingerprints> = bare) =>
      summary(
        reserveRefund(
          aCommand({ repeats: { ...first, ...changes }, requestedAt: NOW }),
          aSituation({
            refunds: [{ ...found, requestedAt: NOW + ms }],
            now: NOW + hour,
            answeredAt: () => NOW + ms + 1,
          }),
        ),
      );
    const answeredBy = aCommand().waitMs + 15_000;
    expect(replayed(1000)).toBe("found inferred");
    expect(replayed(answeredBy + 15_000)).toBe("found inferred");
    expect(replayed(answeredBy + 15_001)).toBe("reserved");
    expect(replayed(60_000, { signature: null, pingpp: false })).toBe("found inferred");
    expect(replayed(1000, plain)).toBe("reserved");
  });

  it.each([
    ["another API key", { apiKey: "key_2" }],
    ["another body", { body: "another" }],
  ])("%s joins nothing", (_, changes) => {
    expect(again(changes, 0, { answeredAt: () => "running" })).toBe("reserved");
  });

  it("a refund made with a key of its own is joined by no request without one", () => {
    const refunds = [{ ...found, repeats: null, idempotencyKey: "key", fingerprint: "f" }];
    expect(again({}, 0, { refunds })).toBe("reserved");
  });

  it("a request with a key of its own joins nothing", () => {
    const command = aCommand({ refundNo: "no", fingerprint: "f", repeats: null });
    expect(reserve(command, aSituation({ refunds: [found] }))).toBe("reserved");
  });

  it("of several equal ones the last is joined", () => {
    const refunds = [found, { ...found, id: "later", seq: 2 }];
    expect(again({}, 0, { refunds })).toBe("later inferred");
  });

  it("E33: a refund that failed is joined too: its repeat is the same request", () => {
    const refunds = [aRefund("failed", { id: "found", created: seconds, repeats: first })];
    expect(again({}, 0, { refunds })).toBe("found inferred");
  });
});

describe("spacing", () => {
  const spaced = { ...facts, spacingMs: 3000 };
  const at = (refunds: Refund[], now = NOW) =>
    reserved(aCommand({ amount: 1 }), aSituation({ refunds, facts: spaced, now }));

  it("E38: the first refund of a charge is sent at once", () => {
    expect(at([])).toMatchObject({ state: "submitting", dueAt: NOW });
  });

  it("E38: the next one waits until the gap after the last submission is over", () => {
    const sent = [aRefund("succeeded", { lastSubmittedAt: NOW - 1000 })];
    expect(at(sent)).toMatchObject({ state: "waiting", dueAt: NOW + 2000, leaseUntil: null, attempts: 0 });
    expect(at(sent, NOW + 1999)).toMatchObject({ state: "waiting", dueAt: NOW + 2000 });
    expect(at(sent, NOW + 2000)).toMatchObject({ state: "submitting", dueAt: NOW + 2000 });
  });

  it("E38: a submission that was declined counts: the channel has seen it", () => {
    expect(at([aRefund("failed", { lastSubmittedAt: NOW })])).toMatchObject({ dueAt: NOW + 3000 });
  });

  it("E38: a burst queues one behind the other, a gap apart", () => {
    const queue: Refund[] = [];
    for (let i = 0; i < 5; i++) queue.push({ ...at(queue), id: `queued${i}` });
    expect(queue.map(({ dueAt }) => (dueAt ?? 0) - NOW)).toEqual([0, 3000, 6000, 9000, 12_000]);
    expect(queue.map(({ state }) => state)).toEqual(["submitting", ...Array(4).fill("waiting")]);
    expect(queue.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it("a channel without a gap has no queue", () => {
    const sent = [aRefund("succeeded", { lastSubmittedAt: NOW })];
    expect(reserved(aCommand(), aSituation({ refunds: sent })).state).toBe("submitting");
  });
});

describe("whatever commands come", () => {
  const amounts = fc.oneof(
    fc.constant(null),
    fc.integer({ min: 1, max: 20_000 }),
    fc.integer({ min: 1, max: 500 }),
  );
  const steps = fc.array(
    fc.oneof(
      fc.record({ step: fc.constant("create" as const), amount: amounts }),
      fc.record({
        step: fc.constant("outcome" as const),
        which: fc.nat(50),
        state: fc.constantFrom(...STATES),
      }),
      fc.record({ step: fc.constant("dispute" as const), disputed: fc.integer({ min: 0, max: 12_000 }) }),
    ),
    { maxLength: 60, size: "max" },
  );
  const charges = fc.record({
    amount: fc.integer({ min: 1, max: 15_000 }),
    refundedElsewhere: fc.integer({ min: 0, max: 15_000 }),
  });

  interface Play {
    charge: Charge;
    refunds: Refund[];
    before: Refund[];
    reservation: Reservation;
    command: CreateCommand;
  }

  /** Plays the steps; states move as the channel pleases, but what failed never comes back. */
  function play(
    facts: Pick<Charge, "amount" | "refundedElsewhere">,
    history: Iterable<StepOf>,
    look: (at: Play) => void,
  ) {
    let charge = aCharge(facts);
    let refunds: Refund[] = [];
    let next = 0;
    for (const step of history) {
      if (step.step === "dispute") charge = { ...charge, disputed: step.disputed };
      if (step.step === "outcome") {
        refunds = refunds.map((refund, i) =>
          i === step.which % refunds.length && refund.state !== "failed"
            ? { ...refund, state: step.state }
            : refund,
        );
      }
      if (step.step !== "create") continue;
      const command = aCommand({ refund: `re_${next++}`, amount: step.amount });
      const before = refunds;
      const reservation = reserveRefund(command, aSituation({ charge, refunds }));
      if (reservation.kind === "reserved") refunds = [...refunds, reservation.refund];
      look({ charge, refunds, before, reservation, command });
    }
    return { charge, refunds };
  }
  type StepOf = (typeof steps extends fc.Arbitrary<infer Steps> ? Steps : never) extends (infer One)[]
    ? One
    : never;

  const heldBy = (refunds: Refund[]) =>
    refunds.reduce((sum, { state, amount }) => (state === "failed" ? sum : sum + amount), 0);

  it("I1: what is held never exceeds the amount, disputes and refunds elsewhere counted", () => {
    fc.assert(
      fc.property(charges, steps, (facts, history) => {
        play(facts, history, ({ charge, refunds, reservation }) => {
          if (reservation.kind !== "reserved") return;
          expect(heldBy(refunds) + charge.refundedElsewhere + charge.disputed).toBeLessThanOrEqual(
            charge.amount,
          );
        });
      }),
      { numRuns: 1000 },
    );
  });

  it("I13: a refusal for the amount names what could truly be refunded, and that is less than was asked for", () => {
    fc.assert(
      fc.property(charges, steps, (facts, history) => {
        play(facts, history, ({ charge, before, reservation, command }) => {
          if (reservation.kind !== "refused" || !("refundable" in reservation.refusal)) return;
          const { refundable } = reservation.refusal;
          expect(refundable).toBe(balanceOf(charge, before).refundable);
          expect(command.amount ?? 1).toBeGreaterThan(refundable);
          if (refundable === 0) return;
          const exact = aCommand({ refund: "re_exact", amount: refundable });
          expect(reserve(exact, aSituation({ charge, refunds: before }))).toBe("reserved");
        });
      }),
      { numRuns: 1000 },
    );
  });

  it("E24: whatever was taken in pieces, the rest can be taken whole and leaves exactly 0", () => {
    fc.assert(
      fc.property(charges, steps, (facts, history) => {
        const { charge, refunds } = play(facts, history, () => {});
        const { refundable } = balanceOf({ ...charge, disputed: 0 }, refunds);
        if (refundable === 0 || refunds.length >= 50) return;
        const situation = aSituation({ charge: { ...charge, disputed: 0 }, refunds });
        const rest = reserved(aCommand({ refund: "re_rest", amount: null }), situation);
        expect(rest.amount).toBe(refundable);
        expect(balanceOf({ ...charge, disputed: 0 }, [...refunds, rest]).refundable).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  it("I6: a reservation is numbered one after the last, and no refund of nothing is ever made", () => {
    fc.assert(
      fc.property(charges, steps, (facts, history) => {
        const { refunds } = play(facts, history, () => {});
        expect(refunds.map(({ seq }) => seq)).toEqual(refunds.map((_, i) => i + 1));
        expect(refunds.every(({ amount }) => amount > 0)).toBe(true);
      }),
    );
  });
});
