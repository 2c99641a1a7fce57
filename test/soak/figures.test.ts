import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { bytesOf } from "../chaos/disk.ts";
import { tableSizes } from "./disk.ts";
import { dueAt, fitLine, growthOf, lastHalf, latencyOf, refundsIn, sizesOf } from "./figures.ts";

describe("latency", () => {
  it("of a service that stalls for a second counts everybody who came meanwhile", () => {
    // 100 a second; nobody is served from 1 s to 2 s, everybody else within 1 ms.
    const latencies = Array.from({ length: 400 }, (_, place) => {
      const due = dueAt(place, 100);
      return due >= 1_000 && due < 2_000 ? 2_000 - due : 1;
    });
    expect(latencyOf(latencies)).toEqual({ count: 400, p50: 1, p95: 800, p99: 960, max: 1_000 });
  });

  it("is one that was really seen, also of a single request", () => {
    expect(latencyOf([7])).toEqual({ count: 1, p50: 7, p95: 7, p99: 7, max: 7 });
    const { p50, p99 } = latencyOf([3, 1, 2, 4]);
    expect([p50, p99]).toEqual([2, 4]);
  });
});

describe("the line through the memory", () => {
  it("finds a leak of so many bytes a charge under noise, and says how sure it is", () => {
    const noise = (x: number) => ((x * 7919) % 13) * 1_000 - 6_000;
    const leak = Array.from(
      { length: 200 },
      (_, x) => [x * 10, 5_000_000 + x * 10 * 300 + noise(x)] as const,
    );
    const line = fitLine(leak);
    expect(line?.slope).toBeGreaterThan(290);
    expect(line?.slope).toBeLessThan(310);
    expect(line?.error).toBeLessThan(5);
    const still = leak.map(([x, y]) => [x, y - x * 300] as const);
    expect(Math.abs(fitLine(still)?.slope ?? 1)).toBeLessThan(2 * (fitLine(still)?.error ?? 0) + 1);
  });

  it("is not drawn where there is none", () => {
    expect(
      fitLine([
        [1, 2],
        [2, 3],
      ]),
    ).toBeNull();
    expect(
      fitLine([
        [1, 2],
        [1, 3],
        [1, 4],
      ]),
    ).toBeNull();
  });

  it("leaves the first half out, in which caches fill", () => {
    expect(lastHalf([1, 2, 3, 4, 5])).toEqual([3, 4, 5]);
  });
});

describe("what is stored", () => {
  it("is measured in the pages that a database takes, the free ones included", () => {
    const db = new DatabaseSync(":memory:");
    db.exec("create table refunds (seq integer primary key, doc text not null)");
    expect(bytesOf(db)).toBe(2 * 4096);
    const insert = db.prepare("insert into refunds (doc) values (?)");
    for (let i = 0; i < 10; i++) insert.run("x".repeat(3_000));
    const full = bytesOf(db);
    expect(full).toBeGreaterThanOrEqual(12 * 4096);
    db.exec("delete from refunds");
    expect(bytesOf(db)).toBe(full);
  });

  it("is told by table, each with its indexes", () => {
    const db = new DatabaseSync(":memory:");
    db.exec(
      "create table refunds (id text); create index by_id on refunds (id); create table empty (id text)",
    );
    const insert = db.prepare("insert into refunds values (?)");
    for (let i = 0; i < 100; i++) insert.run(`${i}`.padStart(100, "x"));
    const [refunds, ...others] = tableSizes(db);
    expect(others).toEqual([]);
    expect(refunds).toMatchObject({ table: "refunds", rows: 100 });
    // 10,000 bytes of text, twice.
    expect(refunds?.bytes).toBeGreaterThan(20_000);
    expect(refunds?.bytes).toBeLessThan(50_000);
  });

  it("grows by charge and by refund, and what passes is told apart from what lasts", () => {
    const tables = [
      { table: "charges", rows: 10, bytes: 10_000 },
      { table: "refunds", rows: 20, bytes: 20_000 },
      { table: "events", rows: 40, bytes: 40_000 },
      { table: "deliveries", rows: 40, bytes: 8_000 },
      { table: "delivery_attempts", rows: 40, bytes: 2_000 },
      { table: "apps", rows: 1, bytes: 4_096 },
    ];
    expect(growthOf(tables, 10, 20)).toEqual({ perCharge: 1_000, perRefund: 3_500, lasting: 3_000 });
    expect(refundsIn(10e9, 3_500, 1_000)).toBe(2_222_222);
  });

  it("has a median and a maximum that were really seen", () => {
    expect(sizesOf([8192, 12288, 16384, 12288])).toEqual({ count: 4, median: 12288, max: 16384 });
  });
});
