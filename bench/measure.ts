// One measurement: requests under load, every answer judged, and the runtime's processor time until it rests again.
import { type Load, type LoadAnswer, type LoadOutcome, sendLoad } from "./load.ts";
import { processorMs } from "./process-time.ts";

export type { Load } from "./load.ts";

export interface Figure {
  name: string;
  requests: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** User and system time of the runtime's process per request, with the work that follows an answer. */
  cpuMs: number;
}

/** Whether an answer with status 200 is the one that was wanted. `index` is that of its request. */
export type Judge = (answer: LoadAnswer, index: number) => boolean;

/** Sends requests and throws unless each one got the answer it should. */
export async function sendJudged(load: Load, judge: Judge): Promise<LoadOutcome> {
  if (load.requests.length === 0) throw new Error("there is nothing to send");
  const outcome = await sendLoad(load);
  const wrong = outcome.answers.flatMap((answer, index) =>
    answer.status === 200 && judge(answer, index) ? [] : [index],
  );
  const [first] = wrong;
  if (outcome.answers.length !== load.requests.length) throw new Error("some requests were not answered");
  if (first === undefined) return outcome;
  const { method, path } = load.requests[first] ?? {};
  const { status, text } = outcome.answers[first] ?? {};
  throw new Error(
    `${wrong.length} of ${load.requests.length} answers are wrong; ${method} ${path} was answered ${status} ${text?.slice(0, 500)}`,
  );
}

export interface Measurement {
  name: string;
  pid: number;
  send: () => Promise<LoadOutcome>;
  /** Waits until the runtime has nothing left to do. */
  rest: () => Promise<void>;
}

/** The processor time of some work, from rest to rest. */
export async function spent<T>(
  { pid, rest }: Pick<Measurement, "pid" | "rest">,
  work: () => Promise<T>,
): Promise<{ result: T; usedMs: number }> {
  await rest();
  const before = processorMs(pid);
  const result = await work();
  await rest();
  return { result, usedMs: processorMs(pid) - before };
}

export async function measure({ name, pid, send, rest }: Measurement): Promise<Figure> {
  const { result, usedMs } = await spent({ pid, rest }, send);
  const { seconds, answers } = result;
  const latencies = answers.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  return {
    name,
    requests: answers.length,
    perSecond: answers.length / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    cpuMs: usedMs / answers.length,
  };
}

/** The smallest value that so many of all values do not exceed: one that was really seen. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
