import { afterEach, describe, expect, it } from "vitest";
import type { RefundOrder } from "../../src/channels/channel.ts";
import { sandboxOverHttp } from "../../src/channels/sandbox/client.ts";
import { type SandboxServer, startSandboxServer } from "../emulators/sandbox-server.ts";

const listening = new AbortController().signal;
let server: SandboxServer;
afterEach(() => server.close());

let minted = 0;
/** An order with a number of its own. */
function orderOf(description: string, changes: Partial<RefundOrder> = {}): RefundOrder {
  minted += 1;
  return {
    number: `number${minted}`,
    amount: 100,
    currency: "cny",
    chargeAmount: 1000,
    charge: "ch_1",
    chargeOrderNo: "order 1",
    transactionNo: null,
    channel: "alipay",
    livemode: false,
    description,
    fundingSource: null,
    attempt: 1,
    submittedAt: null,
    created: Math.floor(Date.now() / 1000),
    memory: null,
    ...changes,
  };
}

describe("the sandbox as a server", () => {
  it("says over HTTP what the sandbox says in the Worker, and writes it down", async () => {
    server = await startSandboxServer();
    const channel = sandboxOverHttp(server.url);
    const kinds: Record<string, string[]> = {};
    for (const word of ["succeed", "declined", "timeout_lost", "error", "abnormal", "silent", "throttled"]) {
      const order = orderOf(`[sandbox:${word}]`, { charge: `ch_${word}` });
      const submission = await channel.refund(order, null, Date.now(), listening);
      const query = await channel.query(order, null, Date.now(), listening);
      kinds[word] = [submission.kind, query.kind];
    }
    expect(kinds).toEqual({
      succeed: ["succeeded", "succeeded"],
      declined: ["declined", "declined"],
      timeout_lost: ["unknown", "notFound"],
      error: ["unknown", "notFound"],
      abnormal: ["accepted", "accepted"],
      silent: ["unknown", "unknown"],
      throttled: ["notSent", "notFound"],
    });
    expect(server.books.moved("ch_succeed")).toBe(100);
    expect(server.books.moved("ch_declined")).toBe(0);
  });

  it("moves money once for a number, however often it is submitted and whatever breaks on the way", async () => {
    server = await startSandboxServer({
      seed: 7,
      faults: { dropAfter: 0.3, errorAfter: 0.2, errorBefore: 0.2 },
    });
    const channel = sandboxOverHttp(server.url);
    const order = orderOf("once");
    for (let i = 0; i < 20; i++) await channel.refund(order, null, Date.now(), listening);
    const book = server.books.numbers.get(order.number);
    expect(book?.effects).toBe(1);
    expect(book?.submissions).toBeGreaterThan(1);
    expect(server.books.moved("ch_1")).toBe(100);
    expect(server.books.violations).toEqual([]);
  });

  it("knows nothing of a number that never reached it", async () => {
    server = await startSandboxServer();
    const verdict = await sandboxOverHttp(server.url).query(orderOf("never"), null, Date.now(), listening);
    expect(verdict.kind).toBe("notFound");
  });

  it("refuses more than was paid and remembers that it was asked", async () => {
    server = await startSandboxServer();
    const channel = sandboxOverHttp(server.url);
    await channel.refund(orderOf("most", { amount: 950 }), null, Date.now(), listening);
    const verdict = await channel.refund(orderOf("too much", { amount: 51 }), null, Date.now(), listening);
    expect(verdict).toMatchObject({ kind: "declined", code: "AMOUNT_EXCEEDED" });
    expect(server.books.moved("ch_1")).toBe(950);
    expect(server.books.violations).toHaveLength(1);
  });

  it("is heard as unknown once it is gone", async () => {
    server = await startSandboxServer();
    await server.close();
    const verdict = await sandboxOverHttp(server.url).refund(orderOf("late"), null, Date.now(), listening);
    expect(verdict).toMatchObject({ kind: "unknown", failureCode: "channel_connection_error" });
  });
});
