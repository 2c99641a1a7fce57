// People may say what they like of a refund, as often as D1 can be told.
import { describe, expect, it } from "vitest";
import { CALL } from "../../src/charges/ledger-calls.ts";
import { Bench } from "./ledger-bench.ts";

describe("a refund that is updated over and over while D1 is away", () => {
  it("takes a few hundred changes, refuses more for the time being, and goes on once D1 has heard", async () => {
    const bench = new Bench();
    const { flush } = bench.ports;
    bench.ports.flush = () => Promise.reject(new Error("D1_ERROR"));
    const refund = await bench.refund({ amount: 100 });
    const decider = { apiKey: "key_clerkclerkclerkclerkcler", by: null };
    const update = (i: number) =>
      bench.finish(bench.ledger.update({ ...CALL, refund: refund.id, description: `Change ${i}`, decider }));
    let taken = 0;
    for (let i = 0; i < 1000; i++) {
      const answer = await update(i);
      if ("ok" in answer) taken++;
      else expect(answer).toMatchObject({ refusal: { code: "too_many_changes" } });
    }
    expect(taken).toBeGreaterThan(100);
    const { timeline = [] } = await bench.stored(refund.id);
    expect(timeline.length).toBeLessThan(400);
    expect(JSON.stringify(timeline).length).toBeLessThan(100_000);
    // The channel still has its say.
    bench.ports.flush = flush;
    await bench.pass(3_600_000);
    expect(await update(1001)).toHaveProperty("ok");
  });
});
