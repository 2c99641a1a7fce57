// An app's settings, with their defaults. The names are the ones a merchant sees and sets.

import * as z from "zod";
import { LANGUAGES } from "../refunds/refund.ts";

const DAYS_MAX = 3650;
const DELAY_MAX = 30 * 86_400;

/** Minor units by currency (ISO 4217, lower case); `*` stands for every currency that is not named. */
const amountsByCurrency = z
  .record(z.string().regex(/^([a-z]{3}|\*)$/), z.int().min(0).max(Number.MAX_SAFE_INTEGER))
  .default({});

export const appSettingsSchema = z.strictObject({
  /** Seconds after its answer in which an SDK's keyless repeat of a refund joins the first one. */
  duplicate_window_seconds: z.int().min(0).max(600).default(15),
  /** Refuse a refund without `amount` instead of refunding everything that is left. */
  require_amount: z.boolean().default(false),
  /** The largest `limit` of the refund list. */
  list_limit_max: z.int().min(1).max(100).default(20),
  /** The largest amount of a charge, minor units. 2^31 - 1 because Java and C# read 32-bit integers. */
  charge_amount_max: z.int().min(1).max(Number.MAX_SAFE_INTEGER).default(2_147_483_647),
  /** Days after payment in which a channel refunds, by channel name. */
  refund_windows: z.record(z.string(), z.int().min(1).max(DAYS_MAX)).default({}),
  /** Refunds of a charge that have not failed. */
  refunds_max: z.int().min(1).max(200).default(50),
  /** Refunds of a charge in all, failed ones included. */
  refund_attempts_max: z.int().min(1).max(500).default(200),
  /** Take `metadata.refund_no` for the refund_no, for SDKs that can send neither key. */
  metadata_refund_no: z.boolean().default(false),
  /** Sign every answer with the app's key (`X-Pingplusplus-Signature`). */
  response_signing: z.boolean().default(false),
  /** PEM of the merchant's RSA public key; when set, every mutating request must be signed with its private half. */
  public_key: z.string().max(4096).nullable().default(null),
  /** Confirm a payment at the channel before its first live refund. */
  verify_payments: z.boolean().default(true),
  /** A refund that brings those of its charge within 24 hours above this sum waits for approval with another key. */
  approval_limit: amountsByCurrency,
  /** Seconds a refund waits before it is sent; until then it can be canceled. */
  delay_seconds: z.int().min(0).max(DELAY_MAX).default(0),
  /** What all refunds of the app within 24 hours may come to, in each mode. */
  daily_amount_max: amountsByCurrency,
  /** How many refunds the app may make within 24 hours, in each mode; null for any number. */
  daily_refunds_max: z.int().min(0).max(10_000_000).nullable().default(null),
  /** Requests a second of one API key; twice as many may come at once. */
  rate_limit: z.int().min(1).max(10_000).default(100),
  /** Language of messages when the request does not say. */
  language: z.enum(LANGUAGES).default("zh"),
  /** Where new ledgers should live, one of Cloudflare's location hints. */
  location_hint: z
    .enum(["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"])
    .nullable()
    .default(null),
});

export type AppSettings = z.infer<typeof appSettingsSchema>;
export const DEFAULT_SETTINGS: AppSettings = appSettingsSchema.parse({});
