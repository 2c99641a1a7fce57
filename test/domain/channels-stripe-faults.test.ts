// Stripe's connector under the ledger's own rules, with everything going wrong by seeded dice: however often it is
// asked, and however long nobody asks, each refund moves its money once or never, and the books say which.
import { afterEach, describe, expect, it } from "vitest";
import type { Channel } from "../../src/channels/channel.ts";
import { orderOf } from "../../src/refunds/drive-refund.ts";
import { isFinal, type Refund } from "../../src/refunds/refund.ts";
import { submission } from "../../src/refunds/reserve-refund.ts";
import { settleRefund } from "../../src/refunds/settle-refund.ts";
import { Dice } from "../emulators/dice.ts";
import { type StripeEmulator, startStripeEmulator } from "../emulators/stripe.ts";
import { account, aNumber, connectorFor, HOUR, never } from "./channels-stripe-fixture.ts";
import { aCharge, aRefund } from "./refund-fixture.ts";

const STEPS_MAX = 200;

let emulator: StripeEmulator;
afterEach(() => emulator.close());

/** Runs one refund to its end on a clock of its own, with outages of up to two days between any two steps. */
async function drive(channel: Channel, dice: Dice, transactionNo: string): Promise<Refund> {
  const charge = aCharge({ channel: "stripe", currency: "usd", livemode: true, transactionNo });
  let now = Date.now();
  let refund = aRefund("waiting", { id: `re_${aNumber()}`, created: Math.floor(now / 1000), dueAt: now });
  const { settlingMs } = channel.facts({ channel: "stripe", description: "" });
  for (let step = 0; step < STEPS_MAX && !isFinal(refund); step++) {
    now = Math.max(now, refund.dueAt ?? now) + (dice.chance(0.1) ? dice.between(1, 48) * HOUR : 0);
    const asked = refund.clearToSubmit ? "submit" : "query";
    if (asked === "submit") refund = { ...refund, ...submission(refund, now) };
    // Between the claim and the question, too, the world may stand still.
    if (dice.chance(0.05)) now += dice.between(1, 48) * HOUR;
    if (now - (refund.firstSubmittedAt ?? now) >= 24 * HOUR) emulator.expireKeys(refund.id);
    const order = orderOf(refund, charge);
    const verdict = await channel[asked === "submit" ? "refund" : "query"](order, account, now, never());
    const at = { asked, now, channel: "stripe", currency: "usd", fits: true, settlingMs } as const;
    refund = settleRefund(refund, verdict, at)?.refund ?? refund;
  }
  return refund;
}

describe.each([1, 2, 3])("of 60 refunds with faults, outages and expired keys (seed %i)", (seed) => {
  it("each ends as Stripe's books say, and none is paid twice", async () => {
    emulator = await startStripeEmulator({
      seed,
      faults: {
        dropBefore: 0.15,
        dropAfter: 0.15,
        errorBefore: 0.1,
        errorAfter: 0.15,
        throttle: 0.1,
        fails: 0.1,
      },
    });
    const channel = connectorFor(emulator);
    const dice = new Dice(seed);
    const endings = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const transactionNo = `${i % 2 ? "pi" : "ch"}_3Fault${i}`;
      emulator.pay({ transactionNo, orderNo: transactionNo, amount: 10_000, currency: "usd" });
      const refund = await drive(channel, dice, transactionNo);
      const book = emulator.books.numbers.get(refund.id.slice(3));
      expect(isFinal(refund), `${refund.id} ended`).toBe(true);
      expect(book?.effects ?? 0).toBeLessThanOrEqual(1);
      expect(refund.state === "succeeded").toBe(emulator.books.moved(transactionNo) === 4000);
      endings.add(`${refund.state} ${refund.channelCode}`);
    }
    expect(emulator.books.violations).toEqual([]);
    // The dice reached every way to end.
    expect([...endings].sort()).toEqual(["failed declined", "failed refund_not_found", "succeeded null"]);
  });
});
