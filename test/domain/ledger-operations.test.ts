// What people and other systems do to a refund while answers are slow, lost, or cross each other.
import { describe, expect, it } from "vitest";
import type { PaymentCheck, Verdict } from "../../src/channels/channel.ts";
import { CALL, type ResolveCall } from "../../src/charges/ledger-calls.ts";
import { ABNORMAL, Bench, type Words } from "./ledger-bench.ts";
import { anAccount, aRefund, SETTLING_MS } from "./refund-fixture.ts";

const DAY = 86_400_000;
const UNKNOWN: Words = { kind: "unknown" };
const NO: Words = { kind: "declined", code: "NO", words: "no" };

function resolution(refund: string, outcome: "succeeded" | "failed" = "succeeded", by = "ann"): ResolveCall {
  return { ...CALL, refund, resolution: { outcome, by, reason: "I called them" }, transactionNo: null };
}

/** A refund that the channel leaves to a person. */
async function abnormal() {
  const bench = new Bench();
  bench.onSubmission = () => ABNORMAL;
  bench.onQuery = () => ABNORMAL;
  const refund = await bench.refund();
  expect(refund).toMatchObject({ state: "accepted", attention: "channel_abnormal" });
  return { bench, refund };
}

describe("a sync", () => {
  it("E16: of a final refund asks the channel; the same answer changes nothing at all", async () => {
    const bench = new Bench();
    const refund = await bench.refund();
    const answer = await bench.finish(bench.ledger.sync({ ...CALL, refund: refund.id }));
    expect("ok" in answer).toBe(true);
    expect(bench.queries).toHaveLength(1);
    expect(await bench.stored(refund.id)).toEqual({ ...refund, synced: refund.version, syncDueAt: null });
  });

  it.each([
    ["silence", UNKNOWN],
    ["not found", { kind: "notFound" }],
    ["a channel that cannot be asked", { kind: "notSent", reason: "throttled", retryAt: 0 }],
  ] as [string, Words][])("of a final refund that meets %s leaves nothing to do behind", async (_, words) => {
    const bench = new Bench();
    bench.onQuery = () => words;
    const refund = await bench.refund();
    await bench.finish(bench.ledger.sync({ ...CALL, refund: refund.id }));
    await bench.pass(3 * DAY);
    expect(await bench.stored(refund.id)).toMatchObject({ state: "succeeded", dueAt: null });
    expect(bench.queries).toHaveLength(1);
  });

  it("E16: of a final refund books another end once a second question has confirmed it", async () => {
    const bench = new Bench();
    const refund = await bench.refund();
    bench.onQuery = () => NO;
    const answer = await bench.finish(bench.ledger.sync({ ...CALL, refund: refund.id }));
    expect("ok" in answer && JSON.parse(answer.ok.refund)).toMatchObject({ status: "failed" });
    expect(bench.queries).toHaveLength(2);
    expect(await bench.stored(refund.id)).toMatchObject({ state: "failed", dueAt: null });
  });

  it("ends what another amount of the channel's had called a person for, once the channel has mended it", async () => {
    const bench = new Bench();
    const refund = await bench.refund();
    const words: Words = { kind: "succeeded", transactionNo: "R1" };
    const sync = () => bench.finish(bench.ledger.sync({ ...CALL, refund: refund.id }));
    bench.onQuery = () => ({ ...words, amount: refund.amount + 1 });
    await sync();
    expect(await bench.stored(refund.id)).toMatchObject({ attention: "amount_mismatch" });
    await sync();
    expect(await bench.stored(refund.id)).toMatchObject({ attention: "amount_mismatch" });
    bench.onQuery = () => ({ ...words, amount: refund.amount });
    await sync();
    expect(await bench.stored(refund.id)).toMatchObject({ state: "succeeded", attention: null });
  });

  it("joins the question that is under way: of a hundred at once two ask", async () => {
    const bench = new Bench();
    bench.onSubmission = () => ({ kind: "accepted" });
    bench.onQuery = () => ({ kind: "accepted" });
    const refund = await bench.refund();
    await bench.finish(
      Promise.all(Array.from({ length: 100 }, () => bench.ledger.sync({ ...CALL, refund: refund.id }))),
    );
    expect(bench.queries.length).toBeLessThanOrEqual(2);
  });

  it("of every refund of a charge at once puts at most five questions at a time", async () => {
    const bench = new Bench();
    const refunds = [];
    for (let n = 0; n < 12; n++) refunds.push(await bench.refund({ amount: 100, description: `part ${n}` }));
    let most = 0;
    let open = 0;
    bench.onQuery = () => {
      open += 1;
      most = Math.max(most, open);
      bench.clock.after(bench.answersIn - 1, () => (open -= 1));
      return { kind: "succeeded", transactionNo: "R1" };
    };
    await bench.finish(Promise.all(refunds.map(({ id }) => bench.ledger.sync({ ...CALL, refund: id }))));
    expect(bench.queries).toHaveLength(12);
    expect(most).toBe(5);
  });
});

describe("a person's decision", () => {
  it("is the same one when it arrives again because its answer was lost", async () => {
    const { bench, refund } = await abnormal();
    const call = resolution(refund.id);
    expect("ok" in (await bench.finish(bench.ledger.resolve(call)))).toBe(true);
    const ended = await bench.stored(refund.id);
    bench.restart();
    const again = await bench.finish(bench.ledger.resolve(call));
    expect("ok" in again && JSON.parse(again.ok.refund)).toMatchObject({ status: "succeeded" });
    expect((await bench.stored(refund.id)).resolution).toEqual(ended.resolution);
  });

  it("is refused to whoever decides otherwise afterwards", async () => {
    const { bench, refund } = await abnormal();
    await bench.finish(bench.ledger.resolve(resolution(refund.id)));
    for (const other of [resolution(refund.id, "failed"), resolution(refund.id, "succeeded", "bob")]) {
      expect(await bench.finish(bench.ledger.resolve(other))).toMatchObject({
        refusal: { code: "illegal_transition" },
      });
    }
  });

  it("of ten people who decide at once holds for one", async () => {
    const { bench, refund } = await abnormal();
    const answers = await bench.finish(
      Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          bench.ledger.resolve(resolution(refund.id, n % 2 === 0 ? "succeeded" : "failed", `p${n}`)),
        ),
      ),
    );
    expect(answers.filter((answer) => "ok" in answer)).toHaveLength(1);
    const { state, resolution: decided } = await bench.stored(refund.id);
    expect(state).toBe(decided?.outcome);
  });

  it("is refused if somebody else has taken the refund in hand while the channel was asked", async () => {
    const { bench, refund } = await abnormal();
    bench.answersIn = 1000;
    const deciding = bench.ledger.resolve(resolution(refund.id, "failed", "ann"));
    await bench.clock.run(bench.clock.time + 500);
    await bench.finish(bench.ledger.claim({ ...CALL, refund: refund.id, by: "bob" }));
    expect(await bench.finish(deciding)).toMatchObject({ refusal: { code: "refund_claimed", by: "bob" } });
    expect(await bench.stored(refund.id)).toMatchObject({ state: "accepted", claim: { by: "bob" } });
  });

  it("ends the refund also while the clock has gone back", async () => {
    const { bench, refund } = await abnormal();
    bench.clock.jump(-60_000);
    const answer = await bench.finish(bench.ledger.resolve(resolution(refund.id, "failed")));
    expect("ok" in answer && JSON.parse(answer.ok.refund)).toMatchObject({ status: "failed" });
    expect(await bench.stored(refund.id)).toMatchObject({ state: "failed", resolution: { by: "ann" } });
  });

  it("is watched daily for 30 days and then left alone, also when somebody syncs meanwhile", async () => {
    const { bench, refund } = await abnormal();
    await bench.finish(bench.ledger.resolve(resolution(refund.id)));
    await bench.finish(bench.ledger.sync({ ...CALL, refund: refund.id }));
    await bench.pass(60 * DAY);
    expect(bench.queries.length).toBeGreaterThanOrEqual(30);
    expect(bench.queries.length).toBeLessThanOrEqual(33);
    const rested = await bench.stored(refund.id);
    expect(rested).toMatchObject({ state: "succeeded", dueAt: null });
    expect(bench.flushes.flatMap(({ refunds }) => refunds).at(-1)).toMatchObject({ dueAt: null });
    expect(bench.submissions).toHaveLength(1);
  });
});

describe("a refund in doubt whose keys were changed meanwhile, and that the newest do not find", () => {
  const REFUSED: Words = { kind: "notSent", reason: "configuration", retryAt: 0 };

  async function inDoubt(sender: Words) {
    const bench = new Bench();
    bench.onSubmission = () => UNKNOWN;
    bench.onQuery = () => (bench.queries.at(-1)?.revision === 1 ? sender : { kind: "notFound" });
    const refund = await bench.refund();
    bench.ports.account = async (_charge, pinned, newest) =>
      anAccount({ revision: newest || pinned === null ? 2 : pinned.revision });
    bench.restart();
    return { bench, refund };
  }

  it.each([
    ["say nothing", UNKNOWN],
    ["are throttled", { kind: "notSent", reason: "throttled", retryAt: 0 }],
  ] as [string, Words][])("is not given up while those it was sent with %s", async (_, sender) => {
    const { bench, refund } = await inDoubt(sender);
    await bench.pass(DAY);
    const answer = await bench.finish(bench.ledger.resolve(resolution(refund.id, "failed")));
    expect(answer).toMatchObject({ refusal: { code: "channel_unreachable" } });
    expect((await bench.stored(refund.id)).state).toBe("unknown");
  });

  it("is not given up while it may still land", async () => {
    const { bench, refund } = await inDoubt(REFUSED);
    const answer = await bench.finish(bench.ledger.resolve(resolution(refund.id, "failed")));
    expect(answer).toMatchObject({ refusal: { code: "channel_unreachable" } });
    await bench.pass(SETTLING_MS);
    await bench.finish(bench.ledger.resolve(resolution(refund.id, "failed")));
    expect(await bench.stored(refund.id)).toMatchObject({ state: "failed", resolution: { by: "ann" } });
  });

  it("is given up by a person once those it was sent with are refused, and watched", async () => {
    const { bench, refund } = await inDoubt(REFUSED);
    await bench.pass(DAY);
    await bench.finish(bench.ledger.resolve(resolution(refund.id, "succeeded")));
    expect((await bench.stored(refund.id)).state).toBe("unknown");
    await bench.finish(bench.ledger.resolve(resolution(refund.id, "failed")));
    const ended = await bench.stored(refund.id);
    expect(ended).toMatchObject({ state: "failed", resolution: { by: "ann" } });
    expect(ended.watchUntil).toBeGreaterThan(ended.dueAt ?? Number.POSITIVE_INFINITY);
    await bench.pass(60 * DAY);
    expect(await bench.stored(refund.id)).toMatchObject({ state: "failed", dueAt: null });
    expect(bench.submissions).toHaveLength(1);
  });
});

describe("a notice that seems older than what was heard last, because clocks differ", () => {
  it.each([
    ["succeeded", { kind: "succeeded", transactionNo: "R1" }, NO],
    ["failed", NO, { kind: "succeeded", transactionNo: "R1" }],
  ] as [string, Words, Words][])("is asked about where it opposes %s", async (state, first, then) => {
    const bench = new Bench();
    bench.onSubmission = () => first;
    const refund = await bench.refund();
    expect(refund.state).toBe(state);
    bench.onQuery = () => then;
    bench.clock.jump(-5000);
    const facts = { number: refund.id.slice(3), amount: 4000, currency: "cny", askedAt: bench.clock.now() };
    const verdict = { ...facts, ...then } as Verdict;
    await bench.finish(bench.ledger.apply({ ...CALL, refund: refund.id, verdict, source: "notice" }));
    await bench.pass(60_000);
    expect((await bench.stored(refund.id)).state).toBe(then.kind === "declined" ? "failed" : then.kind);
  });
});

describe("a refund taken over from D1 after its ledger was lost", () => {
  it("may have been sent whatever D1 knows: it is asked about, ended by a person and watched", async () => {
    const bench = new Bench();
    bench.onQuery = () => ABNORMAL;
    const waiting = aRefund("waiting");
    const hydration = { charge: bench.charge, refunds: [waiting], freeze: null, opened: true };
    await bench.ledger.poke({ ...CALL, hydration });
    await bench.finish(bench.ledger.sync({ ...CALL, refund: waiting.id }));
    expect(await bench.stored(waiting.id)).toMatchObject({ state: "accepted", attempts: 0 });
    const answer = await bench.finish(bench.ledger.resolve(resolution(waiting.id)));
    expect("ok" in answer && JSON.parse(answer.ok.refund)).toMatchObject({ status: "succeeded" });
    const { watchUntil, dueAt } = await bench.stored(waiting.id);
    expect(watchUntil).toBeGreaterThan(dueAt ?? Number.POSITIVE_INFINITY);
    expect(bench.submissions).toEqual([]);
  });
});

describe("before the first live submission", () => {
  it("a budget that never answers does not keep a refund from being sent", async () => {
    const bench = new Bench();
    bench.ports.mayCall = () => new Promise(() => {});
    expect(await bench.refund()).toMatchObject({ state: "succeeded" });
  });

  it("a budget without room is asked less and less often, and D1 is not written to all the while", async () => {
    const bench = new Bench();
    let room = false;
    bench.ports.mayCall = async () => room;
    const { id } = await bench.refund();
    await bench.pass(10_000);
    // Room is found soon by a refund that is young.
    expect(bench.flushes.length).toBeGreaterThanOrEqual(4);
    await bench.pass(3_600_000);
    expect(bench.flushes.length).toBeLessThanOrEqual(120);
    room = true;
    await bench.pass(60_000);
    expect(await bench.stored(id)).toMatchObject({ state: "succeeded" });
  });

  it("what the payment turned out to be is what is sent: a charge recorded without number is refunded by it", async () => {
    const bench = new Bench();
    bench.charge.transactionNo = null;
    await bench.refund();
    expect(bench.submissions.map(({ transactionNo }) => transactionNo)).toEqual(["T1"]);
  });

  it("a payment that was recorded otherwise meanwhile is confirmed anew", async () => {
    const bench = new Bench();
    bench.charge.transactionNo = null;
    const asked: (string | null)[] = [];
    const claimed: string[] = [];
    bench.ports.claimPayment = async (charge, _account, transactionNo) => {
      asked.push(charge.transactionNo);
      claimed.push(transactionNo);
      return true;
    };
    bench.onCheck = async (): Promise<PaymentCheck> => {
      await bench.clock.sleep(2000);
      return { kind: "paid", transactionNo: "T1" };
    };
    bench.clock.after(
      1000,
      () => void bench.ledger.record({ ...CALL, change: { transactionNo: "T1" }, correct: true }),
    );
    const { id } = await bench.refund();
    expect(bench.submissions).toEqual([]);
    await bench.pass(60_000);
    expect(await bench.stored(id)).toMatchObject({ state: "succeeded" });
    expect(asked).toEqual([null, "T1"]);
    expect(claimed).toEqual(["T1", "T1"]);
  });

  it("a refund that cannot be sent for a week is shown to a person", async () => {
    const bench = new Bench();
    bench.onCheck = async () => ({ kind: "unknown" });
    const { id } = await bench.refund();
    expect(await bench.stored(id)).toMatchObject({ state: "waiting", attention: null });
    await bench.pass(100);
    bench.disk.exec("UPDATE refunds SET doc = json_set(doc, '$.created', ?) WHERE seq = 1", [
      (bench.clock.now() - 8 * DAY) / 1000,
    ]);
    bench.restart();
    await bench.pass(60_000);
    expect(await bench.stored(id)).toMatchObject({ state: "waiting", attention: "overdue" });
    expect(bench.submissions).toEqual([]);
  });

  it("an instance that was replaced during the check sends nothing", async () => {
    const bench = new Bench();
    let answer: (check: PaymentCheck) => void = () => {};
    bench.onCheck = () => new Promise((resolve) => (answer = resolve));
    let gone = false;
    const { storage } = bench.ports;
    bench.ports.storage = {
      ...storage,
      transactionSync: (work) => {
        if (gone) throw new Error("storage is closed");
        return storage.transactionSync(work);
      },
    };
    bench.restart();
    const { id } = await bench.refund({ waitMs: 0 });
    gone = true;
    answer({ kind: "paid", transactionNo: "T1" });
    await bench.clock.run(bench.clock.time + 1000);
    expect(bench.submissions).toEqual([]);
    gone = false;
    bench.restart();
    bench.onQuery = () => ({ kind: "notFound" });
    bench.onCheck = async () => ({ kind: "mismatch", fact: "amount" });
    await bench.pass(DAY);
    expect(await bench.stored(id)).toMatchObject({ state: "failed", channelCode: "payment_mismatch" });
    expect(bench.submissions).toEqual([]);
  });
});

describe("what was stored before there were claims, disputes and payment checks", () => {
  it("a live refund in doubt goes on; its payment is confirmed before its number is sent again", async () => {
    const bench = new Bench();
    bench.onSubmission = () => UNKNOWN;
    const { id } = await bench.refund();
    bench.disk.exec(
      "UPDATE refunds SET doc = json_remove(doc, '$.verified', '$.verifies', '$.charge.disputes')",
      [],
    );
    bench.restart();
    bench.onQuery = () => ({ kind: "notFound" });
    bench.onSubmission = () => ({ kind: "succeeded", transactionNo: "R1" });
    const claims: string[] = [];
    bench.ports.claimPayment = async (_charge, _account, transactionNo) => {
      claims.push(transactionNo);
      return true;
    };
    await bench.pass(DAY);
    expect(await bench.stored(id)).toMatchObject({ state: "succeeded" });
    expect(claims).toEqual(["T1"]);
    const told = await bench.ledger.dispute({ ...CALL, id: "dp_1", status: "opened", amount: 7000 });
    expect(told).toMatchObject({ ok: { dispute: { status: "opened" }, refundable: 0 } });
  });
});
