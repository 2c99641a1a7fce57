// One run: a merchant asks one channel for refunds through an afternoon in which everything goes wrong, the account is
// rotated in the middle, then all faults end and time passes until nothing is left to do. The dice are seeded: a seed
// repeats all they decide. What the sockets of the machine decide, in which order two answers come that were under way
// at once, they do not repeat, so a failing seed may need more than one try.
import "../simulation/loaded.ts";
import { CALL } from "../../src/charges/ledger-calls.ts";
import { refundOrderNo } from "../../src/refunds/refund.ts";
import type { FaultRates } from "../emulators/channel-emulator.ts";
import { Dice } from "../emulators/dice.ts";
import { checkAtRest, isSettled } from "./at-rest.ts";
import { ChannelClock } from "./clock.ts";
import { type ConnectorName, startCounterpart } from "./counterparts.ts";
import { Merchant } from "./merchant.ts";
import { startNoticeDoor } from "./notice-door.ts";
import { type Report, reportOf } from "./report.ts";
import { CALM, START, World } from "./world.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const ASKING_HOURS = 3;
const FAULTY_HOURS = 4;
const REFUNDS_PER_CHARGE = 5;
const REQUESTS_PER_CHARGE = 9;
/** How late a submission arrives, or how long a new refund is not found, in settling times: a resubmission, and the
 * confirmation of a no it hears, leave room for two. */
const DOUBT_SETTLINGS = 1.8;
/** Long enough for a day's backoff to be over several times. */
const PATIENCE_MS = 60 * 24 * HOUR_MS;

/** As bad as a channel can be and still be one. */
const FAULTS: FaultRates = {
  dropBefore: 0.06,
  dropAfter: 0.08,
  errorBefore: 0.04,
  errorAfter: 0.06,
  throttle: 0.08,
  delay: 0.04,
  delayMs: 20_000,
  processing: 0.35,
  processingMs: 40 * MINUTE_MS,
  fails: 0.15,
  sticks: 0.12,
  reverses: 0.12,
  reversalMs: 2 * HOUR_MS,
  hides: 0.5,
  hiddenMs: 0,
  noticeLost: 0.15,
  noticeLate: 0.2,
  noticeLateMs: 30 * MINUTE_MS,
  noticeTwice: 0.2,
  noticeEarly: 0.3,
  noticeForged: 0.15,
  noticeStale: 0.15,
  noticeProbe: 0.15,
};

/** Around the rotation next to nothing gets through, so that many refunds are unknown. */
const OUTAGE_AT = { from: 78 * MINUTE_MS, rotation: 90 * MINUTE_MS, until: 98 * MINUTE_MS };
const OUTAGE = { dropBefore: 0.3, dropAfter: 0.3, errorAfter: 0.2 };

/** D1 is away: refunds of charges whose ledgers are open go on. */
const D1_AWAY = { from: 130 * MINUTE_MS, until: 140 * MINUTE_MS };

export interface RunOptions {
  refunds: number;
  seed: number;
}

export async function run(connector: ConnectorName, options: RunOptions): Promise<Report> {
  const { refunds, seed } = options;
  const dice = new Dice(seed);
  const clock = new ChannelClock(START, dice.fork());
  const counterpart = await startCounterpart(connector, { seed, clock: clock.forEmulators });
  const door = await startNoticeDoor();
  const world = new World(clock, dice.fork(), counterpart, door.url);
  const merchant = new Merchant(world);
  const hits = countHits(counterpart.faults);
  try {
    door.open(world.env, () => clock.now());
    await prepare(world, merchant, refunds);
    setFaults(world);
    const { unknownAtRotation } = await afternoon(world, merchant);
    heal(world);
    await rest(world, merchant);
    await sync(world);
    checkAtRest(world, merchant);
    return reportOf({ connector, seed, world, merchant, door, hits, unknownAtRotation });
  } finally {
    for (const name of world.disks.keys()) world.kill(name);
    await counterpart.close();
    await door.close();
  }
}

/** Work of the harness itself, while time passes for what it needs. */
async function during<T>(clock: ChannelClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  done.catch(() => {});
  while (!isDone) await clock.pass(clock.time + 1_000, () => isDone);
  return await done;
}

async function prepare(world: World, merchant: Merchant, refunds: number): Promise<void> {
  const { clock, counterpart, dice } = world;
  const account = clock.busy(() => world.account(null, counterpart.credentials.before));
  merchant.account = await during(clock, account);
  counterpart.notifyAt(await world.accountUrl());
  const charges = Math.ceil(refunds / REFUNDS_PER_CHARGE);
  for (let serial = 1; serial <= charges; serial++) {
    const charge = await during(clock, merchant.charge(serial));
    merchant.visit(charge, REQUESTS_PER_CHARGE, { until: ASKING_HOURS * HOUR_MS, rush: OUTAGE_AT });
    const { refundElsewhere } = counterpart;
    if (refundElsewhere === null || serial % 5 > 0) continue;
    // Somebody gives back all that is left, and then the shop asks for it, too.
    clock.after(dice.between(0, OUTAGE_AT.from), () => {
      refundElsewhere(charge, charge.amount);
      merchant.ask(charge, null, dice.fork());
    });
  }
}

function setFaults(world: World, more: Partial<FaultRates> = {}): void {
  const { counterpart, network } = world;
  const doubtMs = world.facts.settlingMs * DOUBT_SETTLINGS;
  counterpart.faults.set({ ...FAULTS, hiddenMs: doubtMs, ...counterpart.unable, ...more });
  network.faults = { late: 0.2, lateMs: doubtMs };
  world.faults = {
    crashBeforeCommit: 0.01,
    crashAfterCommit: 0.02,
    zombie: 0.5,
    alarmLate: 0.05,
    noBudget: 0.03,
  };
  world.d1.faults = { down: false, failBefore: 0.02, failAfter: 0.02, hang: 0.002, delayMs: 20 };
}

async function afternoon(world: World, merchant: Merchant): Promise<{ unknownAtRotation: number }> {
  const { clock, counterpart, dice, watch } = world;
  // Now and then a submission hears a definite no, more often where one before it may have worked.
  watch.onSubmission = (attempt) => {
    if (dice.chance(attempt > 1 ? 0.5 : 0.08)) counterpart.faults.next(counterpart.refusal);
  };
  await clock.pass(START + OUTAGE_AT.from);
  setFaults(world, OUTAGE);
  await clock.pass(START + OUTAGE_AT.rotation);
  const unknownAtRotation = [...watch.refunds()].filter(({ state }) => state === "unknown").length;
  counterpart.rotate();
  world.d1.faults = { ...world.d1.faults, failBefore: 0, failAfter: 0, hang: 0 };
  const rotated = world.account(merchant.account, counterpart.credentials.after);
  merchant.account = await during(
    clock,
    clock.busy(() => rotated),
  );
  watch.revision = merchant.account.revision;
  await clock.pass(START + OUTAGE_AT.until);
  setFaults(world);
  for (const disk of world.disks.values()) if (dice.chance(0.3)) world.kill(disk.name);
  await clock.pass(START + D1_AWAY.from);
  world.d1.faults = { ...world.d1.faults, down: true };
  await clock.pass(START + D1_AWAY.until);
  setFaults(world);
  await clock.pass(START + FAULTY_HOURS * HOUR_MS);
  return { unknownAtRotation };
}

function heal(world: World): void {
  const { counterpart, network, dice, clock, watch } = world;
  counterpart.faults.set({});
  network.faults = { late: 0, lateMs: 0 };
  world.faults = CALM;
  watch.onSubmission = () => {};
  world.d1.faults = { down: false, failBefore: 0, failAfter: 0, hang: 0, delayMs: 0 };
  // Somebody at the channel ends most of what is stuck.
  for (const { id } of watch.refunds()) {
    const number = refundOrderNo(id);
    clock.after(dice.between(HOUR_MS, 48 * HOUR_MS), () => {
      const isStuck = counterpart.find(number)?.status === "stuck";
      if (isStuck && dice.chance(0.8))
        counterpart.unstick?.(number, dice.chance(0.5) ? "succeeded" : "failed");
    });
  }
}

async function rest(world: World, merchant: Merchant): Promise<void> {
  const { clock, watch } = world;
  const end = clock.time + PATIENCE_MS;
  await clock.pass(clock.time + 50 * HOUR_MS);
  const isAtRest = () =>
    merchant.busy === 0 && [...watch.refunds()].every((refund) => isSettled(world, refund));
  while (clock.time < end && !isAtRest()) await clock.pass(clock.time + HOUR_MS);
}

/** A success that came back without anybody telling is found by asking. */
async function sync(world: World): Promise<void> {
  const { clock, counterpart, watch } = world;
  for (const [name, disk] of world.disks) {
    for (const refund of [...watch.observer.look(disk).refunds.values()]) {
      const there = counterpart.find(refundOrderNo(refund.id));
      if (refund.state !== "succeeded" || there?.status !== "returned") continue;
      const charge = { id: name.split("/")[2] ?? "" };
      watch.proofs.foundBySync += 1;
      await during(
        clock,
        world.call(charge, (ledger) => ledger.sync({ ...CALL, refund: refund.id })),
      );
    }
  }
  await clock.pass(clock.time + HOUR_MS);
}

/** How often each fault struck. */
function countHits(faults: { hits(fault: keyof FaultRates): boolean }): Map<string, number> {
  const counts = new Map<string, number>();
  const hits = faults.hits.bind(faults);
  faults.hits = (fault) => {
    const hit = hits(fault);
    if (hit) counts.set(fault, (counts.get(fault) ?? 0) + 1);
    return hit;
  };
  return counts;
}
