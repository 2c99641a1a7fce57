// The processor time of another process, from Linux's /proc. Work that follows an answer (writing to D1, queues, alarms)
// is paid for all the same, so a measurement ends when the process has nothing left to do.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Where the kernel tells no nanoseconds, it counts in ticks of 10 ms on every platform that Node runs on. */
const TICK_MS = 10;
const STILL_MS = 150;
const LOOK_MS = 25;
/** So much within a look may be housekeeping. */
const QUIET_MS = 1;
const BUSY_MAX_MS = 120_000;

/**
 * User and system time of a process, ms: of the threads that it has. Only differences mean something, and only while no
 * thread ends; the runtime keeps its own.
 */
export function processorMs(pid: number): number {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    // The first of three figures is the time on a processor, in nanoseconds.
    const ns = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    return ns.reduce((sum, one) => sum + Number(one), 0) / 1e6;
  } catch {
    return ticksMs(pid);
  }
}

/** The same in ticks, threads that have ended included. */
function ticksMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name, which may hold anything; the third follows its closing parenthesis.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/**
 * Waits until a process has done next to nothing for a while, but not less than `atLeastMs`: a timer that is set must have
 * fired. Throws when it is busy for two minutes.
 */
export async function untilIdle(pid: number, atLeastMs = 0): Promise<void> {
  const started = Date.now();
  let used = processorMs(pid);
  let since = started;
  while (Date.now() - since < STILL_MS || Date.now() - started < atLeastMs) {
    if (Date.now() - started > BUSY_MAX_MS) throw new Error("the runtime does not come to rest");
    await sleep(LOOK_MS);
    const now = processorMs(pid);
    const quiet = now - used <= QUIET_MS;
    used = now;
    if (!quiet) since = Date.now();
  }
}

/** The children of this process that run a program of that name. */
export function childrenNamed(name: string): number[] {
  const pids = readdirSync("/proc/self/task").flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" "),
  );
  return pids.filter((pid) => pid.trim() !== "" && nameOf(pid) === name).map(Number);
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    // It has ended between the two looks.
    return "";
  }
}
