// One run: a world with its merchants, a storm of faults, healing, rest, and the invariants. The seed decides everything,
// so a run that breaks something can be watched again.
import type { Charge } from "../../src/charges/charge.ts";
import { insertCharge } from "../../src/charges/repository.ts";
import { mintId } from "../../src/ids.ts";
import { webhookEndpoints } from "../../src/webhooks/table.ts";
import { BY_HAND } from "./channel.ts";
import { Clients } from "./clients.ts";
import { checkAtRest } from "./invariants.ts";
import { People } from "./people.ts";
import { Trace } from "./trace.ts";
import { Worker } from "./worker.ts";
import { CALM, World } from "./world.ts";

export interface Outcome {
  seed: number;
  /** Two runs with the same digest were the same, event by event. */
  digest: string;
  violations: string[];
  refunds: number;
  succeeded: number;
  crashes: number;
  alarms: number;
  channelCalls: number;
  notices: number;
  events: number;
  /** Timers that fired: how much happened. */
  steps: number;
  refused: number;
  /** Declines that were not believed at once, and refunds by which money contradicted the books. */
  doubts: number;
  conflicts: number;
  /** Refunds that a person ended, and those of them that the channel ended otherwise later. */
  resolved: number;
  overruled: number;
  /** Ledgers that lost all they had. */
  lost: number;
  alerts: Record<string, number>;
  trace: string[];
}

const MINUTE = 60_000;
const DAY = 86_400_000;

export async function simulate(seed: number, options: { keepTrace?: number } = {}): Promise<Outcome> {
  const trace = new Trace(options.keepTrace ?? 0);
  const world = new World(seed, trace);
  const { clock, dice } = world;
  const worker = new Worker(world);
  const clients = new Clients(world, worker);
  const people = new People(world, worker);

  watchProjection(world);
  const recording = recordCharges(world);
  await clock.run(clock.time + MINUTE);
  const charges = await recording;

  // The storm.
  const stormEnds = clock.time + dice.between(4, 12) * MINUTE;
  raise(world, stormEnds);
  worker.sweepUntil(clock.time + 60 * DAY);
  people.workUntil(charges, stormEnds);
  loseLedgers(world, charges, stormEnds);
  for (const charge of charges) {
    for (let n = dice.between(1, 4); n > 0; n--) {
      const arrives = dice.chance(0.5) ? clock.time : dice.between(clock.time, stormEnds);
      clock.at(arrives, () => void clients.visit(charge));
    }
  }
  await clock.run(stormEnds);

  // Healing: faults end, requests under way end, the sweeper sweeps, and somebody looks at every charge once.
  heal(world);
  await clock.run(clock.time + 20 * MINUTE, () => clients.busy === 0 && worker.openCommands === 0);
  // What D1 knows to be overdue is found without anybody looking.
  await clock.run(clock.time + 30 * MINUTE);
  const overdue = countOverdue(world);
  if (overdue > 0) world.violation(`I8: nobody woke ${overdue} overdue charges`);
  for (const charge of charges) {
    const lost = world.disk(world.nameOf(charge)).isEmpty();
    void (lost ? worker.describe(charge, "found again") : worker.read(charge, { kind: "charge" })).catch(
      () => {},
    );
  }
  // Whatever is left to people is ended by them; then the channel is watched for a month.
  people.workUntil(charges, clock.time + 2 * DAY);
  await clock.run(clock.time + 2 * DAY, () => people.left(charges) === 0);
  worker.sweepMs = 12 * 60 * MINUTE;
  const atRest = () =>
    worker.openCommands === 0 &&
    world.channel.isQuiet() &&
    charges.every((charge) => world.observer.isAtRest(world.disk(world.nameOf(charge))));
  await clock.run(clock.time + 40 * DAY, atRest);
  if (!atRest()) {
    for (const charge of charges) {
      const name = world.nameOf(charge);
      if (!world.observer.isAtRest(world.disk(name))) world.violation(`I7: ${name} never comes to rest`);
    }
  }

  // Rest: an alarm may fire once more and finds nothing.
  await clock.run(clock.time + MINUTE);
  const before = world.counts.alarms;
  await clock.run(clock.time + DAY);
  if (world.counts.alarms - before > charges.length) {
    world.violation(`I8: ${world.counts.alarms - before} alarms at rest`);
  }
  const checks = checkAtRest(world, worker, charges, clients.told, clients.disputes);
  await clock.run(clock.time + MINUTE);
  await checks;
  return outcome(world, clients, seed);
}

function outcome(world: World, clients: Clients, seed: number): Outcome {
  const books = [...world.channel.books.values()];
  return {
    seed,
    digest: world.trace.digest(),
    violations: world.violations,
    refunds: world.observer.born.size,
    succeeded: books.filter((book) => book.state === "succeeded").length,
    crashes: world.counts.crashes,
    alarms: world.counts.alarms,
    channelCalls: world.channel.calls,
    notices: world.counts.notices,
    events: Number(world.d1.rows("SELECT count(*) AS n FROM events")[0]?.n),
    steps: world.clock.fired,
    refused: clients.refused,
    doubts: world.observer.doubts,
    conflicts: world.observer.conflicts,
    resolved: world.observer.resolved,
    overruled: world.observer.overruled,
    lost: world.counts.lost,
    alerts: Object.fromEntries(world.alerts),
    trace: world.trace.lines,
  };
}

/** I11, in D1: versions only grow, whoever writes. */
function watchProjection(world: World): void {
  world.d1.exec(`
    CREATE TABLE simulated_violations (words TEXT);
    CREATE TRIGGER simulated_refunds BEFORE UPDATE ON refunds WHEN NEW.version <= OLD.version BEGIN
      INSERT INTO simulated_violations VALUES ('I11: D1 went back to version ' || NEW.version || ' of ' || NEW.id);
    END;
    CREATE TRIGGER simulated_charges BEFORE UPDATE ON charges WHEN NEW.version < OLD.version BEGIN
      INSERT INTO simulated_violations VALUES ('I11: D1 went back to version ' || NEW.version || ' of ' || NEW.id);
    END;`);
}

/** Two apps with endpoints, and a few paid charges in D1, whose ledgers know nothing yet. */
async function recordCharges(world: World): Promise<Charge[]> {
  const { dice, clock, db } = world;
  const random = (count: number) => dice.bytes(count);
  const created = Math.floor(clock.now() / 1000) - 3600;
  const apps = [mintId("app", random), mintId("app", random)];
  for (const app of apps) {
    for (const [enabledEvents, status] of [
      [["*"], "enabled"],
      [["refund.succeeded", "refund.created", "refund.updated"], "enabled"],
      [["refund.failed"], "disabled"],
    ] as const) {
      const livemode = dice.chance(0.5);
      await db.insert(webhookEndpoints).values({
        id: mintId("endpoint", random),
        app,
        livemode,
        url: "https://merchant.example/hook",
        enabledEvents: [...enabledEvents],
        status,
        schedule: "standard",
        secrets: [],
        metadata: {},
        created,
      });
    }
  }
  const charges: Charge[] = [];
  const twins = dice.chance(0.3);
  for (let n = dice.between(2, 5); n > 0; n--) {
    const orderNo = `order ${n}`;
    // Two apps that share a merchant may both have recorded the same payment.
    const isTwin = twins && n <= 2;
    const transactionNo = isTwin ? "paid twice" : `paid ${n}`;
    world.channel.payments.set(orderNo, { transactionNo, fits: !dice.chance(0.1) });
    const charge: Charge = {
      id: mintId("charge", random),
      app: isTwin ? (apps[n - 1] as string) : dice.pick(apps),
      livemode: isTwin || dice.chance(0.7),
      created,
      paid: true,
      reversed: false,
      channel: dice.chance(0.15) ? BY_HAND : "simulated",
      orderNo,
      clientIp: null,
      amount: dice.pick([100, 999, 10_000]),
      amountSettle: 0,
      currency: "cny",
      subject: "a thing",
      body: "a thing",
      extra: {},
      timePaid: created,
      timeExpire: null,
      timeSettle: null,
      transactionNo: dice.chance(0.2) ? null : transactionNo,
      refundedElsewhere: dice.chance(0.1) ? 10 : 0,
      disputed: 0,
      metadata: {},
      description: null,
      version: 1,
    };
    await insertCharge(db, charge, "simulated");
    world.nameOf(charge);
    charges.push(charge);
  }
  return charges;
}

/** Faults for a while, each as heavy as the seed wants it. */
function raise(world: World, until: number): void {
  const { dice, clock, d1, channel } = world;
  const upTo = (most: number) => (dice.chance(0.35) ? 0 : dice.next() * most);
  // On some days the machines live through it all, and what hangs is not helped by a restart.
  const restarts = dice.chance(0.7);
  world.faults = {
    crashBeforeCommit: restarts ? upTo(0.03) : 0,
    crashAfterCommit: restarts ? upTo(0.06) : 0,
    evict: restarts ? upTo(0.1) : 0,
    zombie: dice.next(),
    answerLost: upTo(0.15),
    overloaded: upTo(0.1),
    alarmLost: upTo(0.1),
    alarmLate: upTo(0.3),
    alarmEarly: upTo(0.3),
    alarmTwice: upTo(0.2),
    noRoom: upTo(0.3),
    roomless: upTo(0.15),
  };
  channel.blind = dice.chance(0.5);
  for (let n = dice.between(0, 3); n > 0; n--) {
    clock.at(clock.time + dice.between(0, until - clock.time), () => {
      world.revision += 1;
      world.note("the account has revision", world.revision);
    });
  }
  channel.spacingMs = dice.pick([0, 0, 2000, 15_000]);
  // Some days everything is late: then a "no" must not be believed too early.
  const slowDay = dice.chance(0.25);
  channel.faults = {
    lost: upTo(0.2),
    late: slowDay ? 0.6 : upTo(0.3),
    mute: upTo(0.2),
    error: upTo(0.2),
    throttle: upTo(0.2),
    miss: upTo(0.5),
    transientNo: slowDay ? 0.4 : upTo(0.3),
    lie: dice.chance(0.5) ? dice.next() * 0.4 : 0,
    wrong: upTo(0.3),
    stuck: upTo(0.3),
    blurred: upTo(0.5),
    slow: upTo(0.5),
  };
  const d1Faults = {
    down: false,
    failBefore: upTo(0.1),
    failAfter: upTo(0.1),
    hang: upTo(0.1),
    delayMs: dice.pick([5, 50, 4000]),
  };
  d1.faults = d1Faults;
  for (let n = dice.between(0, 3); n > 0; n--) {
    const from = clock.time + dice.between(0, until - clock.time);
    const to = Math.min(until, from + dice.between(1000, 5 * MINUTE));
    clock.at(from, () => {
      d1.faults = { ...d1.faults, down: true };
      world.note("D1 is down");
    });
    clock.at(to, () => {
      if (clock.time < until) d1.faults = d1Faults;
    });
  }
  const everyMs = dice.between(5_000, 90_000);
  for (let at = clock.time + everyMs; restarts && at < until; at += dice.between(1, 2 * everyMs)) {
    clock.at(at, () => world.kill());
  }
  // Far enough apart that what was sent before a jump has landed before the next.
  for (let at = clock.time + 90_000; at < until; at += dice.between(90_000, 200_000)) {
    const jump = dice.between(-10_000, 10_000);
    clock.at(at, () => {
      clock.jump(jump);
      world.note("the clock jumps", jump);
    });
  }
}

/** Now and then a ledger loses all it had. Only one that D1 knows entirely: what nobody else has cannot come back. */
function loseLedgers(world: World, charges: readonly Charge[], until: number): void {
  const { dice, clock, observer } = world;
  if (!dice.chance(0.4)) return;
  for (let n = 3; n > 0; n--) {
    const name = world.nameOf(dice.pick(charges));
    clock.at(dice.between(clock.time, until), () => {
      const disk = world.disk(name);
      if (!disk.isEmpty() && observer.isAtRest(disk)) world.wipe(name);
    });
  }
}

/** Charges whose refunds, says D1, should have moved on long ago. */
function countOverdue(world: World): number {
  const late = world.clock.now() - 15 * MINUTE;
  return world.d1.rows("SELECT DISTINCT charge FROM refunds WHERE due_at <= ?", late).length;
}

function heal(world: World): void {
  world.note("healed");
  world.faults = CALM;
  world.channel.heal();
  world.d1.faults = { down: false, failBefore: 0, failAfter: 0, hang: 0, delayMs: 5 };
}
