// Alipay's notices: forms, signed as in v1. They tell of a trade, go to the address that its payment named, and none
// comes for most refunds, so they are a hint to ask and never a verdict: `refund_fee` in them is the trade's total.
import type { Notice, NoticeAnswer, NoticeReading } from "../channel.ts";
import { beijingTime } from "./beijing-time.ts";
import type { Access } from "./credentials.ts";
import { noticeSchema } from "./schema.ts";
import { isNoticeSigned } from "./signature.ts";

const TOLERANCE_MS = 300_000;
const NOTICE_BYTES_MAX = 65_536;
const PARAMETERS_MAX = 100;

export async function readNotice(notice: Notice, access: Access, now: number): Promise<NoticeReading> {
  // The signature covers the decoded parameters in their order: splitting the form is part of checking it.
  const parameters = parametersOf(notice.body);
  if (parameters === null) return { kind: "refused", reason: "malformed" };
  const isSigned =
    parameters.get("sign_type") === "RSA2" && (await isNoticeSigned(access.alipayKeys, parameters));
  if (!isSigned) return { kind: "refused", reason: "signature" };
  const read = noticeSchema.safeParse(Object.fromEntries(parameters));
  if (!read.success) return { kind: "refused", reason: "malformed" };
  const { app_id, seller_id, notify_time, trade_no, out_biz_no } = read.data;
  // Alipay signs the notices of several apps of a merchant with one key.
  const isAnothers = app_id !== access.appId || (access.sellerId !== null && seller_id !== access.sellerId);
  if (isAnothers) return { kind: "refused", reason: "malformed" };
  const sentAt = beijingTime(notify_time);
  if (sentAt === null) return { kind: "refused", reason: "malformed" };
  if (Math.abs(now - sentAt) > TOLERANCE_MS) return { kind: "refused", reason: "stale" };
  return { kind: "ignored", about: out_biz_no ? `refund ${out_biz_no}` : `trade ${trade_no}` };
}

/** Alipay stops repeating itself when it reads this one word. */
export function noticeAnswer(outcome: "kept" | "refused" | "failed"): NoticeAnswer {
  const contentType = "text/plain; charset=utf-8";
  if (outcome === "kept") return { status: 200, body: "success", contentType };
  return { status: outcome === "refused" ? 401 : 500, body: "fail", contentType };
}

/** Null for what is no form in UTF-8, or says one thing twice: only one of the two would be what is read. */
function parametersOf(body: Uint8Array): Map<string, string> | null {
  if (body.byteLength > NOTICE_BYTES_MAX) return null;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return null;
  }
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (parameters.has(name) || parameters.size === PARAMETERS_MAX) return null;
    parameters.set(name, value);
  }
  const charset = parameters.get("charset")?.toLowerCase() ?? "utf-8";
  return parameters.size > 0 && charset === "utf-8" ? parameters : null;
}
