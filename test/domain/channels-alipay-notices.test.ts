import { beforeEach, describe, expect, it } from "vitest";
import { alipay } from "../../src/channels/alipay/client.ts";
import type { Notice } from "../../src/channels/channel.ts";
import type { PostedNotice } from "../emulators/channel-emulator.ts";
import { type Merchant, newAccount, openMerchant, portsOf } from "./channels-alipay-fixture.ts";

let merchant: Merchant;
let number: string;

beforeEach(async () => {
  merchant = await openMerchant();
  const order = merchant.order();
  number = order.number;
  await merchant.refund(order);
});

const noticeWith = (body: string | number[]): Notice => ({
  headers: new Headers(),
  body: new Uint8Array(typeof body === "string" ? Buffer.from(body) : body),
});
const read = (body: string | number[], now = Date.now()) =>
  merchant.channel.readNotice?.(noticeWith(body), merchant.account, now);
const changed = (notice: PostedNotice, change: (form: URLSearchParams) => void) => {
  const form = new URLSearchParams(notice.body);
  change(form);
  return form.toString();
};

describe("a notice", () => {
  it("names the refund to ask about, and says nothing of its money", async () => {
    const { body } = merchant.emulator.noticeOf(number);
    expect(await read(body)).toEqual({ kind: "ignored", about: `refund ${number}` });
  });

  it("of a trade alone names the trade", async () => {
    const { body } = merchant.emulator.noticeOf(number, "good", { out_biz_no: "" });
    expect(await read(body)).toEqual({
      kind: "ignored",
      about: `trade ${merchant.payment.transactionNo}`,
    });
  });

  it("is read whatever the order of its parameters", async () => {
    const form = [...new URLSearchParams(merchant.emulator.noticeOf(number).body)].reverse();
    expect(await read(new URLSearchParams(form).toString())).toMatchObject({ kind: "ignored" });
  });

  it("may be signed with either of two live keys", async () => {
    merchant.emulator.signWith(1);
    expect(await read(merchant.emulator.noticeOf(number).body)).toMatchObject({ kind: "ignored" });
  });

  it.each(["forged", "probe"] as const)("E41: that is %s is refused", async (kind) => {
    const { body } = merchant.emulator.noticeOf(number, kind);
    expect(await read(body)).toEqual({ kind: "refused", reason: "signature" });
  });

  it.each<[what: string, change: (form: URLSearchParams) => void]>([
    ["another amount", (form) => form.set("refund_fee", "0.01")],
    ["another number", (form) => form.set("out_biz_no", "another")],
    ["one parameter more", (form) => form.set("extra", "1")],
    ["one parameter less", (form) => form.delete("subject")],
    ["no signature", (form) => form.delete("sign")],
    ["the weaker algorithm", (form) => form.set("sign_type", "RSA")],
    ["no algorithm", (form) => form.delete("sign_type")],
  ])("E41: with %s than was signed is refused", async (_, change) => {
    const body = changed(merchant.emulator.noticeOf(number), change);
    expect(await read(body)).toEqual({ kind: "refused", reason: "signature" });
  });

  it("E41: that is old, or of tomorrow, is refused", async () => {
    const { body } = merchant.emulator.noticeOf(number, "stale");
    expect(await read(body)).toEqual({ kind: "refused", reason: "stale" });
    const good = merchant.emulator.noticeOf(number).body;
    expect(await read(good, Date.now() - 310_000)).toEqual({ kind: "refused", reason: "stale" });
    expect(await read(good, Date.now() + 290_000)).toMatchObject({ kind: "ignored" });
  });

  it.each<[what: string, changes: Record<string, string>]>([
    ["for another app", { app_id: "2021000000000002" }],
    ["for another merchant", { seller_id: "2088000000000002" }],
    ["without a time", { notify_time: "" }],
    ["in another encoding", { charset: "gbk" }],
    ["too wordy to be one", { trade_no: "2".repeat(300) }],
  ])("%s is refused although it is signed", async (_, changes) => {
    const { body } = merchant.emulator.noticeOf(number, "good", changes);
    expect(await read(body)).toEqual({ kind: "refused", reason: "malformed" });
  });

  it("that says one thing twice is refused", async () => {
    const { body } = merchant.emulator.noticeOf(number);
    expect(await read(`${body}&out_biz_no=another`)).toEqual({ kind: "refused", reason: "malformed" });
    expect(await read(`out_biz_no=another&${body}`)).toEqual({ kind: "refused", reason: "malformed" });
  });

  it.each([
    ["empty", ""],
    ["not text", [0xff, 0xfe]],
    ["too large", `a=${"x".repeat(70_000)}`],
    ["too many", Array.from({ length: 101 }, (_, place) => `p${place}=1`).join("&")],
  ])("whose body is %s is refused", async (_, body) => {
    expect(await read(body)).toEqual({ kind: "refused", reason: "malformed" });
  });

  it("to an account that cannot be opened is not lost: reading it fails", async () => {
    const sealed = alipay(portsOf());
    await expect(sealed.readNotice?.(noticeWith("a=1"), newAccount(), Date.now())).rejects.toThrow();
  });

  it("is answered with the one word that ends it, or not", () => {
    const answer = merchant.channel.noticeAnswer;
    expect(answer?.("kept")).toMatchObject({ status: 200, body: "success" });
    expect(answer?.("refused")).toMatchObject({ status: 401, body: "fail" });
    expect(answer?.("failed")).toMatchObject({ status: 500, body: "fail" });
  });
});
