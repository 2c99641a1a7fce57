// Stripe's events: the signature over the raw bytes, whose refund they are about, and disputes.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NoticeReading } from "../../src/channels/channel.ts";
import { checkSignature } from "../../src/channels/stripe/signature.ts";
import {
  type StripeEmulator,
  type StripePost,
  startStripeEmulator,
  stripeSignature,
} from "../emulators/stripe.ts";
import { account, anOrder, connectorFor, never } from "./channels-stripe-fixture.ts";

const VECTOR = JSON.parse(
  readFileSync(join(import.meta.dirname, "../vectors/connector_vectors.json"), "utf8"),
).stripe_webhook as { secret: string; payload: string; header: string };
const bytes = (text: string) => new Uint8Array(new TextEncoder().encode(text));

let emulator: StripeEmulator;
beforeAll(async () => {
  emulator = await startStripeEmulator();
});
afterAll(() => emulator.close());

const NOW = Date.UTC(2026, 4, 20, 12);

function read(post: StripePost, at = NOW, changes = {}): Promise<NoticeReading | undefined> {
  const credentials = { ...emulator.credentials, ...changes };
  const connector = connectorFor(emulator, { credentials: async () => credentials });
  const notice = { headers: new Headers(post.headers), body: bytes(post.body) };
  return Promise.resolve(connector.readNotice?.(notice, account, at));
}

const refund = {
  id: "re_3Refund",
  object: "refund",
  amount: 4000,
  currency: "usd",
  status: "succeeded",
  created: NOW / 1000 - 100,
  charge: "ch_3Charge",
  payment_intent: null,
  metadata: { refund_id: "re_0123456789ABCDEFGHIJKLMN", charge_id: "ch_0123456789ABCDEFGHIJKLMN" },
};
const signed = (type: string, object: object) => emulator.event(type, object, "good", NOW);
const withEvent = (post: StripePost, changes: object): StripePost => {
  const body = JSON.stringify({ ...JSON.parse(post.body), ...changes });
  return {
    body,
    headers: { "stripe-signature": stripeSignature(emulator.credentials.webhook_secrets, body, NOW) },
  };
};

describe("the signature", () => {
  const [timestamp, signature] = VECTOR.header.split(",") as [string, string];
  const at = Number(timestamp.slice(2)) * 1000;
  const check = (header: string | null, secrets = [VECTOR.secret], now = at, body = VECTOR.payload) =>
    checkSignature(header, bytes(body), secrets, now);

  it("of the vector verifies to the byte, and only with its secret and its body", async () => {
    expect(await check(VECTOR.header)).toBe("ok");
    expect(await check(VECTOR.header, ["whsec_another_secret"])).toBe("signature");
    expect(await check(VECTOR.header, [VECTOR.secret], at, `${VECTOR.payload} `)).toBe("signature");
    expect(await check(VECTOR.header, [])).toBe("signature");
  });

  it("may be one of several, under one of two live secrets", async () => {
    const other = `v1=${"0".repeat(64)}`;
    expect(await check(`${timestamp},${other},${signature}`)).toBe("ok");
    expect(await check(`${timestamp},${signature},${other}`, ["whsec_another_secret", VECTOR.secret])).toBe(
      "ok",
    );
  });

  it("holds for 300 seconds, in either direction (E41)", async () => {
    for (const [seconds, expected] of [
      [300, "ok"],
      [301, "stale"],
      [-300, "ok"],
      [-301, "stale"],
    ] as const) {
      expect(await check(VECTOR.header, [VECTOR.secret], at + seconds * 1000)).toBe(expected);
    }
  });

  it.each([
    ["nothing", null],
    ["no time", signature],
    ["no signature", timestamp],
    ["two times", `${timestamp},t=1,${signature}`],
    ["Stripe's scheme for test events", `${timestamp},${signature.replace("v1", "v0")}`],
    ["half a signature", `${timestamp},${signature.slice(0, 40)}`],
    ["no number for a time", `t=now,${signature}`],
    ["more signatures than Stripe sends", `${timestamp}${`,${signature}`.repeat(9)}`],
    ["a novel", `${timestamp},${signature},${"x".repeat(5000)}`],
  ])("that is %s is malformed", async (_name, header) => {
    expect(await check(header)).toBe("malformed");
  });

  it("is refused after any change to the time or the signature, whatever it is", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(VECTOR.header.length - 1),
        fc.constantFrom(..."0123456789abcdef,=tv "),
        async (place, letter) => {
          const header = VECTOR.header.slice(0, place) + letter + VECTOR.header.slice(place + 1);
          fc.pre(header !== VECTOR.header);
          expect(await check(header)).not.toBe("ok");
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("an event of a refund", () => {
  it.each(["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])(
    "%s is a verdict about the number in its metadata",
    async (type) => {
      expect(await read(signed(type, refund))).toEqual({
        kind: "verdict",
        verdict: {
          kind: "succeeded",
          number: "0123456789ABCDEFGHIJKLMN",
          amount: 4000,
          currency: "usd",
          askedAt: NOW,
          memory: "re_3Refund",
          transactionNo: "re_3Refund",
          succeededAt: NOW / 1000,
        },
        charge: "ch_0123456789ABCDEFGHIJKLMN",
      });
    },
  );

  it("that failed after it had succeeded says so (E13)", async () => {
    const failed = { ...refund, status: "failed", failure_reason: "expired_or_canceled_card" };
    expect(await read(signed("refund.failed", failed))).toMatchObject({
      verdict: { kind: "declined", code: "expired_or_canceled_card" },
    });
  });

  it("speaks of the currency's own minor units (E26)", async () => {
    const refunded = (currency: string, amount: number) =>
      read(signed("refund.updated", { ...refund, currency, amount }));
    expect(await refunded("jpy", 500)).toMatchObject({ verdict: { amount: 500, currency: "jpy" } });
    expect(await refunded("isk", 500)).toMatchObject({ verdict: { amount: 5 } });
    expect(await refunded("isk", 550)).toMatchObject({ verdict: { amount: 5.5 } });
    expect(await refunded("mga", 5)).toMatchObject({ verdict: { amount: 500 } });
  });

  it.each([
    ["no metadata", null],
    ["another system's number", { refund_id: "4711" }],
    ["a number with something after it", { refund_id: "re_0123456789ABCDEFGHIJKLMN/x" }],
  ])("that carries %s is ignored", async (_name, metadata) => {
    expect(await read(signed("refund.updated", { ...refund, metadata }))).toEqual({
      kind: "ignored",
      about: "refund.updated re_3Refund: no number of ours",
    });
  });

  it("that names no charge of ours leaves the charge to its address", async () => {
    const metadata = { refund_id: refund.metadata.refund_id, charge_id: "ch_1" };
    expect(await read(signed("refund.updated", { ...refund, metadata }))).not.toHaveProperty("charge");
  });

  it("of the other mode, or of another account, is ignored", async () => {
    const event = signed("refund.updated", refund);
    expect(await read(withEvent(event, { livemode: false }))).toMatchObject({ kind: "ignored" });
    const mine = { account: "acct_1Mine" };
    expect(await read(withEvent(event, { account: "acct_1Other" }), NOW, mine)).toMatchObject({
      kind: "ignored",
    });
    expect(await read(withEvent(event, mine), NOW, mine)).toMatchObject({ kind: "verdict" });
  });

  it("of a kind that is not asked for is ignored", async () => {
    expect(await read(signed("charge.refunded", { object: "charge" }))).toMatchObject({ kind: "ignored" });
  });
});

describe("a notice is refused", () => {
  it.each([
    ["forged", "signature"],
    ["stale", "stale"],
    ["probe", "malformed"],
  ] as const)("when it is %s (E41)", async (kind, reason) => {
    const post = emulator.event("refund.updated", refund, kind, NOW);
    expect(await read(post)).toEqual({ kind: "refused", reason });
  });

  it("without any secret to check it with", async () => {
    const post = signed("refund.updated", refund);
    expect(await read(post, NOW, { webhook_secrets: [] })).toEqual({ kind: "refused", reason: "signature" });
  });

  it("when its signed body is no event, or its object no refund", async () => {
    const malformed = { kind: "refused", reason: "malformed" };
    for (const body of ["", "{", "[]", '{"object":"event"}', '"refund.updated"']) {
      const header = stripeSignature(emulator.credentials.webhook_secrets, body, NOW);
      expect(await read({ body, headers: { "stripe-signature": header } })).toEqual(malformed);
    }
    expect(await read(signed("refund.updated", { ...refund, amount: "4000" }))).toEqual(malformed);
    expect(await read(signed("charge.dispute.closed", refund))).toEqual(malformed);
  });

  it("when it is longer than any event", async () => {
    const post = signed("refund.updated", { ...refund, padding: "x".repeat(300_000) });
    expect(await read(post)).toEqual({ kind: "refused", reason: "malformed" });
  });

  it("never because our own credentials cannot be opened: that is for us to repair", async () => {
    const connector = connectorFor(emulator, { credentials: () => Promise.reject(new Error("lost")) });
    const post = signed("refund.updated", refund);
    const notice = { headers: new Headers(post.headers), body: bytes(post.body) };
    await expect(connector.readNotice?.(notice, account, NOW)).rejects.toThrow("lost");
  });
});

describe("a dispute", () => {
  const dispute = {
    id: "du_1Dispute",
    object: "dispute",
    amount: 10_000,
    currency: "usd",
    status: "needs_response",
    charge: "ch_3Charge",
    payment_intent: "pi_3Intent",
  };

  it.each([
    ["charge.dispute.created", "needs_response", "opened"],
    ["charge.dispute.updated", "under_review", "opened"],
    ["charge.dispute.funds_withdrawn", "needs_response", "opened"],
    ["charge.dispute.closed", "won", "won"],
    ["charge.dispute.closed", "lost", "lost"],
  ])("%s with the status %s is %s (E29)", async (type, status, expected) => {
    expect(await read(signed(type, { ...dispute, status }))).toEqual({
      kind: "dispute",
      dispute: { id: "du_1Dispute", status: expected, amount: 10_000, currency: "usd" },
      transactionNos: expect.arrayContaining(["ch_3Charge"]),
    });
  });

  it("that is only an inquiry takes no money, and is ignored, as is a word of tomorrow", async () => {
    for (const status of ["warning_needs_response", "warning_closed", "prevented", "constructor"]) {
      expect(await read(signed("charge.dispute.created", { ...dispute, status }))).toEqual({
        kind: "ignored",
        about: `charge.dispute.created du_1Dispute: ${status}`,
      });
    }
  });
});

describe("Stripe hears", () => {
  it("200 for what was kept, 401 for what was refused, 500 for what could not be kept", () => {
    const { noticeAnswer } = connectorFor(emulator);
    expect(noticeAnswer?.("kept")).toEqual({ status: 200, body: null });
    expect(noticeAnswer?.("refused")).toEqual({ status: 401, body: null });
    expect(noticeAnswer?.("failed")).toEqual({ status: 500, body: null });
  });
});

describe("the emulator's own notices", () => {
  it("arrive early, twice and among forgeries, and every good one is readable", async () => {
    const noisy = await startStripeEmulator({
      faults: {
        processing: 1,
        processingMs: 40,
        noticeEarly: 1,
        noticeTwice: 1,
        noticeForged: 1,
        noticeStale: 1,
        noticeProbe: 1,
      },
    });
    const connector = connectorFor(noisy);
    const readings: NoticeReading[] = [];
    const service = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const headers = new Headers({ "stripe-signature": String(request.headers["stripe-signature"]) });
      const notice = { headers, body: new Uint8Array(Buffer.concat(chunks)) };
      const reading = await connector.readNotice?.(notice, account, Date.now());
      if (reading !== undefined) readings.push(reading);
      const answer = connector.noticeAnswer?.(reading?.kind === "refused" ? "refused" : "kept");
      response.writeHead(answer?.status ?? 500).end();
    });
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    noisy.notifyUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}/notify`;

    const order = anOrder(noisy);
    const verdict = await connector.refund(order, account, Date.now(), never());
    const early = readings.filter(({ kind }) => kind === "verdict").length;
    await noisy.notices.settled();
    await noisy.close();
    service.close();

    expect(verdict).toMatchObject({ kind: "accepted" });
    expect(early, "a notice came before the answer (E18)").toBeGreaterThan(0);
    const heard = readings.flatMap((one) => (one.kind === "verdict" ? [one.verdict] : []));
    expect(heard.map(({ kind }) => kind).sort()).toEqual(["accepted", "accepted", "succeeded", "succeeded"]);
    for (const one of heard) expect(one).toMatchObject({ number: order.number, memory: verdict.memory });
    const refused = readings.flatMap((one) => (one.kind === "refused" ? [one.reason] : []));
    expect(new Set(refused)).toEqual(new Set(["signature", "stale", "malformed"]));
  });

  it("are read as what the API says of the same refund", async () => {
    const order = anOrder(emulator);
    const verdict = await connectorFor(emulator).refund(order, account, NOW, never());
    const reading = await read(emulator.event("refund.created", emulator.render(order.number), "good", NOW));
    expect(reading).toMatchObject({
      kind: "verdict",
      charge: order.charge,
      verdict: { ...verdict, succeededAt: NOW / 1000 },
    });
  });
});
