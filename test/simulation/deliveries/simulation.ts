// One run: merchants with endpoints of every kind, days of events among faults, healing, rest, and what must be true
// then. The seed decides everything, so a run that breaks something can be watched again.
import "../loaded.ts";
import { mintId } from "../../../src/ids.ts";
import { onPlatform } from "../platform.ts";
import { Trace } from "../trace.ts";
import { checkAtRest, checkRecovered } from "./at-rest.ts";
import { Merchant } from "./merchant.ts";
import type { Behaviour } from "./receivers.ts";
import { DeliveryWorld, REFUND_EVENTS } from "./world.ts";

export interface DeliveryOutcome {
  seed: number;
  /** Two runs with the same digest were the same, event by event. */
  digest: string;
  violations: string[];
  events: number;
  deliveries: number;
  attempts: number;
  crashes: number;
  freezes: number;
  lostMessages: number;
  unsent: number;
  failedCalls: number;
  deadLetters: number;
  disabled: Record<string, number>;
  recovered: number;
  /** Virtual days, and timers that fired. */
  days: number;
  steps: number;
  /** By how much attempts began late at most while nothing of ours was broken. */
  wokenLateMs: number;
  sweptLateMs: number;
  trace: string[];
}

export interface DeliveryOptions {
  keepTrace?: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The longest schedule, with the worst dice, and some time for the cron. */
const SCHEDULE_MS = 4 * DAY;
/** How late an attempt may begin while nothing of ours is broken, woken by a message or found by the sweeper. */
const LATE_MAX_MS = { woken: 20 * SECOND, swept: 80 * SECOND };

export async function simulateDeliveries(
  seed: number,
  options: DeliveryOptions = {},
): Promise<DeliveryOutcome> {
  const world = new DeliveryWorld(seed, new Trace(options.keepTrace ?? 0));
  const platform = {
    clock: world.clock,
    dice: world.dice.fork(),
    // A wake-up that could not be sent is the only thing the service warns of here.
    logged: () => {
      world.counts.unsent += 1;
    },
  };
  return await onPlatform(platform, () => run(world, seed));
}

async function run(world: DeliveryWorld, seed: number): Promise<DeliveryOutcome> {
  const startedAt = world.clock.time;
  // In a third of the worlds only the receivers misbehave: there everything has to be in time.
  const recovered = await story(world, seed % 3 === 0);
  return outcome(world, seed, startedAt, recovered);
}

/** Answers how many deliveries were recovered in the end. */
async function story(world: DeliveryWorld, isCalm: boolean): Promise<number> {
  const { clock, dice, observer } = world;
  const endsAt = clock.time + dice.pick([1, 2, 7]) * DAY;
  const merchants = openMerchants(world, endsAt);
  if (isCalm) {
    observer.pace.calmSince = clock.time;
    observer.pace.ratesSince = clock.time;
  }
  world.sweepForEver();
  await pass(world, clock.time + 10 * MINUTE);
  for (const merchant of merchants) live(world, merchant, endsAt);
  if (isCalm) rush(world, merchants, endsAt);
  else storms(world, merchants, endsAt);
  await pass(world, endsAt);

  heal(world);
  await pass(world, clock.time + HOUR, () => merchants.every(({ unflushed }) => unflushed === 0));
  // What the storm left behind is found by the next sweep.
  await pass(world, clock.time + 10 * MINUTE);
  observer.pace.calmSince = Math.min(observer.pace.calmSince, clock.time);
  await pass(world, clock.time + SCHEDULE_MS);
  if (isHopeless(world)) return 0;
  checkAtRest(world, merchants);
  const recovered = await recoverEverything(world, merchants);
  checkRecovered(world);
  for (const [how, mostMs] of Object.entries(LATE_MAX_MS)) {
    const { ms, delivery } = observer.pace.latest[how as keyof typeof LATE_MAX_MS];
    if (ms > mostMs) world.violation(`${delivery}, ${how}, was ${ms} ms late while nothing was broken`);
  }
  checkJitter(world);
  return recovered;
}

/** So much is broken that it does not matter how it ends. */
function isHopeless({ violations }: DeliveryWorld): boolean {
  return violations.length >= 10;
}

function pass(world: DeliveryWorld, until: number, done: () => boolean = () => false): Promise<void> {
  return world.clock.run(until, () => isHopeless(world) || done());
}

function outcome(world: DeliveryWorld, seed: number, startedAt: number, recovered: number): DeliveryOutcome {
  const { clock, observer } = world;
  const { fast, slow, counts } = world;
  return {
    seed,
    digest: world.trace.digest(),
    violations: world.violations,
    events: observer.mirror.events.size,
    deliveries: observer.mirror.deliveries.size,
    attempts: observer.attempts,
    crashes: counts.crashes,
    freezes: counts.freezes,
    lostMessages: fast.counts.lost + slow.counts.lost,
    unsent: counts.unsent,
    failedCalls: counts.failedCalls,
    deadLetters: counts.buried,
    disabled: Object.fromEntries(observer.reasons),
    recovered,
    days: Math.round((clock.time - startedAt) / DAY),
    steps: clock.fired,
    wokenLateMs: observer.pace.latest.woken.ms,
    sweptLateMs: observer.pace.latest.swept.ms,
    trace: world.trace.lines,
  };
}

/** Two or three apps, some of them in both modes, each with a few endpoints. */
function openMerchants(world: DeliveryWorld, endsAt: number): Merchant[] {
  const { dice, clock, random } = world;
  const merchants: Merchant[] = [];
  for (let n = dice.between(2, 3); n > 0; n--) {
    const app = mintId("app", random);
    const modes = dice.pick([[true], [false], [true, false]]);
    for (const livemode of modes) {
      const merchant = new Merchant(world, { app, livemode });
      merchants.push(merchant);
      // The first one of each is always well.
      openEndpoint(world, merchant, [{ from: clock.time, behaviour: { does: "ok" } }]);
      for (let more = dice.between(1, 3); more > 0; more--) {
        openEndpoint(world, merchant, lifeOf(world, endsAt));
      }
    }
  }
  return merchants;
}

function openEndpoint(world: DeliveryWorld, merchant: Merchant, life: Life): void {
  const { dice, receivers } = world;
  const url = merchant.newAddress();
  for (const { from, behaviour } of life) receivers.behave(url, from, behaviour);
  void merchant.open(url, {
    enabledEvents: dice.pick([
      ["*"],
      ["refund.succeeded", "refund.failed"],
      ["*", "refund.created", "webhook_endpoint.disabled"],
      ["refund.updated", "webhook_endpoint.disabled"],
    ] as const) as never,
    schedule: dice.pick(["standard", "pingpp"]),
    rateLimit: dice.chance(0.25) ? dice.pick([1, 2, 10]) : null,
  });
}

type Life = { from: number; behaviour: Behaviour }[];

/** Mostly well at first, then bad for a while or for ever. */
function lifeOf(world: DeliveryWorld, endsAt: number): Life {
  const { dice, clock } = world;
  const life: Life = [{ from: clock.time, behaviour: dice.chance(0.9) ? { does: "ok" } : bad(world) }];
  for (let n = dice.between(1, 3); n > 0; n--) {
    const from = dice.between(clock.time + 10 * MINUTE, endsAt);
    life.push({ from, behaviour: bad(world) });
    if (dice.chance(0.7)) {
      const to = from + dice.pick([10 * SECOND, 10 * MINUTE, 3 * HOUR, DAY]);
      life.push({ from: to, behaviour: { does: "ok" } });
    }
  }
  // From the beginning on, for all days: what auto-disabling is for.
  if (dice.chance(0.25)) {
    const does = dice.pick(["down", "hang"] as const);
    const behaviour: Behaviour = does === "down" ? { does, refuses: dice.chance(0.5) } : { does };
    return [life[0] as Life[number], { from: clock.time + 5 * MINUTE, behaviour }];
  }
  return life.sort((a, b) => a.from - b.from);
}

function bad({ dice }: DeliveryWorld): Behaviour {
  const seconds = dice.pick([1, 90, 4000, 100_000]);
  return dice.pick<Behaviour>([
    { does: "flaky", failing: dice.next() },
    { does: "down", refuses: dice.chance(0.5) },
    { does: "slow" },
    { does: "hang" },
    { does: "hang" },
    { does: "busy", status: dice.pick([429, 503]), seconds, asDate: dice.chance(0.5) },
    { does: "gone" },
    { does: "redirect" },
    { does: "mute" },
  ]);
}

/** Events now and then and in bursts, and people who do things. */
function live(world: DeliveryWorld, merchant: Merchant, endsAt: number): void {
  const { dice, clock } = world;
  const happen = (at: number) => clock.at(at, () => void merchant.happen(dice.pick(REFUND_EVENTS)));
  for (let n = dice.between(5, 15); n > 0; n--) happen(dice.between(clock.time, endsAt));
  for (let n = dice.between(0, 2); n > 0; n--) {
    const from = dice.between(clock.time, endsAt);
    for (let of = dice.between(5, 25); of > 0; of--) happen(from + dice.between(0, 3 * SECOND));
  }
  for (let n = dice.between(2, 12); n > 0; n--) {
    clock.at(dice.between(clock.time, endsAt), () => void act(world, merchant, endsAt));
  }
}

async function act(world: DeliveryWorld, merchant: Merchant, endsAt: number): Promise<void> {
  const { dice, receivers, observer } = world;
  const id = dice.pick(merchant.endpoints);
  const event = dice.pick([...merchant.events, ""]);
  // Who is always well is spared what ends deliveries: it has to get everything.
  const url = observer.mirror.endpoints.get(id)?.url ?? "";
  const isSpared = receivers.isWell(url) && dice.chance(0.8);
  switch (dice.between(0, isSpared ? 4 : 11)) {
    case 0:
      return await merchant.ping(id);
    case 1:
      return await merchant.roll(id, dice.pick([0, 60, 86_400]));
    case 2:
      return void (await merchant.recover(id, dice.between(1, 14)));
    case 3:
      return await merchant.resend(id, event, dice.chance(0.5));
    case 4:
      return await merchant.redrive();
    case 5:
    case 6: {
      const address = merchant.newAddress();
      for (const { from, behaviour } of lifeOf(world, endsAt)) receivers.behave(address, from, behaviour);
      await merchant.change(id, { url: address });
      if (dice.chance(0.7)) return;
      // A slip: it is put right while the ping of the wrong address is still under way.
      receivers.behave(address, world.clock.time, { does: dice.pick(["hang", "slow"] as const) });
      await world.clock.sleep(dice.between(0, 20 * SECOND));
      return await merchant.change(id, { url });
    }
    case 7:
      return await merchant.change(id, { status: "disabled" });
    case 8:
      return await merchant.change(id, { status: "enabled" });
    case 9:
      return await merchant.change(id, { schedule: dice.pick(["standard", "pingpp"]) });
    case 10:
      return await merchant.change(id, { rateLimit: dice.pick([1, 5, null]) });
    case 11:
      return await merchant.delete(id);
  }
}

/**
 * Far more happens than one batch after the other could take, just when one receiver hangs and another has a moment of
 * weakness: whoever is well must not wait for the one, nor the weak one behind it.
 */
function rush(world: DeliveryWorld, merchants: readonly Merchant[], endsAt: number): void {
  const { dice, clock, receivers } = world;
  const at = dice.between(clock.time + MINUTE, endsAt - HOUR);
  const merchant = dice.pick(merchants);
  const lives: Life[] = [
    [
      { from: at, behaviour: { does: "hang" } },
      { from: at + 4 * MINUTE, behaviour: { does: "ok" } },
    ],
    [
      { from: at, behaviour: { does: "down", refuses: true } },
      { from: at + 2 * SECOND, behaviour: { does: "ok" } },
    ],
  ];
  for (const life of lives) {
    const url = merchant.newAddress();
    for (const { from, behaviour } of life) receivers.behave(url, from, behaviour);
    void merchant.open(url, { enabledEvents: ["*"], schedule: "standard", rateLimit: null });
  }
  for (let n = dice.between(120, 200); n > 0; n--) {
    clock.at(at + dice.between(0, 20 * SECOND), () => void merchant.happen("refund.succeeded"));
  }
}

/** Faults of every part of ours, in storms of minutes or hours, each as heavy as the seed wants it. */
function storms(world: DeliveryWorld, merchants: readonly Merchant[], endsAt: number): void {
  const { dice, clock } = world;
  for (let n = dice.between(2, 5); n > 0; n--) {
    const from = dice.between(clock.time, endsAt);
    const to = Math.min(endsAt, from + dice.pick([5 * MINUTE, HOUR, 8 * HOUR]));
    clock.at(from, () => raise(world, to));
    clock.at(to, () => heal(world));
    // A storm in which nothing happens shows nothing.
    for (let of = dice.between(10, 30); of > 0; of--) {
      const merchant = dice.pick(merchants);
      const at = dice.between(from, to);
      const acts = dice.chance(0.3);
      clock.at(at, () => {
        if (acts) void act(world, merchant, endsAt);
        else void merchant.happen(dice.pick(REFUND_EVENTS));
      });
    }
  }
}

function raise(world: DeliveryWorld, until: number): void {
  const { dice, clock, fast, slow, d1 } = world;
  const upTo = (most: number) => (dice.chance(0.35) ? 0 : dice.next() * most);
  world.note("a storm");
  world.machineFaults = { crash: upTo(0.08), freeze: upTo(0.02) };
  for (const queue of [fast, slow]) {
    queue.faults = {
      ...{ sendFails: upTo(0.3), sendHangs: upTo(0.2), lost: upTo(0.5), twice: upTo(0.4), late: upTo(0.4) },
      stalled: dice.chance(0.15),
    };
  }
  d1.faults = {
    down: dice.chance(0.15),
    ...{ failBefore: upTo(0.1), failAfter: upTo(0.1), hang: upTo(0.02) },
    delayMs: dice.pick([5, 50, 1500]),
  };
  world.cronIsDown = dice.chance(0.3);
  for (let at = clock.time; at < until; at += dice.between(MINUTE, 30 * MINUTE)) {
    clock.at(at, () => world.killAll());
  }
}

function heal(world: DeliveryWorld): void {
  world.note("healed");
  world.machineFaults = { crash: 0, freeze: 0 };
  for (const queue of [world.fast, world.slow]) {
    queue.faults = { sendFails: 0, sendHangs: 0, lost: 0, twice: 0, late: 0, stalled: true };
    queue.resume();
  }
  world.d1.faults = { down: false, failBefore: 0, failAfter: 0, hang: 0, delayMs: 5 };
  world.cronIsDown = false;
}

/** Everybody is well again; what is disabled is enabled, and what was missed is sent again. */
async function recoverEverything(world: DeliveryWorld, merchants: readonly Merchant[]): Promise<number> {
  const { clock, receivers } = world;
  receivers.wellFrom = clock.time;
  const all = merchants.flatMap((merchant) => merchant.endpoints.map((id) => ({ merchant, id })));
  for (const { merchant, id } of all) void merchant.change(id, { status: "enabled" });
  await clock.run(clock.time + 10 * MINUTE);
  const counts = all.map(({ merchant, id }) => merchant.recover(id, 14));
  // Who was asked to come later comes within a day.
  await clock.run(clock.time + 26 * HOUR);
  return (await Promise.all(counts)).reduce((sum: number, n) => sum + (n ?? 0), 0);
}

/** Dice spread what was sent together. */
function checkJitter(world: DeliveryWorld): void {
  const { jitter } = world.observer.pace;
  if (jitter.some((factor) => factor < 0.79 || factor > 1.21)) world.violation("jitter beyond its limits");
  if (jitter.length >= 30 && Math.max(...jitter) - Math.min(...jitter) < 0.2) {
    world.violation(`${jitter.length} delays were stretched by nearly the same factor`);
  }
}
