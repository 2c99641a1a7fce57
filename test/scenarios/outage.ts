// Failures of what stands under the service, for everybody at once: D1, the queues, the ledgers, and time itself, which
// a test can have pass. They last until `endOutages()`. What the service tells its operators is kept.
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import type { LedgerSurface } from "../../src/charges/ledger-calls.ts";
import { ChargeLedger } from "../../src/index.ts";

/** How a call fails: at once; never; or after it was carried out, so that only its answer is lost. */
export type Fault = "throws" | "hangs" | "loses its answers";

// Every binding of a kind shares its methods: those of the Worker, of the ledgers and of the test.
const D1 = Object.getPrototypeOf(env.DB);
const D1_STATEMENT = Object.getPrototypeOf(env.DB.prepare("SELECT 1"));
const QUEUE = Object.getPrototypeOf(env.DELIVERIES);

interface Replaced {
  mockRestore(): void;
}

const outages: Replaced[] = [];
const ears: Replaced[] = [];
const alerts: string[] = [];

export function d1(fault: Fault): void {
  // Not every failure of D1 says so.
  fail(D1, ["batch"], fault, "Network connection lost.");
  fail(D1_STATEMENT, ["all", "first", "raw", "run"], fault, "D1_ERROR: storage operation exceeded timeout");
}

/** D1 keeps the next batches to itself and carries them out when it is told to; `done` tells when the last one has been. */
export function d1ComesLate(): { release: () => void; done: () => Promise<void> } {
  const real = D1.batch;
  let isHeld = true;
  const held: Promise<unknown>[] = [];
  const late = async function (this: D1Database, statements: D1PreparedStatement[]) {
    // Whoever asked must carry it out: nobody else may use its statements.
    while (isHeld) await scheduler.wait(10);
    return await real.call(this, statements);
  };
  const hold = function (this: D1Database, statements: D1PreparedStatement[]) {
    const batch = late.call(this, statements);
    held.push(batch);
    return batch;
  };
  outages.push(vi.spyOn(D1, "batch").mockImplementation(hold as never));
  const release = () => {
    isHeld = false;
  };
  return { release, done: async () => void (await Promise.allSettled(held)) };
}

export function queues(fault: Fault): void {
  fail(QUEUE, ["send", "sendBatch"], fault, "Queue sendBatch failed: Internal Server Error");
}

export function ledgers(fault: Fault, verbs: readonly (keyof LedgerSurface)[] = ["create"]): void {
  fail(ChargeLedger.prototype, verbs, fault, "Network connection lost.");
}

/** Ledgers turn calls away before they begin. */
export function overload(verbs: readonly (keyof LedgerSurface)[] = ["create"]): void {
  for (const verb of verbs) {
    const error = Object.assign(new Error("Durable Object is overloaded."), { overloaded: true });
    outages.push(vi.spyOn(ChargeLedger.prototype, verb).mockRejectedValue(error));
  }
}

/** Time-outs and waits last a hundredth of their time. */
export function hurry(): void {
  const real = globalThis.setTimeout;
  const hasty = (work: () => void, ms = 0) => real(work, ms / 100);
  outages.push(vi.spyOn(globalThis, "setTimeout").mockImplementation(hasty as never));
}

/** What happens in `work` happened so many ms ago. */
export async function ago<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const now = Date.now.bind(Date);
  const clock = vi.spyOn(Date, "now").mockImplementation(() => now() - ms);
  try {
    return await work();
  } finally {
    clock.mockRestore();
  }
}

/** Keeps what operators are told from now on, in place of printing it. */
export function listen(): void {
  alerts.length = 0;
  for (const level of ["error", "warn"] as const) {
    ears.push(vi.spyOn(console, level).mockImplementation((line: unknown) => void alerts.push(String(line))));
  }
}

export function stopListening(): void {
  for (const ear of ears.splice(0)) ear.mockRestore();
}

/** The alerts of one kind that operators were given. */
export function alertsOf(kind: string): unknown[] {
  const wanted = alerts.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  return wanted.filter(({ alert }) => alert === kind);
}

export function endOutages(): void {
  for (const outage of outages.splice(0).reverse()) outage.mockRestore();
}

function fail<T extends object>(of: T, methods: readonly (keyof T)[], fault: Fault, words: string): void {
  for (const method of methods) {
    const real = of[method] as (...given: unknown[]) => Promise<unknown>;
    const failing = async function (this: unknown, ...given: unknown[]) {
      if (fault === "hangs") return await new Promise(() => {});
      if (fault === "loses its answers") await real.apply(this, given);
      throw new Error(words);
    };
    outages.push(vi.spyOn(of, method as never).mockImplementation(failing as never));
  }
}
