// What WeChat Pay sends by itself when a refund has ended or is stuck. Its signature comes first: nothing of a notice
// is parsed, and nothing decrypted, before it is known to be WeChat's.
import type { Notice, NoticeAnswer, NoticeReading, Verdict } from "../channel.ts";
import type { Access } from "./credentials.ts";
import { noticeSchema, refundNoticeSchema } from "./schema.ts";
import { decrypt, signatureFault } from "./signature.ts";
import { verdictOfRefund } from "./verdict.ts";

const NOTICE_BYTES_MAX = 65_536;
const MALFORMED: NoticeReading = { kind: "refused", reason: "malformed" };

export async function readNotice(notice: Notice, access: Access, now: number): Promise<NoticeReading> {
  if (notice.body.byteLength > NOTICE_BYTES_MAX) return MALFORMED;
  const fault = await signatureFault(notice.headers, notice.body, access.platformKeys, now);
  if (fault !== null) return { kind: "refused", reason: fault };
  const envelope = noticeSchema.safeParse(parsed(notice.body));
  if (!envelope.success) return MALFORMED;
  const { event_type, resource } = envelope.data;
  if (!event_type.startsWith("REFUND.")) return { kind: "ignored", about: event_type };
  let plain: string;
  try {
    plain = await decrypt(access.apiKey, resource);
  } catch {
    return MALFORMED;
  }
  const refund = refundNoticeSchema.safeParse(parsed(plain));
  if (!refund.success) return MALFORMED;
  if (refund.data.mchid !== access.mchid) return { kind: "ignored", about: "another merchant" };
  const { out_refund_no, refund_id, refund_status, success_time, amount } = refund.data;
  const verdict: Verdict = verdictOfRefund(
    {
      number: out_refund_no,
      status: refund_status ?? null,
      refundId: refund_id ?? null,
      amount: amount?.refund ?? null,
      currency: amount?.currency ?? null,
      successTime: success_time ?? null,
    },
    now,
  );
  return { kind: "verdict", verdict };
}

/** WeChat sends a notice again, for a day, until it hears 2xx within five seconds. */
export function noticeAnswer(outcome: "kept" | "refused" | "failed"): NoticeAnswer {
  if (outcome === "kept") return { status: 204, body: null };
  const [status, message] = outcome === "refused" ? [401, "签名验证失败"] : [500, "处理失败"];
  return { status, body: JSON.stringify({ code: "FAIL", message }), contentType: "application/json" };
}

/** JSON, or undefined. */
export function parsed(text: string | Uint8Array): unknown {
  try {
    return JSON.parse(
      typeof text === "string"
        ? text
        : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text),
    );
  } catch {
    return undefined;
  }
}
