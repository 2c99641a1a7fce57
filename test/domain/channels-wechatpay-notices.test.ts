import { describe, expect, it } from "vitest";
import type { NoticeReading } from "../../src/channels/channel.ts";
import { wechatpay } from "../../src/channels/wechatpay/client.ts";
import { Receiver, status } from "../emulators/receiver.ts";
import { account, closing, type Merchant, openMerchant, portsOf } from "./channels-wechatpay-fixture.ts";

type Posted = { headers: Record<string, string>; body: string | Uint8Array };

/** What the connector makes of a notice, as it came over the wire. */
function read(merchant: Merchant, { headers, body }: Posted, now = Date.now()): Promise<NoticeReading> {
  const heard = { headers: new Headers(headers), body: new Uint8Array(Buffer.from(body)) };
  const reading = merchant.channel.readNotice?.(heard, merchant.account, now);
  if (reading === undefined) throw new Error("it reads no notices");
  return reading;
}

async function booked(status: "processing" | "succeeded" | "failed" | "stuck") {
  const merchant = await openMerchant({ faults: { processing: 1, processingMs: 1e9 } });
  const ten = merchant.order();
  await merchant.refund(ten);
  if (status !== "processing") merchant.emulator.move(ten.number, status);
  const refund = merchant.emulator.books.numbers.get(ten.number);
  if (refund === undefined) throw new Error("not booked");
  return { merchant, ten, refund };
}

const refused = (reason: string) => ({ kind: "refused", reason });

describe("a notice", () => {
  it.each([
    ["succeeded", { kind: "succeeded", succeededAt: expect.any(Number) }],
    ["failed", { kind: "declined", code: "CLOSED" }],
    ["stuck", { kind: "accepted", attention: "channel_abnormal" }],
  ] as const)("of a refund that is %s says so, by either key", async (status, verdict) => {
    const { merchant, ten, refund } = await booked(status);
    for (const key of [0, 1] as const) {
      merchant.emulator.signWith(key);
      expect(await read(merchant, merchant.emulator.notice(refund))).toMatchObject({
        kind: "verdict",
        verdict: { ...verdict, number: ten.number, amount: 1000, currency: null },
      });
    }
    expect(await merchant.query(ten)).toMatchObject(verdict);
  });

  it("E19: brings WeChat's own number of the refund", async () => {
    const { merchant, refund } = await booked("succeeded");
    const reading = await read(merchant, merchant.emulator.notice(refund));
    expect(reading).toMatchObject({ verdict: { transactionNo: refund.order.refundId } });
  });

  it("may have no associated data", async () => {
    const { merchant, refund } = await booked("succeeded");
    const plain = JSON.stringify({
      mchid: "1900000109",
      out_refund_no: refund.number,
      refund_status: "SUCCESS",
      amount: { refund: 1000 },
    });
    const notice = merchant.emulator.envelope("REFUND.SUCCESS", plain, "good", "");
    expect(await read(merchant, notice)).toMatchObject({ kind: "verdict", verdict: { kind: "succeeded" } });
  });

  it("E41: that is forged, a probe, stale or of an unknown serial is refused", async () => {
    const { merchant, refund } = await booked("succeeded");
    const { notice } = merchant.emulator;
    expect(await read(merchant, notice(refund, "forged"))).toEqual(refused("signature"));
    expect(await read(merchant, notice(refund, "probe"))).toEqual(refused("signature"));
    expect(await read(merchant, notice(refund, "stale"))).toEqual(refused("stale"));
    expect(await read(merchant, notice(refund), Date.now() + 302_000)).toEqual(refused("stale"));
    expect(await read(merchant, notice(refund), Date.now() - 302_000)).toEqual(refused("stale"));
    const good = notice(refund);
    const headers = { ...good.headers, "wechatpay-serial": "PUB_KEY_ID_OTHER" };
    expect(await read(merchant, { ...good, headers })).toEqual(refused("serial"));
    expect(await read(merchant, { ...good, headers: {} })).toEqual(refused("malformed"));
    expect(await read(merchant, { ...good, body: `${good.body} ` })).toEqual(refused("signature"));
    expect((await read(merchant, good)).kind).toBe("verdict");
  });

  it("is refused for its signature before a word of it is read", async () => {
    const { merchant } = await booked("succeeded");
    const garbage = merchant.emulator.envelope("REFUND.SUCCESS", "{}", "forged");
    expect(await read(merchant, { ...garbage, body: "no JSON" })).toEqual(refused("signature"));
    expect(await read(merchant, { ...garbage, body: new Uint8Array(65_537) })).toEqual(refused("malformed"));
  });

  it("that is well signed and not what a notice is, is malformed", async () => {
    const { merchant } = await booked("succeeded");
    const { envelope } = merchant.emulator;
    for (const plain of ["", "no JSON", "{}", "[]", '{"out_refund_no":"","refund_status":"SUCCESS"}']) {
      expect(await read(merchant, envelope("REFUND.SUCCESS", plain)), plain).toEqual(refused("malformed"));
    }
  });

  it("that was sealed with another key than the account's is malformed, not believed", async () => {
    const { merchant, refund } = await booked("succeeded");
    const credentials = async () => ({ ...merchant.emulator.credentials, api_v3_key: "x".repeat(32) });
    const other = { ...merchant, channel: wechatpay(portsOf({ credentials })), account: account() };
    expect(await read(other, merchant.emulator.notice(refund))).toEqual(refused("malformed"));
  });

  it("about something else, or for another merchant, is ignored", async () => {
    const { merchant } = await booked("succeeded");
    const { envelope } = merchant.emulator;
    expect(await read(merchant, envelope("TRANSACTION.SUCCESS", "{}"))).toEqual({
      kind: "ignored",
      about: "TRANSACTION.SUCCESS",
    });
    const plain = JSON.stringify({ mchid: "1900000999", out_refund_no: "1", refund_status: "SUCCESS" });
    expect(await read(merchant, envelope("REFUND.SUCCESS", plain))).toMatchObject({ kind: "ignored" });
  });

  it("with a status that is in no table leaves the outcome open", async () => {
    const { merchant } = await booked("processing");
    for (const refund_status of ["REFUNDED", undefined]) {
      const plain = JSON.stringify({ mchid: "1900000109", out_refund_no: "1", refund_status });
      const reading = await read(merchant, merchant.emulator.envelope("REFUND.NEW", plain));
      expect(reading).toMatchObject({ kind: "verdict", verdict: { kind: "unknown", number: "1" } });
    }
  });

  it("is answered 204 when it is kept, 401 when refused, 500 when it could not be kept", async () => {
    const { channel } = await openMerchant();
    expect(channel.noticeAnswer?.("kept")).toEqual({ status: 204, body: null });
    for (const [outcome, status] of [
      ["refused", 401],
      ["failed", 500],
    ] as const) {
      const answer = channel.noticeAnswer?.(outcome);
      expect(answer).toMatchObject({ status, contentType: "application/json" });
      expect(JSON.parse(answer?.body ?? "")).toEqual({ code: "FAIL", message: expect.any(String) });
    }
  });

  it("cannot be read without the account's keys, which is nobody's word about the notice", async () => {
    const { merchant, refund } = await booked("succeeded");
    const sealed = { ...merchant, channel: wechatpay(portsOf({})), account: account() };
    await expect(read(sealed, merchant.emulator.notice(refund))).rejects.toThrow();
  });
});

describe("the emulator's notices", () => {
  /** A shop whose notices come to a receiver on loopback. */
  async function notified(faults: Record<string, number>) {
    const receiver = closing(await Receiver.open());
    const merchant = await openMerchant({
      faults,
      ports: { notifyUrl: async () => receiver.url("/notify/wechatpay") },
    });
    return { receiver, merchant };
  }

  it("come over HTTP, before the answer if need be, and again until they are taken", async () => {
    const { receiver, merchant } = await notified({ noticeEarly: 1 });
    receiver.behave("/notify/wechatpay", status(500), status(204));
    const ten = merchant.order();
    expect((await merchant.refund(ten)).kind).toBe("succeeded");
    await merchant.emulator.notices.settled();
    const [first, again] = receiver.at("/notify/wechatpay");
    expect(receiver.book).toHaveLength(2);
    for (const received of [first, again]) {
      expect(received && (await read(merchant, received))).toMatchObject({
        verdict: { kind: "succeeded", number: ten.number },
      });
    }
    expect(merchant.emulator.notices.sent.map(({ status }) => status)).toEqual([500, 204]);
  });

  it("come late, twice and in bad company, and only the good ones are believed", async () => {
    const { receiver, merchant } = await notified({
      noticeLate: 1,
      noticeLateMs: 30,
      noticeTwice: 1,
      noticeForged: 1,
      noticeStale: 1,
      noticeProbe: 1,
    });
    await merchant.refund(merchant.order());
    await merchant.emulator.notices.settled();
    const readings = await Promise.all(receiver.book.map((received) => read(merchant, received)));
    const kinds = readings.map((reading) => (reading.kind === "refused" ? reading.reason : reading.kind));
    expect(kinds.sort()).toEqual(["signature", "signature", "stale", "verdict", "verdict"]);
  });
});
