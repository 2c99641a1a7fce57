// The merchant: payments to refund, and requests for refunds. Some ask for too much, some come twice at once under one
// refund_no, and whoever gets no answer asks again with the same id.
import { createHash } from "node:crypto";
import type { ChannelAccount } from "../../src/channels/channel.ts";
import type { Charge } from "../../src/charges/charge.ts";
import { CALL, type CreateAnswer, type CreateCommand } from "../../src/charges/ledger-calls.ts";
import { findHydration, insertCharge } from "../../src/charges/repository.ts";
import { derivedId, mintId } from "../../src/ids.ts";
import type { Dice } from "../emulators/dice.ts";
import { Gone, type World } from "./world.ts";

const PATIENCE_MS = 30_000;

export class Merchant {
  readonly #world: World;
  readonly #dice: Dice;
  readonly charges: Charge[] = [];
  /** What we answered for: id, charge and amount. */
  readonly told = new Map<string, { charge: string; amount: number }>();
  /** Requests under way, or yet to come. */
  busy = 0;
  refused = 0;
  repeated = 0;
  /** The account that commands carry. */
  account: ChannelAccount | null = null;

  constructor(world: World) {
    this.#world = world;
    this.#dice = world.dice.fork();
  }

  /** A payment, at the channel and on record here. */
  async charge(serial: number): Promise<Charge> {
    const { clock, counterpart, app, db } = this.#world;
    const dice = this.#dice;
    const created = Math.floor(clock.now() / 1000) - 86_400;
    const amount = dice.between(2_000, 50_000);
    const charge: Charge = {
      id: mintId("charge", (count) => dice.bytes(count)),
      app,
      livemode: true,
      created,
      paid: true,
      reversed: false,
      channel: counterpart.channel,
      orderNo: `order${serial}`,
      clientIp: null,
      amount,
      amountSettle: amount,
      currency: counterpart.currency,
      subject: "茶",
      body: "茶",
      extra: {},
      timePaid: created,
      timeExpire: null,
      timeSettle: null,
      transactionNo: counterpart.transactionNo(serial),
      refundedElsewhere: 0,
      disputed: 0,
      metadata: {},
      description: null,
      version: 1,
    };
    const { transactionNo, orderNo, currency } = charge;
    counterpart.books.payments.push({
      transactionNo: transactionNo ?? "",
      orderNo,
      amount,
      currency,
      paid: true,
    });
    await insertCharge(db, charge, "channels");
    this.charges.push(charge);
    return charge;
  }

  /** Asks for refunds of a charge at odd times until then, many of them in a rush. Times in ms from now. */
  visit(
    charge: Charge,
    requests: number,
    when: { until: number; rush: { from: number; until: number } },
  ): void {
    for (let request = 0; request < requests; request++) {
      // Dice of its own: what is asked for follows from the seed, however the run goes.
      const dice = this.#dice.fork();
      const { from, until } = dice.chance(0.4) ? when.rush : { from: 0, until: when.until };
      // Now and then all that is left, or more than there can be.
      const amount = dice.chance(0.04)
        ? null
        : dice.chance(0.06)
          ? charge.amount + 1
          : dice.between(1, Math.ceil(charge.amount * 0.3));
      this.busy += 1;
      this.#world.clock.after(dice.between(from, until), () => {
        this.busy -= 1;
        this.ask(charge, amount, dice);
      });
    }
  }

  /** Asks for one refund; `amount` null: for all that is left. */
  ask(charge: Charge, amount: number | null, dice: Dice): void {
    this.busy += 1;
    void this.#refund(charge, amount, dice).finally(() => {
      this.busy -= 1;
    });
  }

  async #refund(charge: Charge, amount: number | null, dice: Dice): Promise<void> {
    const refundNo = dice.chance(0.3) ? `no${dice.between(1, 1e9)}` : null;
    const command = this.#command(charge, amount, refundNo, dice);
    if (refundNo === null || dice.chance(0.5)) return await this.#ask(charge, command, dice);
    this.repeated += 1;
    const again = { ...command, request: mintId("request", (count) => dice.bytes(count)) };
    await Promise.all([this.#ask(charge, command, dice), this.#ask(charge, again, dice)]);
  }

  /** Until there is an answer, or patience ends. */
  async #ask(charge: Charge, command: CreateCommand, dice: Dice): Promise<void> {
    const { clock } = this.#world;
    for (let attempt = 0; attempt < 4; attempt++) {
      try {
        const late = clock.sleep(PATIENCE_MS).then((): CreateAnswer => {
          throw new Gone("no answer");
        });
        this.#hear(charge, command, await Promise.race([this.#create(charge, command), late]));
        return;
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
        await clock.sleep(dice.between(100, 10_000));
      }
    }
  }

  async #create(charge: Charge, command: CreateCommand): Promise<CreateAnswer> {
    const create = async (hydrated: boolean) => {
      const { app, livemode, id } = charge;
      const found = hydrated
        ? await findHydration(this.#world.db, app, livemode, id).catch(() => null)
        : null;
      if (hydrated && found === null) throw new Gone("D1 did not answer");
      return await this.#world.call(charge, (ledger) =>
        ledger.create({ ...CALL, command, hydration: found ?? undefined }),
      );
    };
    const answer = await create(false);
    return "unhydrated" in answer ? await create(true) : answer;
  }

  #hear(charge: Charge, command: CreateCommand, answer: CreateAnswer): void {
    if ("unhydrated" in answer) throw new Gone("unhydrated");
    if ("refusal" in answer) {
      this.refused += 1;
      const { code } = answer.refusal;
      const isFair = ["refund_amount_exceeded", "fully_refunded", "too_many_refunds"].includes(code);
      if (!isFair) this.#world.violation(`a refund of ${charge.id} was refused: ${code}`);
      return;
    }
    const { id, amount } = JSON.parse(answer.ok.refund) as { id: string; amount: number };
    if (id !== command.refund) this.#world.violation(`I10: ${command.refund} was answered with ${id}`);
    if (command.amount !== null && amount !== command.amount) {
      this.#world.violation(`I4: asked for ${command.amount}, was told ${amount}`);
    }
    this.told.set(id, { charge: charge.id, amount });
  }

  #command(charge: Charge, amount: number | null, refundNo: string | null, dice: Dice): CreateCommand {
    const { clock } = this.#world;
    const { app, livemode, channel } = charge;
    const random = (count: number) => dice.bytes(count);
    const facts = `${charge.id} ${refundNo} ${amount}`;
    return {
      app,
      livemode,
      charge: charge.id,
      refund:
        refundNo === null
          ? mintId("refund", random)
          : derivedId("refund", createHash("sha256").update(facts).digest()),
      amount,
      description: dice.pick([
        "退货",
        "a late parcel",
        "尺码不合适，换一件更大的；谢谢。".repeat(8),
        "👨‍👩‍👧‍👦".repeat(20),
      ]),
      metadata: {},
      fundingSource: null,
      extra: {},
      refundNo,
      idempotencyKey: null,
      fingerprint: refundNo === null ? null : facts,
      repeats: null,
      waitMs: dice.pick([0, 2_000, 8_000]),
      language: "zh",
      apiKey: "key_1",
      request: mintId("request", random),
      requestedAt: clock.now(),
      accounts: this.account === null ? {} : { [channel]: this.account },
      rules: {
        windows: {},
        refundsMax: 50,
        refundAttemptsMax: 200,
        duplicateWindowMs: 15_000,
        verifyPayments: true,
      },
    };
  }
}
