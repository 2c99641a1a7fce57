// A notice from a channel: its address, then its signature, then the ledger of the refund it names, and the orphan inbox
// for what nobody here knows. It is acknowledged once it is kept, and never before.
import { CALL } from "../charges/ledger-calls.ts";
import { callLedger } from "../charges/ledger-client.ts";
import { areOwnLedgers } from "../charges/own-ledgers.ts";
import { findPaidCharge } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import { recordDispute } from "../disputes/record-dispute.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { isId } from "../ids.ts";
import { log } from "../log.ts";
import { findRefund } from "../refunds/repository.ts";
import type { Channel, ChannelAccount, Notice, NoticeAnswer, NoticeReading, Verdict } from "./channel.ts";
import { wholeChannel } from "./channels.ts";
import { isNotifyTag, type NotifyPath } from "./notify-url.ts";
import { keepOrphan, listNoticeAccounts } from "./repository.ts";

const PATIENCE_MS = 3_000;

/** What to answer the channel; null when the address was not made here. `now` in ms. */
export async function receiveNotice(
  env: Env,
  path: NotifyPath,
  tag: string,
  notice: Notice,
  now: number,
): Promise<NoticeAnswer | null> {
  if (!(await isNotifyTag(env.MASTER_KEYS, path, tag))) return null;
  const channel = await wholeChannel(path.channel, path.livemode, env);
  if (channel?.readNotice === undefined) return null;
  const answer = (outcome: "kept" | "refused" | "failed"): NoticeAnswer =>
    channel.noticeAnswer?.(outcome) ?? { status: STATUS[outcome], body: null };
  try {
    const { app, livemode } = path;
    const db = database(env, app, livemode);
    const [isOurs, accounts] = await Promise.all([
      !livemode || areOwnLedgers(env, db),
      listNoticeAccounts(db, app, livemode, path.channel),
    ]);
    // The channel says it again, until it reaches the ledgers that know what it is about.
    if (!isOurs) return answer("failed");
    const reading = await readByAny(channel, accounts, notice, now);
    if (reading.kind === "refused") {
      alert("notice_refused", { channel: path.channel, app, reason: reading.reason });
      return answer("refused");
    }
    return answer((await take(env, path, reading, now)) ? "kept" : "failed");
  } catch (error) {
    alert("notice_not_kept", { channel: path.channel, error: error instanceof Error ? error.name : "Error" });
    return answer("failed");
  }
}

const STATUS = { kept: 200, refused: 401, failed: 500 } as const;

/** The first account whose keys fit: while keys are rotated, either may have signed. */
async function readByAny(
  channel: Channel,
  accounts: readonly ChannelAccount[],
  notice: Notice,
  now: number,
): Promise<NoticeReading> {
  let refused: NoticeReading = { kind: "refused", reason: "signature" };
  let unopened: unknown = null;
  for (const account of accounts) {
    try {
      const reading = await channel.readNotice?.(notice, account, now);
      if (reading === undefined) continue;
      if (reading.kind !== "refused") return reading;
      refused = reading;
    } catch (error) {
      unopened ??= error;
    }
  }
  // One whose credentials cannot be opened may have signed it: that is no refusal.
  if (unopened !== null) throw unopened;
  return refused;
}

/** False when it could not be kept anywhere: the channel must send it again. */
async function take(
  env: Env,
  path: NotifyPath,
  reading: Exclude<NoticeReading, { kind: "refused" }>,
  now: number,
): Promise<boolean> {
  switch (reading.kind) {
    case "ignored":
      return true;
    case "dispute":
      return await takeDispute(env, path, reading, now);
    case "verdict":
      return await takeVerdict(env, path, reading.verdict, reading.charge ?? path.charge ?? null, now);
  }
}

async function takeVerdict(
  env: Env,
  path: NotifyPath,
  verdict: Verdict,
  named: string | null,
  now: number,
): Promise<boolean> {
  const { app, livemode } = path;
  const refund = `re_${verdict.number}`;
  if (isId("refund", refund)) {
    // The number that is signed decides which refund it is; the address only says where to look first.
    if (named !== null) {
      const heard = await apply(env, { app, livemode, charge: named }, refund, verdict);
      if (heard !== "unknown") return heard === "applied";
    }
    const found = await findRefund(database(env, app, livemode), app, livemode, refund);
    if (found !== undefined && found.charge !== named) {
      const heard = await apply(env, { app, livemode, charge: found.charge }, refund, verdict);
      if (heard !== "unknown") return heard === "applied";
    }
  }
  await keep(env, path, verdict.number, named, verdict, now);
  return true;
}

async function apply(
  env: Env,
  reference: { app: string; livemode: boolean; charge: string },
  refund: string,
  verdict: Verdict,
): Promise<"applied" | "unknown" | "failed"> {
  if (!isId("charge", reference.charge)) return "unknown";
  const outcome = await callLedger(env, reference, null, PATIENCE_MS, (ledger) =>
    ledger.apply({ ...CALL, refund, verdict, source: "notice" }),
  );
  if ("failed" in outcome) return "failed";
  const { answer } = outcome;
  if ("ok" in answer) return "applied";
  if ("unhydrated" in answer || answer.refusal.code === "unknown_refund") return "unknown";
  return "failed";
}

async function takeDispute(
  env: Env,
  path: NotifyPath,
  { dispute, charge, transactionNos }: Extract<NoticeReading, { kind: "dispute" }>,
  now: number,
): Promise<boolean> {
  const { app, livemode, channel } = path;
  const db = database(env, app, livemode);
  const named =
    charge ?? (await findPaidCharge(db, app, livemode, channel, transactionNos)) ?? path.charge ?? null;
  const known =
    named !== null && isId("charge", named)
      ? await recordDispute(env, { app, livemode, charge: named }, dispute).catch(unlessTooMany)
      : null;
  if (known === null) await keep(env, path, dispute.id, named, dispute, now);
  return true;
}

/** Telling it again would not help: a person must look. */
function unlessTooMany(error: unknown): null {
  if (error instanceof ProblemError && error.problem.code === "too_many_disputes") return null;
  throw error;
}

async function keep(
  env: Env,
  { app, livemode, channel }: NotifyPath,
  number: string,
  charge: string | null,
  said: unknown,
  now: number,
): Promise<void> {
  // The same news makes the same row, however often the channel brings it.
  const text = JSON.stringify([app, livemode, channel, number, { ...(said as object), askedAt: null }]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const id = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  alert("notice_orphan", { channel, app, number: number.slice(0, 64) });
  await keepOrphan(database(env, app, livemode), {
    id,
    app,
    livemode,
    channel,
    charge: charge ?? "",
    number: number.slice(0, 64),
    verdict: said,
    receivedAt: now,
  });
}

function alert(kind: string, facts: Record<string, string>): void {
  log("error", { alert: kind, ...facts });
}
