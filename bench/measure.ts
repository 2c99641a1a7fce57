// The parts of a measurement: requests whose every answer is judged, the runtime's processor time from rest to rest, and
// what several values are told as.
import { type Load, type LoadAnswer, type LoadOutcome, sendLoad } from "./load.ts";
import { processorMs } from "./process-time.ts";

/** Whether an answer that has the wanted status is the one that was wanted. `index` is that of its request. */
export type Judge = (answer: LoadAnswer, index: number) => boolean;

/** Sends requests and throws unless each one got the answer it should. */
export async function sendJudged(load: Load, judge: Judge): Promise<LoadOutcome> {
  if (load.requests.length === 0) throw new Error("there is nothing to send");
  const outcome = await sendLoad(load);
  if (outcome.answers.length !== load.requests.length) throw new Error("some requests were not answered");
  const wrong = outcome.answers.flatMap((answer, index) =>
    answer.status === (load.requests[index]?.status ?? 200) && judge(answer, index) ? [] : [index],
  );
  const [first] = wrong;
  if (first === undefined) return outcome;
  const { method, path } = load.requests[first] ?? {};
  const { status, text } = outcome.answers[first] ?? {};
  throw new Error(
    `${wrong.length} of ${load.requests.length} answers are wrong; ${method} ${path} was answered ${status} ${text?.slice(0, 500)}`,
  );
}

/** A process, and how to wait until it has nothing left to do. */
export interface Resting {
  pid: number;
  rest: () => Promise<void>;
}

/** The processor time of some work, from rest to rest. */
export async function spent<T>(
  { pid, rest }: Resting,
  work: () => Promise<T>,
): Promise<{ result: T; usedMs: number }> {
  await rest();
  const before = processorMs(pid);
  const result = await work();
  await rest();
  return { result, usedMs: processorMs(pid) - before };
}

/** The smallest value that so many of all values do not exceed: one that was really seen. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** The middle of several values and how far they lie apart. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), min: quantile(sorted, 0), max: quantile(sorted, 1) };
}
