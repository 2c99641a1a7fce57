// A ledger on a disk of its own, with a clock that only moves when told and a channel that says what a test wants.
import type { Channel, PaymentCheck, RefundOrder, Verdict } from "../../src/channels/channel.ts";
import { Ledger } from "../../src/charges/ledger.ts";
import { CALL, type CreateCommand } from "../../src/charges/ledger-calls.ts";
import type { FlushBatch, LedgerPorts } from "../../src/charges/ledger-ports.ts";
import { mintId } from "../../src/ids.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import { Dice } from "../emulators/dice.ts";
import { Disk, openStorage } from "../simulation/storage.ts";
import { VirtualClock } from "../simulation/virtual-clock.ts";
import { aCharge, aCommand, anAccount, NOW, SETTLING_MS } from "./refund-fixture.ts";

/** What the channel says: the part of a verdict that the question does not give. */
export type Words = Verdict extends infer V
  ? V extends Verdict
    ? Omit<V, "number" | "amount" | "currency" | "askedAt">
    : never
  : never;

export const ABNORMAL: Words = { kind: "accepted", attention: "channel_abnormal" };

export class Bench {
  readonly clock = new VirtualClock(NOW, new Dice(1));
  readonly charge = aCharge({ livemode: true });
  readonly disk = new Disk("bench");
  readonly alerts: string[] = [];
  readonly flushes: FlushBatch[] = [];
  readonly submissions: RefundOrder[] = [];
  readonly queries: { order: RefundOrder; revision: number }[] = [];
  /** How long each question takes, ms. */
  answersIn = 10;
  onSubmission: () => Words = () => ({ kind: "succeeded", transactionNo: "R1" });
  onQuery: () => Words = () => ({ kind: "succeeded", transactionNo: "R1" });
  onCheck: () => Promise<PaymentCheck> = async () => ({ kind: "paid", transactionNo: "T1" });
  ports: LedgerPorts;
  ledger: Ledger;
  readonly #dice = new Dice(2);
  /** The versions D1 has, by refund. */
  readonly #projected = new Map<string, number>();

  constructor() {
    const channel: Channel = {
      facts: () => ({ fullRefundOnly: false, windowSeconds: 1e9, spacingMs: 0, settlingMs: SETTLING_MS }),
      refund: async (order, _account, now) => {
        this.submissions.push(order);
        return await this.#say(this.onSubmission(), order, now);
      },
      query: async (order, account, now) => {
        this.queries.push({ order, revision: account?.revision ?? 0 });
        return await this.#say(this.onQuery(), order, now);
      },
      verifyPayment: () => this.onCheck(),
    };
    this.ports = {
      storage: openStorage(this.disk, {
        check: () => {},
        beforeCommit: () => {},
        afterCommit: () => {},
        alarmSet: () => {},
        violation: (words) => {
          throw new Error(words);
        },
      }),
      now: () => this.clock.now(),
      random: (count) => this.#dice.bytes(count),
      sleep: (ms) => this.clock.sleep(ms),
      channel: () => channel,
      account: async () => anAccount(),
      claimPayment: async () => true,
      mayCall: async () => true,
      flush: async (batch) => {
        this.flushes.push(batch);
        for (const { id, version } of batch.refunds) this.#projected.set(id, version);
        const versions = [...this.#projected.values()].reduce((sum, version) => sum + version, 0);
        return { version: 0, versions };
      },
      projection: async () => null,
      alert: (kind) => this.alerts.push(kind),
    };
    this.ledger = new Ledger(this.ports);
  }

  /** Another instance on the same disk. */
  restart(): void {
    this.ledger = new Ledger(this.ports);
  }

  /** Time passes; the alarm fires when it is due. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.time + ms;
    const isDue = (alarmAt: number) => alarmAt - this.clock.now() + this.clock.time <= until;
    while (this.disk.alarmAt !== null && isDue(this.disk.alarmAt)) {
      const at = Math.max(this.disk.alarmAt - this.clock.now() + this.clock.time, this.clock.time);
      await this.clock.run(at);
      this.disk.alarmAt = null;
      await this.finish(this.ledger.alarm());
    }
    await this.clock.run(until);
  }

  /** Lets time pass until the work is done. */
  async finish<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const end = () => {
      done = true;
    };
    work.then(end, end);
    await this.clock.run(this.clock.time + 120_000, () => done);
    if (!done) throw new Error("the work never ends");
    return await work;
  }

  /** A live refund, as it stands once its request was answered. */
  async refund(changes: Partial<CreateCommand> = {}): Promise<Refund> {
    return await this.stored(await this.finish(this.begin(changes)));
  }

  /** Asks for a live refund; gives its id once the request is answered. */
  async begin(changes: Partial<CreateCommand> = {}): Promise<string> {
    const { charge } = this;
    const command = aCommand({
      livemode: true,
      refund: mintId("refund", (count) => this.#dice.bytes(count)),
      request: mintId("request", (count) => this.#dice.bytes(count)),
      amount: 4000,
      waitMs: 60_000,
      accounts: { [charge.channel]: anAccount() },
      ...changes,
    });
    const hydration = { charge, refunds: [], freeze: null, opened: false };
    const answer = await this.ledger.create({ ...CALL, command, hydration });
    if (!("ok" in answer)) throw new Error(JSON.stringify(answer));
    return command.refund;
  }

  async stored(id: string): Promise<Refund> {
    const answer = await this.ledger.export();
    const refund = "ok" in answer ? answer.ok.refunds.find((each) => each.id === id) : undefined;
    if (refund === undefined) throw new Error(`no refund ${id}`);
    return refund;
  }

  async #say(words: Words, order: RefundOrder, now: number): Promise<Verdict> {
    await this.clock.sleep(this.answersIn);
    const facts = { number: order.number, amount: order.amount, currency: order.currency, askedAt: now };
    return { ...facts, ...words } as Verdict;
  }
}
