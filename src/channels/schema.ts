// Channel accounts on the wire: credentials go in and never come out.
import * as z from "zod";
import { plainText } from "../http/wire.ts";
import { connectorOf } from "./channels.ts";
import type { AccountRow, OrphanRow } from "./repository.ts";

/** The connector's own check says what belongs into them. */
const credentials = z.record(z.string(), z.unknown());

export const createAccountSchema = z.strictObject({
  /** A channel name as charges have it: `wx_pub`, `alipay`, … */
  channel: z.string().regex(/^[a-z0-9_]{1,32}$/),
  credentials,
  description: plainText(0, 255).nullish(),
});

/** Body of a rotation: the same merchant with other keys. */
export const updateAccountSchema = z.strictObject({
  /** May be given as it is, so that the body of a create will do. */
  channel: z.string().optional(),
  credentials: credentials.optional(),
  description: plainText(0, 255).nullish(),
});

export const accountSchema = z.object({
  id: z.string(),
  object: z.literal("channel_account"),
  channel: z.string(),
  connector: z.string(),
  livemode: z.boolean(),
  revision: z.int(),
  merchant: z.string(),
  notice_keys: z.array(z.string()),
  /** Where the channel is to be told to send its notices, if it takes one address for all. */
  notice_url: z.string().nullable(),
  description: z.string().nullable(),
  created: z.int(),
  retired_at: z.int().nullable(),
});
export type AccountObject = z.output<typeof accountSchema>;

/** A signed notice that no refund here fits: `verdict` is what the channel said, as its connector read it. */
export const orphanSchema = z.object({
  id: z.string(),
  object: z.literal("orphan_notice"),
  channel: z.string(),
  charge: z.string().nullable(),
  number: z.string(),
  verdict: z.record(z.string(), z.unknown()),
  received: z.int(),
  livemode: z.boolean(),
});

export function orphanObject(orphan: OrphanRow): z.output<typeof orphanSchema> {
  return {
    id: orphan.id,
    object: "orphan_notice",
    channel: orphan.channel,
    charge: orphan.charge === "" ? null : orphan.charge,
    number: orphan.number,
    verdict: orphan.verdict as Record<string, unknown>,
    received: Math.floor(orphan.receivedAt / 1000),
    livemode: orphan.livemode,
  };
}

export const accountCheckSchema = z.object({
  object: z.literal("channel_account_check"),
  account: z.string(),
  status: z.enum(["ok", "refused", "unknown", "unsupported"]),
  code: z.string().nullable(),
  message: z.string().nullable(),
});

export function accountObject(account: AccountRow, noticeUrl: string | null): AccountObject {
  return {
    id: account.id,
    object: "channel_account",
    channel: account.channel,
    connector: connectorOf(account.channel) ?? account.channel,
    livemode: account.livemode,
    revision: account.revision,
    merchant: account.merchant,
    notice_keys: account.noticeKeys,
    notice_url: noticeUrl,
    description: account.description,
    created: account.created,
    retired_at: account.retiredAt,
  };
}
