// One app, one channel, its ledgers and D1, around the real connector and the real receiver of notices. Ledgers live on
// their disks; their instances are replaced in mid-flight now and then. A killed one never gets another turn, but what
// it had sent arrives; a zombie goes on, can still reach the channel, and finds its storage closed.

import type { Channel, ChannelAccount, ChannelFacts } from "../../src/channels/channel.ts";
import { connectorPorts, credentialsContext } from "../../src/channels/connector-ports.ts";
import { notifyUrl } from "../../src/channels/notify-url.ts";
import { addAccount, addRevision, claimChannelPayment, findAccount } from "../../src/channels/repository.ts";
import { type Charge, ledgerName } from "../../src/charges/charge.ts";
import { flushToD1 } from "../../src/charges/flush.ts";
import { Ledger } from "../../src/charges/ledger.ts";
import type { ApplyCall } from "../../src/charges/ledger-calls.ts";
import type { FlushReceipt, LedgerPorts } from "../../src/charges/ledger-ports.ts";
import { findHydration } from "../../src/charges/repository.ts";
import { database } from "../../src/db/client.ts";
import type { Env } from "../../src/env.ts";
import { mintId } from "../../src/ids.ts";
import { seal } from "../../src/sealing/sealing.ts";
import type { Dice } from "../emulators/dice.ts";
import { SimulatedD1 } from "../simulation/d1.ts";
import { Disk, openStorage } from "../simulation/storage.ts";
import type { ChannelClock } from "./clock.ts";
import type { Counterpart } from "./counterparts.ts";
import { Network } from "./network.ts";
import { Watch } from "./watch.ts";

export const START = Date.UTC(2027, 0, 15);

export interface MachineFaults {
  /** The machine dies just before or just after a commit. */
  crashBeforeCommit: number;
  crashAfterCommit: number;
  /** How often a gone instance lives on as a zombie. */
  zombie: number;
  alarmLate: number;
  /** An account has no budget left for a call. */
  noBudget: number;
}

export const CALM: MachineFaults = {
  crashBeforeCommit: 0,
  crashAfterCommit: 0,
  zombie: 0,
  alarmLate: 0,
  noBudget: 0,
};

/** The connection to the instance broke: the call may have been carried out. */
export class Gone extends Error {}

interface Instance {
  disk: Disk;
  ledger: Ledger;
  gone: "killed" | "zombie" | null;
  leave: () => void;
  left: Promise<never>;
}

const ALARM_HANGS_MS = 180_000;
const ALARM_RETRY_MS = 2_000;

export class World {
  readonly clock: ChannelClock;
  readonly dice: Dice;
  readonly d1: SimulatedD1;
  readonly counterpart: Counterpart;
  readonly network: Network;
  readonly watch: Watch;
  readonly env: Env;
  readonly app: string;
  readonly disks = new Map<string, Disk>();
  readonly alerts = new Map<string, number>();
  readonly violations: string[] = [];
  readonly counts = { crashes: 0, zombies: 0, alarms: 0 };
  faults: MachineFaults = CALM;
  readonly #binding: D1Database;
  readonly #instances = new Map<string, Instance>();

  constructor(clock: ChannelClock, dice: Dice, counterpart: Counterpart, publicUrl: string) {
    this.clock = clock;
    this.dice = dice;
    this.counterpart = counterpart;
    this.d1 = new SimulatedD1(clock, dice.fork());
    this.#binding = this.d1.binding;
    this.network = new Network(clock, dice.fork(), counterpart.requests);
    this.network.onKey = (key) => clock.after(86_400_000, () => counterpart.forgetKey?.(key));
    this.#showLate();
    this.watch = new Watch(this);
    this.app = mintId("app", (count) => dice.bytes(count));
    this.env = {
      // For what is done within a notice: real work that waits for D1 and for ledgers.
      DB: this.d1.bindingOf((call) => clock.waiting(call)),
      LEDGERS: { getByName: (name: string) => this.#stub(name) },
      MASTER_KEYS: JSON.stringify({ run: Buffer.alloc(32, 7).toString("base64") }),
      LOCAL_DEV: "true",
      PUBLIC_URL: publicUrl,
      [counterpart.urlVariable]: counterpart.url,
    } as unknown as Env;
  }

  /** D1 as the ledgers have it. */
  get db() {
    return database({ DB: this.#binding }, this.app, true);
  }

  violation(words: string): void {
    if (!this.violations.includes(words)) this.violations.push(words);
  }

  disk(charge: Pick<Charge, "id">): Disk {
    return this.#disk(ledgerName(this.app, true, charge.id));
  }

  /** Calls a ledger; throws `Gone` if its instance dies meanwhile. */
  async call<T>(charge: Pick<Charge, "id">, work: (ledger: Ledger) => Promise<T>): Promise<T> {
    const instance = this.#instance(ledgerName(this.app, true, charge.id));
    const answer = await Promise.race([work(instance.ledger), instance.left]);
    if (instance.gone !== null) throw new Gone("reset");
    return answer;
  }

  /** One machine dies. */
  kill(name: string): void {
    const instance = this.#instances.get(name);
    if (instance !== undefined) this.#leave(instance);
  }

  /** Puts an account on record, or a new revision in the place of the one before. */
  async account(before: ChannelAccount | null, credentials: unknown): Promise<ChannelAccount> {
    const bare = {
      app: this.app,
      livemode: true,
      channel: this.counterpart.channel,
      // Connectors keep keys by account for as long as the process lives: no run may find those of another.
      id: before?.id ?? mintId("channelAccount", (count) => crypto.getRandomValues(new Uint8Array(count))),
      revision: (before?.revision ?? 0) + 1,
    };
    const sealed = await seal(this.env.MASTER_KEYS, credentialsContext(bare), JSON.stringify(credentials));
    const facts = await this.connector(null).readCredentials?.(credentials);
    const account = { ...bare, merchant: facts?.merchant ?? "", credentials: sealed };
    const created = Math.floor(this.clock.now() / 1000);
    const row = {
      ...account,
      noticeKeys: facts?.noticeKeys ?? [],
      description: null,
      created,
      retiredAt: null,
    };
    const db = database(this.env, this.app, true);
    if (before === null) await addAccount(db, row);
    else {
      const old = { ...row, ...before, noticeKeys: [] };
      if (!(await addRevision(db, old, row))) throw new Error("the account was not rotated");
    }
    return account;
  }

  /** The address of the whole account, for channels that take only one. */
  accountUrl(): Promise<string> {
    const account = { channel: this.counterpart.channel, app: this.app, livemode: true };
    return notifyUrl(this.env.MASTER_KEYS, this.env.PUBLIC_URL ?? "", account, null);
  }

  /** What the channel asks of its callers, by its connector. */
  get facts(): ChannelFacts {
    const { connect, url, channel } = this.counterpart;
    return connect(connectorPorts(this.env, url)).facts({ channel, description: "" });
  }

  /** The connector as an instance has it. */
  connector(instance: Instance | null): Channel {
    const ports = connectorPorts(this.env, this.counterpart.url);
    const channel = this.counterpart.connect({
      ...ports,
      fetch: (url, init) =>
        instance?.gone === "killed" ? new Promise(() => {}) : this.network.fetch(url, init),
    });
    return this.watch.asked(channel);
  }

  /** A submission that comes late is not hidden on top: the two together are more than settling times allow for. */
  #showLate(): void {
    const { books } = this.counterpart;
    const submit = books.submit.bind(books);
    books.submit = (number, ...booking) => {
      const booked = submit(number, ...booking);
      const isLate = this.network.isLate(number);
      if (typeof booked === "object" && isLate) booked.refund.visibleAt = booked.refund.submittedAt;
      return booked;
    };
  }

  #stub(name: string) {
    const charge = { id: name.split("/")[2] ?? "" };
    const apply = (call: ApplyCall) => this.call(charge, (ledger) => ledger.apply(call));
    return { apply: (call: ApplyCall) => this.clock.waiting(() => apply(call)) };
  }

  #disk(name: string): Disk {
    let disk = this.disks.get(name);
    if (disk === undefined) {
      disk = new Disk(name);
      this.disks.set(name, disk);
    }
    return disk;
  }

  #leave(instance: Instance): void {
    if (instance.gone !== null) return;
    instance.gone = this.dice.chance(this.faults.zombie) ? "zombie" : "killed";
    this.counts[instance.gone === "zombie" ? "zombies" : "crashes"] += 1;
    this.#instances.delete(instance.disk.name);
    instance.leave();
  }

  #instance(name: string): Instance {
    const living = this.#instances.get(name);
    if (living !== undefined) return living;
    const { promise: left, reject } = Promise.withResolvers<never>();
    left.catch(() => {});
    const instance: Instance = {
      disk: this.#disk(name),
      ledger: undefined as unknown as Ledger,
      gone: null,
      leave: () => reject(new Gone("reset")),
      left,
    };
    instance.ledger = new Ledger(this.#ports(instance));
    this.#instances.set(name, instance);
    return instance;
  }

  #ports(instance: Instance): LedgerPorts {
    const { clock, dice, db } = this;
    const alive = <T>(work: () => Promise<T>) => unlessKilled(instance, work);
    /** Real work: time stands still for it. */
    const real = <T>(work: () => Promise<T>) =>
      alive(() => clock.busy(() => Promise.race([work(), instance.left])));
    const connector = this.connector(instance);
    const channel: Channel = {
      ...connector,
      refund: (...question) => real(() => connector.refund(...question)),
      query: (...question) => real(() => connector.query(...question)),
      verifyPayment: (...question) =>
        real(async () => (await connector.verifyPayment?.(...question)) ?? { kind: "unknown" as const }),
    };
    return {
      storage: openStorage(instance.disk, {
        check: () => {
          if (instance.gone !== null) throw new Gone("storage is closed");
        },
        beforeCommit: () => {
          if (!dice.chance(this.faults.crashBeforeCommit)) return;
          this.#leave(instance);
          throw new Gone("crashed before the commit");
        },
        afterCommit: () => {
          this.watch.committed(instance.disk);
          if (dice.chance(this.faults.crashAfterCommit)) this.#leave(instance);
        },
        alarmSet: () => this.#schedule(instance.disk),
        violation: (words) => this.violation(words),
      }),
      now: () => clock.now(),
      random: (count) => dice.bytes(count),
      sleep: (ms) => alive(() => clock.sleep(ms)),
      channel: () => channel,
      account: (charge, pinned, newest) => alive(() => findAccount(db, charge, pinned, newest)),
      claimPayment: (charge, { merchant }, transactionNo) =>
        alive(() => claimChannelPayment(db, this.counterpart.name, merchant, transactionNo, charge)),
      mayCall: async () => !dice.chance(this.faults.noBudget),
      flush: (batch) => alive(async () => (await flushToD1(db, [batch])).receipts[0] as FlushReceipt),
      projection: ({ app, livemode, id }) => alive(() => findHydration(db, app, livemode, id)),
      alert: (kind) => this.alerts.set(kind, (this.alerts.get(kind) ?? 0) + 1),
    };
  }

  #schedule(disk: Disk): void {
    const { alarmAt } = disk;
    if (alarmAt === null) return;
    const late = this.dice.chance(this.faults.alarmLate) ? this.dice.between(1, 40_000) : 0;
    this.clock.after(Math.max(0, alarmAt - this.clock.now()) + late, () => {
      // Another alarm has replaced this one, or it waits until the running one is done.
      if (disk.alarmAt !== alarmAt || disk.alarmRunning) return;
      disk.alarmAt = null;
      void this.#fire(disk);
    });
  }

  async #fire(disk: Disk): Promise<void> {
    disk.alarmRunning = true;
    this.counts.alarms += 1;
    const instance = this.#instance(disk.name);
    try {
      const hangs = this.clock.sleep(ALARM_HANGS_MS).then(() => "hangs" as const);
      const outcome = await Promise.race([instance.ledger.alarm(), instance.left, hangs]);
      if (outcome === "hangs") this.violation(`I8: the alarm of ${disk.name} hangs`);
    } catch (error) {
      if (instance.gone === null) this.violation(`I8: the alarm of ${disk.name} threw ${String(error)}`);
    }
    disk.alarmRunning = false;
    // The platform repeats an alarm whose machine died, unless the handler had set another one.
    if (disk.alarmAt === null && instance.gone !== null) disk.alarmAt = this.clock.now() + ALARM_RETRY_MS;
    if (disk.alarmAt !== null) this.#schedule(disk);
  }
}

/** A killed instance begins nothing and never hears of what it had begun. */
function unlessKilled<T>(instance: Instance, work: () => Promise<T>): Promise<T> {
  if (instance.gone === "killed") return new Promise(() => {});
  return new Promise((resolve, reject) => {
    work().then(
      (value) => {
        if (instance.gone !== "killed") resolve(value);
      },
      (error) => {
        if (instance.gone !== "killed") reject(error);
      },
    );
  });
}
