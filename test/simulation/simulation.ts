// One run: a world with its merchants, a storm of faults, healing, rest, and the invariants. The seed decides everything,
// so a run that breaks something can be watched again.
import "./loaded.ts";
import { Batches } from "./batches.ts";
import { Clients } from "./clients.ts";
import { Deciders } from "./deciders.ts";
import { strike } from "./disasters.ts";
import { heal, raise } from "./faults.ts";
import { checkAtRest } from "./invariants.ts";
import { People } from "./people.ts";
import { onPlatform } from "./platform.ts";
import { openMerchants, pay, record, sell } from "./recording.ts";
import { Service } from "./service.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

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
  /** Looks at a charge that were held against its ledger's history. */
  reads: number;
  /** Declines that were not believed at once, and refunds by which money contradicted the books. */
  doubts: number;
  conflicts: number;
  /** Refunds that a person ended, and those of them that the channel ended otherwise later. */
  resolved: number;
  overruled: number;
  /** Refunds that were held back for a while, or needed a second key; and what people made of those. */
  delayed: number;
  needApproval: number;
  canceled: number;
  approved: number;
  rejected: number;
  /** Charges of which the whole was taken back. */
  reversals: number;
  batches: number;
  /** Ledgers that lost all they had. */
  lost: number;
  /** Ledgers that went back to an older state, D1s that did, and calls to ledgers older than their callers. */
  rolledBack: number;
  d1Restored: number;
  skewed: number;
  alerts: Record<string, number>;
  trace: string[];
}

const MINUTE = 60_000;
const DAY = 86_400_000;

export interface SimulationOptions {
  /** How many lines of the trace are kept. */
  keepTrace?: number;
}

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Outcome> {
  const world = new World(seed, new Trace(options.keepTrace ?? 0));
  const platform = {
    clock: world.clock,
    dice: world.dice.fork(),
    logged: (level: "warn" | "error", line: string) => world.logged(level, line),
  };
  return await onPlatform(platform, () => story(world, seed));
}

async function story(world: World, seed: number): Promise<Outcome> {
  const { clock, dice } = world;
  const service = new Service(world);
  const clients = new Clients(world, service);
  const people = new People(world, service);
  const deciders = new Deciders(world, service);
  const batches = new Batches(world, service);

  watchProjection(world);
  const opening = openMerchants(world);
  await clock.run(clock.time + MINUTE);
  const sold = sell(world, await opening);
  const sales = sold.map(({ sale }) => sale);
  const recording = Promise.all(sold.map(({ sale, paid }) => record(world, service, sale, paid)));
  await clock.run(clock.time + MINUTE);
  await recording;

  // The storm.
  const stormEnds = clock.time + dice.between(4, 12) * MINUTE;
  raise(world, stormEnds);
  service.sweepUntil(clock.time + 60 * DAY);
  people.workUntil(sales, stormEnds);
  deciders.workUntil(sales, stormEnds);
  strike(world, service, batches, sales, stormEnds);
  batches.send(sales, stormEnds);
  for (const { sale, paid } of sold) {
    if (!paid) clock.at(dice.between(clock.time, stormEnds), () => void pay(world, service, sale));
    for (let n = dice.between(2, 5); n > 0; n--) {
      const arrives = dice.chance(0.5) ? clock.time : dice.between(clock.time, stormEnds);
      clock.at(arrives, () => void clients.visit(sale));
    }
  }
  await clock.run(stormEnds);

  // Healing: faults end, requests under way end, the sweeper sweeps, and somebody looks at every charge once.
  heal(world);
  const hasHeard = () => sales.every((sale) => world.paid.has(world.nameOf(sale)));
  await clock.run(
    clock.time + 20 * MINUTE,
    () => clients.busy === 0 && service.promised().size === 0 && hasHeard(),
  );
  // What D1 knows to be overdue is found without anybody looking.
  await clock.run(clock.time + 30 * MINUTE);
  const overdue = countOverdue(world);
  if (overdue > 0) world.violation(`I8: nobody woke ${overdue} overdue charges`);
  let looking = sales.length;
  for (const sale of sales) {
    // A side that went back in time notices it when the two speak next.
    const disk = world.disk(world.nameOf(sale));
    const hasLost = disk.isEmpty() || world.counts.rolledBack + world.counts.d1Restored > 0;
    const looked = hasLost ? clients.describe(sale, "found again") : clients.look(sale);
    void looked.then(() => {
      looking -= 1;
    });
  }
  await clock.run(clock.time + 20 * MINUTE, () => looking === 0);
  // Whatever waits for a second key is decided, and whatever is left to people is ended by them; then the channel is
  // watched for a month.
  let deciding = true;
  void deciders.finish(sales).then(() => {
    deciding = false;
  });
  await clock.run(clock.time + 60 * MINUTE, () => !deciding);
  people.workUntil(sales, clock.time + 2 * DAY);
  await clock.run(clock.time + 2 * DAY, () => people.left(sales) === 0);
  service.sweepMs = 12 * 60 * MINUTE;
  const atRest = () =>
    world.channel.isQuiet() && sales.every((sale) => world.observer.isAtRest(world.disk(world.nameOf(sale))));
  await clock.run(clock.time + 40 * DAY, atRest);
  if (!atRest()) {
    for (const sale of sales) {
      const name = world.nameOf(sale);
      if (!world.observer.isAtRest(world.disk(name))) world.violation(`I7: ${name} never comes to rest`);
    }
  }

  // Rest: an alarm may fire once more and finds nothing.
  await clock.run(clock.time + MINUTE);
  const before = world.counts.alarms;
  await clock.run(clock.time + DAY);
  if (world.counts.alarms - before > sales.length) {
    world.violation(`I8: ${world.counts.alarms - before} alarms at rest`);
  }
  const checks = checkAtRest(world, service, sales, { clients, deciders, batches });
  await clock.run(clock.time + 10 * MINUTE);
  await checks;
  // What D1 was told late, or not at all, a ledger takes for forgotten, and tells everything again.
  const { d1Restored, rolledBack, lost } = world.counts;
  const retold = world.alerts.get("database_behind") ?? 0;
  if (retold > 0 && d1Restored + rolledBack + lost === 0)
    world.violation(`D1 was taken for restored ${retold} times`);
  await service.forget();
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
    reads: clients.reads,
    doubts: world.observer.doubts,
    conflicts: world.observer.conflicts,
    resolved: world.observer.resolved,
    overruled: world.observer.overruled,
    delayed: world.controls.counts.delayed,
    needApproval: world.controls.counts.needsApproval,
    canceled: world.observer.canceled,
    approved: world.observer.approved,
    rejected: world.observer.rejected,
    reversals: world.observer.reversals,
    batches: Number(world.d1.rows("SELECT count(*) AS n FROM batch_refunds")[0]?.n),
    lost: world.counts.lost,
    rolledBack: world.counts.rolledBack,
    d1Restored: world.counts.d1Restored,
    skewed: world.counts.skewed,
    alerts: Object.fromEntries(world.alerts),
    trace: world.trace.lines,
  };
}

/** I11, in D1: versions only grow, what was told stays, and a batch ends with its refunds, whoever writes. */
function watchProjection(world: World): void {
  world.d1.exec(`
    CREATE TABLE simulated_violations (words TEXT);
    CREATE TABLE simulated_disasters (charge TEXT);
    CREATE TRIGGER simulated_refunds BEFORE UPDATE ON refunds
      WHEN NEW.version < OLD.version OR (NEW.version = OLD.version AND NEW.state <> OLD.state
        AND NOT EXISTS (SELECT 1 FROM simulated_disasters WHERE charge = NEW.charge)) BEGIN
      INSERT INTO simulated_violations VALUES
        ('I11: D1 went back to version ' || NEW.version || ' (' || NEW.state || ') of ' || NEW.id);
    END;
    CREATE TRIGGER simulated_timelines BEFORE UPDATE ON refund_timeline BEGIN
      INSERT INTO simulated_violations VALUES ('version ' || NEW.version || ' of ' || NEW.refund || ' was changed in D1');
    END;
    CREATE TRIGGER simulated_batches BEFORE UPDATE ON batch_refunds WHEN NEW.status <> 'processing' AND
      (SELECT count(*) FROM refunds WHERE batch = NEW.id AND status <> 'pending') < json_array_length(NEW.items) BEGIN
      INSERT INTO simulated_violations VALUES (NEW.batch_no || ' ended before its refunds');
    END;
    CREATE TRIGGER simulated_charges BEFORE UPDATE ON charges WHEN NEW.version < OLD.version BEGIN
      INSERT INTO simulated_violations VALUES ('I11: D1 went back to version ' || NEW.version || ' of ' || NEW.id);
    END;`);
}

/** Charges whose refunds, as D1 was told, should have moved on long ago. A poke puts off the row's own time. */
function countOverdue(world: World): number {
  const late = world.clock.now() - 20 * MINUTE;
  const overdue =
    "SELECT DISTINCT app, livemode, charge FROM refunds WHERE json_extract(doc, '$.dueAt') <= ?";
  return world.d1.rows(overdue, late).length;
}
