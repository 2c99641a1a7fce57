// What the runtime's process uses, from Linux's /proc, and what D1 holds, through D1. Counting is done by highest row
// id: nothing is ever deleted from these tables within a soak, and a look must not cost what is looked at.
import { readdirSync, readFileSync } from "node:fs";
import { processorMs } from "../../bench/process-time.ts";
import type { Runtime } from "../chaos/runtime.ts";

const KIB = 1024;

export interface Usage {
  /** ms since some moment. */
  at: number;
  /** Bytes in memory, and of them those that are no file's. */
  rss: number;
  anonymous: number;
  /** User and system time since the start, ms. */
  processor: number;
  /** Open files: each ledger in memory holds some. */
  files: number;
}

export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * KIB;
  return {
    at: performance.now(),
    rss: bytes("VmRSS"),
    anonymous: bytes("RssAnon"),
    processor: processorMs(pid),
    files: readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** What this process has started, and what that has, by program. */
export function descendantsNamed(name: string): number[] {
  const children = new Map<number, number[]>();
  const names = new Map<number, string>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      // The second field is the program's name in parentheses, which may hold anything.
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
      names.set(Number(entry), stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")));
    } catch {
      // It has ended between the two looks.
    }
  }
  const found: number[] = [];
  const left = [process.pid];
  for (let pid = left.pop(); pid !== undefined; pid = left.pop()) {
    left.push(...(children.get(pid) ?? []));
    if (pid !== process.pid && names.get(pid) === name) found.push(pid);
  }
  return found;
}

const LOOK = `select
  (select coalesce(max(rowid), 0) from charges) as charges,
  (select coalesce(max(rowid), 0) from refunds) as refunds,
  (select coalesce(max(seq), 0) from events) as events,
  (select coalesce(max(rowid), 0) from deliveries) as deliveries,
  (select count(*) from refunds where due_at is not null) as open,
  (select count(*) from commands where due_at is not null) as promises,
  (select count(*) from deliveries where status <> 'delivered') as undelivered`;

export interface Stock {
  /** Bytes. */
  size: number;
  charges: number;
  refunds: number;
  events: number;
  deliveries: number;
  /** Refunds that the channel will be asked about again. */
  open: number;
  promises: number;
  undelivered: number;
}

export async function stockOf(runtime: Runtime): Promise<Stock> {
  const { bytes, row } = await runtime.ask<{
    bytes: number;
    row: Omit<Stock, "size">;
  }>("look", LOOK);
  return { ...row, size: bytes };
}

/** How often a ledger came into memory so far, repeats counted. */
export const openingsOf = (runtime: Runtime): Promise<number> => runtime.ask("opened");
