// What goes wrong on a simulated day, by the numbers of the design, and how it ends. Each fault is as heavy as the seed
// wants it; on many days some of them are not there at all.
import { HEALTHY } from "./channel.ts";
import type { World } from "./world.ts";

export interface WorldFaults {
  /** The machine of a ledger dies just before or just after a commit (F1, F2, F8, F9). */
  crashBeforeCommit: number;
  crashAfterCommit: number;
  /** The instance is replaced before a call (F16). */
  evict: number;
  /** How often a gone instance lives on as a zombie (F19). */
  zombie: number;
  /** At each await of the Worker's: it dies, or goes on much later as if no time had passed (F16). */
  workerDies: number;
  workerFreezes: number;
  /** A call's answer gets lost, or the call is turned away before it began (F18). */
  answerLost: number;
  overloaded: number;
  /** The Worker is newer than the ledger it calls (F22). */
  skew: number;
  /** The isolate knows no key yet. */
  cold: number;
  /** F15. */
  alarmLost: number;
  alarmLate: number;
  alarmEarly: number;
  alarmTwice: number;
  /** The platform gives up on an alarm whose machine died over it. */
  alarmForgotten: number;
  /** A transaction fails, and the machine lives on. */
  storageThrows: number;
  /** An account's budget of calls has no room, or nobody can say whether it has. */
  noRoom: number;
  roomless: number;
}

export const CALM: WorldFaults = {
  crashBeforeCommit: 0,
  crashAfterCommit: 0,
  evict: 0,
  zombie: 0,
  workerDies: 0,
  workerFreezes: 0,
  answerLost: 0,
  overloaded: 0,
  skew: 0,
  cold: 0,
  alarmLost: 0,
  alarmLate: 0,
  alarmEarly: 0,
  alarmTwice: 0,
  alarmForgotten: 0,
  storageThrows: 0,
  noRoom: 0,
  roomless: 0,
};

const MINUTE = 60_000;
const CALM_D1 = { down: false, failBefore: 0, failAfter: 0, hang: 0, delayMs: 5 };
const CALM_QUEUE = { sendFails: 0, sendHangs: 0, lost: 0, twice: 0, late: 0, stalled: false };

/** Faults until then (real time). */
export function raise(world: World, until: number): void {
  const { dice } = world;
  const upTo = (most: number) => (dice.chance(0.35) ? 0 : dice.next() * most);
  // On some days the machines live through it all, and what hangs is not helped by a restart.
  const restarts = dice.chance(0.7);
  world.faults = {
    crashBeforeCommit: restarts ? upTo(0.03) : 0,
    // On some days nearly every commit is somebody's last.
    crashAfterCommit: restarts ? upTo(dice.chance(0.15) ? 0.4 : 0.06) : 0,
    evict: restarts ? upTo(0.1) : 0,
    zombie: dice.next(),
    workerDies: restarts ? upTo(0.01) : 0,
    workerFreezes: upTo(0.01),
    answerLost: upTo(0.15),
    overloaded: upTo(0.1),
    skew: upTo(dice.chance(0.2) ? 0.3 : 0.03),
    cold: upTo(0.2),
    alarmLost: upTo(dice.chance(0.2) ? 0.5 : 0.1),
    alarmLate: upTo(0.3),
    alarmEarly: upTo(0.3),
    alarmTwice: upTo(0.2),
    alarmForgotten: upTo(0.5),
    storageThrows: upTo(dice.chance(0.2) ? 0.2 : 0.02),
    noRoom: upTo(0.3),
    roomless: upTo(0.15),
  };
  world.observer.mayPause = world.faults.storageThrows + world.faults.crashBeforeCommit > 0;
  raiseChannel(world, upTo);
  raiseD1(world, until, upTo);
  raiseQueue(world, until, upTo);
  sendAway(world, until);
  if (restarts) restart(world, until);
  moveClocks(world, until);
}

export function heal(world: World): void {
  world.note("healed");
  world.faults = CALM;
  world.channel.heal();
  world.d1.faults = CALM_D1;
  world.commands.faults = CALM_QUEUE;
  world.commands.resume();
  for (const message of world.deadLetters.splice(0)) world.commands.redrive(message);
}

/** F3 to F7. */
function raiseChannel({ channel, dice }: World, upTo: (most: number) => number): void {
  channel.blind = dice.chance(0.5);
  channel.spacingMs = dice.pick([0, 0, 2000, 15_000]);
  // Some days everything is late: then a "no" must not be believed too early.
  const slowDay = dice.chance(0.25);
  channel.faults = {
    ...HEALTHY,
    lost: upTo(dice.chance(0.2) ? 0.7 : 0.2),
    late: slowDay ? 0.6 : upTo(0.3),
    mute: upTo(0.2),
    error: upTo(0.2),
    throttle: upTo(0.2),
    miss: upTo(0.5),
    transientNo: slowDay ? 0.4 : upTo(0.3),
    lie: dice.chance(0.5) ? dice.next() * 0.4 : 0,
    wrong: upTo(0.3),
    misread: upTo(0.9),
    garbled: upTo(0.1),
    weeks: upTo(0.05),
    stuck: upTo(0.3),
    blurred: upTo(0.5),
    slow: upTo(0.5),
  };
}

/** F10 to F12: calls that fail before and after they took effect, and outages of seconds and of minutes. */
function raiseD1(world: World, until: number, upTo: (most: number) => number): void {
  const { dice, clock, d1 } = world;
  const faults = {
    down: false,
    failBefore: upTo(0.1),
    failAfter: upTo(0.1),
    hang: upTo(0.1),
    delayMs: dice.pick([5, 50, 4000]),
  };
  d1.faults = faults;
  for (let n = dice.between(0, 3); n > 0; n--) {
    const from = clock.time + dice.between(0, until - clock.time);
    const to = Math.min(until, from + dice.between(1000, 5 * MINUTE));
    clock.at(from, () => {
      d1.faults = { ...d1.faults, down: true };
      world.note("D1 is down");
    });
    clock.at(to, () => {
      if (clock.time < until) d1.faults = faults;
    });
  }
}

/** F13 and F14. */
function raiseQueue({ commands, dice, clock }: World, until: number, upTo: (most: number) => number): void {
  const faults = {
    sendFails: upTo(0.3),
    sendHangs: upTo(0.1),
    lost: upTo(0.3),
    twice: upTo(0.2),
    late: upTo(0.3),
    stalled: dice.chance(0.2),
  };
  commands.faults = faults;
  if (!faults.stalled) return;
  clock.at(dice.between(clock.time, until), () => commands.resume());
}

/** The merchants' accounts get new keys now and then; not every Worker hears of it at once. */
export function rotateKeys(world: World, until: number): void {
  const { clock, dice, d1 } = world;
  for (let n = dice.between(0, 3); n > 0; n--) {
    clock.at(clock.time + dice.between(0, until - clock.time), () => {
      const columns = "app, livemode, channel, credentials, merchant, notice_keys, description, created";
      d1.exec(`
        CREATE TEMP TABLE next AS SELECT id, revision + 1 AS revision, ${columns} FROM channel_accounts
          WHERE retired_at IS NULL;
        UPDATE channel_accounts SET retired_at = 1 WHERE retired_at IS NULL;
        INSERT INTO channel_accounts (id, revision, ${columns}) SELECT id, revision, ${columns} FROM next;
        DROP TABLE next;`);
      world.note("the accounts have new keys");
    });
  }
}

/** F18, for as long as clients wait: a ledger that cannot be reached, though some calls are carried out. */
function sendAway(world: World, until: number): void {
  const { dice, clock } = world;
  for (let n = dice.between(0, 3); n > 0; n--) {
    const from = dice.between(clock.time, until);
    clock.at(from, () => {
      const name = dice.pick([...world.disks.keys()]);
      world.away.set(name, from + dice.between(5_000, 60_000));
      world.note("away", name);
    });
  }
}

/** F17. */
function restart(world: World, until: number): void {
  const { dice, clock } = world;
  const everyMs = dice.between(5_000, 90_000);
  for (let at = clock.time + everyMs; at < until; at += dice.between(1, 2 * everyMs)) {
    clock.at(at, () => world.kill());
  }
}

/** F20. Far enough apart that what was sent before a jump has landed before the next. */
function moveClocks(world: World, until: number): void {
  const { dice, clock } = world;
  for (let at = clock.time + 90_000; at < until; at += dice.between(90_000, 200_000)) {
    const jump = dice.between(-10_000, 10_000);
    clock.at(at, () => {
      clock.jump(jump);
      world.note("the clock jumps", jump);
    });
  }
}
