// What a Worker concludes when a ledger does not answer as it should: what it may say depends on it.
import { afterEach, describe, expect, it, vi } from "vitest";
import { callLedger } from "../../src/charges/ledger-client.ts";
import type { Env } from "../../src/env.ts";

const reference = { app: "app_1", livemode: true, charge: "ch_1" };
/** Together with the 15 s that all tries have. */
const PATIENCE_MS = -14_980;

/** A ledger that does one thing after the other. */
function ledgers(...tries: (() => Promise<string>)[]) {
  let made = 0;
  const env = { LEDGERS: { getByName: () => ({}) } } as unknown as Pick<Env, "LEDGERS">;
  const call = () => {
    made += 1;
    return (tries[made - 1] ?? (() => Promise.reject(new Error("one try too many"))))();
  };
  return { made: () => made, ask: (patienceMs = 0) => callLedger(env, reference, null, patienceMs, call) };
}

const breaks = () => Promise.reject(new Error("Network connection lost."));
const overloaded = () => Promise.reject(Object.assign(new Error("overloaded"), { overloaded: true }));
const answers = async () => "yes";

afterEach(() => void vi.restoreAllMocks());

describe("a call of a ledger", () => {
  it("that takes too long is followed by no other, also when the clock goes back: it may still arrive", async () => {
    const { made, ask } = ledgers(() => new Promise(() => {}), answers);
    const { now } = Date;
    // What is left is computed before it goes back.
    let looks = 0;
    vi.spyOn(Date, "now").mockImplementation(() => now() - (looks++ < 2 ? 0 : 60_000));
    expect(await ask(PATIENCE_MS)).toEqual({ failed: "unknown" });
    expect(made()).toBe(1);
  });

  it.each([
    ["answered at once", [answers], { answer: "yes", inDoubt: false }],
    ["answered after being turned away", [overloaded, answers], { answer: "yes", inDoubt: false }],
    ["answered after a connection that broke", [breaks, answers], { answer: "yes", inDoubt: true }],
    ["turned away each time", [overloaded, overloaded, overloaded], { failed: "overloaded" }],
    ["turned away after a connection that broke", [breaks, overloaded, overloaded], { failed: "unknown" }],
  ])("%s says what may have happened before", async (_, tries, outcome) => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    expect(await ledgers(...tries).ask()).toEqual(outcome);
  });
});
