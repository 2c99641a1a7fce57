// What crosses from the Worker to a ledger and back. Both sides may run different versions during a deployment:
// every call says its version and which features it relies on, and a ledger that lacks one refuses.
import type { ChannelAccount, Verdict } from "../channels/channel.ts";
import type { Dispute, DisputeStatus } from "../disputes/dispute.ts";
import type {
  Attention,
  Fingerprints,
  FundingSource,
  Language,
  Refund,
  Resolution,
} from "../refunds/refund.ts";
import type { Refusal } from "../refunds/refusal.ts";
import type { Adoption } from "./book.ts";
import type { Charge, Freeze, Metadata } from "./charge.ts";

export interface Call {
  v: number;
  /** Features the ledger must know; what it does not know it must not ignore. */
  requires: readonly string[];
}

export const CALL: Call = { v: 1, requires: [] };

/** What this version of the ledger can be required to do. Later work adds words here. */
export const FEATURES: ReadonlySet<string> = new Set<string>([
  "create",
  "record",
  "read",
  "apply",
  "poke",
  "export",
  "sync",
  "claim",
  "resolve",
  "dispute",
  "decide",
  "update",
  "reverse",
  "approval",
  "delay",
  "allowance",
  "timeline",
  "batch",
  "adopt",
  "retell",
]);

/** The first feature a call relies on that this ledger lacks. */
export function missingFeature(call: Call): string | null {
  if (call.v > CALL.v) return `v${call.v}`;
  return call.requires.find((feature) => !FEATURES.has(feature)) ?? null;
}

/** A charge as D1 knows it, handed to a ledger that has nothing yet. */
export interface Hydration {
  charge: Charge;
  refunds: Refund[];
  freeze: Freeze | null;
  /** The ledger has reported before: if it is empty now, it was lost. */
  opened: boolean;
}

/** The rules of an app, resolved by the Worker: a ledger stores no settings. */
export interface RefundRules {
  /** Days after payment in which a channel refunds, where the app has set them. */
  windows: Readonly<Record<string, number>>;
  refundsMax: number;
  refundAttemptsMax: number;
  duplicateWindowMs: number;
  /** Confirm the payment at the channel before the charge's first live refund. */
  verifyPayments?: boolean;
  /** Above what sum of a charge's refunds in a day one needs approval: minor units by currency, `*` for all others. */
  approvalLimits?: Readonly<Record<string, number>>;
  /** How long a refund waits before it is sent. */
  delayMs?: number;
}

/** Everything a ledger needs to make one refund. */
export interface CreateCommand {
  app: string;
  livemode: boolean;
  charge: string;
  /** Minted by the Worker, so that a repeated call finds its own refund. */
  refund: string;
  /** Minor units; null takes everything that is left. */
  amount: number | null;
  description: string;
  metadata: Metadata;
  fundingSource: FundingSource | null;
  extra: Record<string, unknown>;
  refundNo: string | null;
  idempotencyKey: string | null;
  /** SHA-256 of the canonical parameters; null when the request carries no key of its own. */
  fingerprint: string | null;
  /** Set when the request carries no key of its own. */
  repeats: Fingerprints | null;
  waitMs: number;
  language: Language;
  apiKey: string;
  /** The creating request. */
  request: string;
  /** When it came, ms by the Worker's clock: repeats are told by the requests, also when one is replayed later. */
  requestedAt: number;
  /** The app's accounts by channel: only the ledger knows which channel the charge was paid through. */
  accounts: Readonly<Record<string, ChannelAccount>>;
  rules: RefundRules;
  /** Takes back the whole payment: refused if anything of it is held. */
  reverses?: true;
  /** The batch it belongs to. */
  batch?: string;
  /** What the refund may come to at most, as much as the app's daily limits have room for: as `approvalLimits`. */
  allowance?: Readonly<Record<string, number>>;
}

export interface CreateCall extends Call {
  command: CreateCommand;
  hydration?: Hydration;
  /** The client was already told `pending`: a refusal becomes a failed refund instead. */
  promised?: boolean;
}

/** `false`: this call made it; `true`: found by a request key; `"inferred"`: taken for an SDK's own repeat. */
export type Replayed = false | true | "inferred";

export interface Unhydrated {
  unhydrated: true;
}

/**
 * The refund is rendered by the ledger, once: the Worker passes the text on. A reversal answers with the charge. `amount`
 * is what a refund that was made now comes to, in the charge's `currency`.
 */
export type CreateAnswer =
  | { ok: { refund: string; replayed: Replayed; amount: number; currency: string } }
  | { refusal: Refusal }
  | Unhydrated;

export interface RecordCall extends Call {
  /** What the call brings beyond what the ledger may know already. */
  change: ChargeChange;
  /** Facts already recorded may be corrected, as long as no refund was sent; otherwise they are kept. */
  correct: boolean;
  hydration?: Hydration;
}

/** What may change on a recorded charge. */
export interface ChargeChange {
  metadata?: Metadata;
  description?: string | null;
  paid?: boolean;
  timePaid?: number;
  transactionNo?: string;
}

/** The charge's transaction_no before and after the call: what the ledger holds, which D1 may not know yet. */
export interface HeldPayment {
  before: string | null;
  after: string | null;
}

export type RecordAnswer =
  | { ok: { charge: string }; held: HeldPayment }
  | { refusal: Refusal; held: HeldPayment }
  | Unhydrated;

export interface Page {
  limit: number;
  startingAfter: string | null;
  endingBefore: string | null;
  /** Only refunds that need a person, for this reason or for any. */
  attention?: Attention | "any";
}

export type ReadTarget =
  | { kind: "refund"; refund: string }
  | { kind: "page"; page: Page }
  | { kind: "charge" }
  /** As much of a refund's timeline as the ledger has. */
  | { kind: "timeline"; refund: string };

export interface ReadCall extends Call {
  target: ReadTarget;
}

/** `missing` names what the ledger does not have: the refund itself, or the cursor of a page. */
export type ReadAnswer =
  | { ok: string }
  | { refusal: Refusal }
  | { missing: "refund" | "starting_after" | "ending_before" }
  | Unhydrated;

/** Where a verdict comes from that the ledger did not ask for itself. */
export type VerdictSource = "notice" | "operator" | "test_helper";

export interface ApplyCall extends Call {
  refund: string;
  verdict: Verdict;
  source: VerdictSource;
  /** Whose key it was, unless the channel spoke. */
  apiKey?: string;
}

export type ApplyAnswer = { ok: { refund: string; changed: boolean } } | { refusal: Refusal } | Unhydrated;

/** Asks the channel about a refund now. */
export interface SyncCall extends Call {
  refund: string;
}

export type SyncAnswer = { ok: { refund: string } } | { refusal: Refusal } | Unhydrated;

export interface ClaimCall extends Call {
  refund: string;
  /** Whose key it was; so far as the Worker says. */
  apiKey?: string;
  by: string;
  /** Who had it so far. */
  from?: string;
}

/** Who asks for something to be done: the key, and the person behind it if one was named. */
export interface Decider {
  apiKey: string;
  by: string | null;
}

/** Stops a refund that was not sent, or decides on one that needs approval. */
export interface DecideCall extends Call {
  refund: string;
  decision: "cancel" | "approve" | "reject";
  decider: Decider;
  reason: string | null;
  /** For an approval, which sends: how long to wait for the channel, the app's accounts and its rules of today. */
  waitMs: number;
  accounts: Readonly<Record<string, ChannelAccount>>;
  rules: RefundRules;
}

/** What may change on a refund at any time. */
export interface UpdateCall extends Call {
  refund: string;
  metadata?: Metadata;
  description?: string;
  decider: Decider;
}

export interface ResolveCall extends Call {
  refund: string;
  apiKey?: string;
  resolution: Omit<Resolution, "at">;
  transactionNo: string | null;
}

export interface DisputeCall extends Call {
  /** The channel's id of the dispute. */
  id: string;
  status: DisputeStatus;
  /** Minor units; as known before when absent. */
  amount?: number;
  /** The charge's when absent. */
  currency?: string;
  hydration?: Hydration;
}

export type DisputeAnswer =
  | { ok: { dispute: Dispute; refundable: number } }
  | { refusal: Refusal }
  | Unhydrated;

/** Lifts the freeze of the charge. */
export interface AdoptCall extends Call {
  apiKey: string;
  by: string;
  reason: string;
  /** The client's request, whose call may come twice. */
  request?: string;
  hydration?: Hydration;
}

export type AdoptAnswer = { ok: { charge: string } } | { refusal: Refusal } | Unhydrated;

/** Has D1 told everything again. Asked for by an object's id, so the ledger looks whether it is the caller's. */
export interface RetellCall extends Call {
  app: string;
  livemode: boolean;
}

/** `told`: whether D1 has all of it; otherwise the ledger goes on trying. */
export type RetellAnswer = { ok: { charge: string; told: boolean } } | { refusal: Refusal } | Unhydrated;

export interface PokeCall extends Call {
  /** Given when the ledger has nothing although D1 knows of open refunds: it was lost. */
  hydration?: Hydration;
}

export type PokeAnswer = { ok: true } | Unhydrated;

/** The whole ledger, for rebuilding D1 and for checking. */
export interface Export {
  charge: Charge;
  freeze: Freeze | null;
  /** Absent until there is one. */
  adoptions?: Adoption[];
  refunds: Refund[];
  undelivered: string[];
}

export type ExportAnswer = { ok: Export } | Unhydrated;

/** Everything that can be asked of a ledger, the same on both sides of the call. */
export interface LedgerSurface {
  create(call: CreateCall): Promise<CreateAnswer>;
  record(call: RecordCall): Promise<RecordAnswer>;
  read(call: ReadCall): Promise<ReadAnswer>;
  apply(call: ApplyCall): Promise<ApplyAnswer>;
  sync(call: SyncCall): Promise<SyncAnswer>;
  claim(call: ClaimCall): Promise<SyncAnswer>;
  resolve(call: ResolveCall): Promise<SyncAnswer>;
  decide(call: DecideCall): Promise<SyncAnswer>;
  update(call: UpdateCall): Promise<SyncAnswer>;
  dispute(call: DisputeCall): Promise<DisputeAnswer>;
  adopt(call: AdoptCall): Promise<AdoptAnswer>;
  retell(call: RetellCall): Promise<RetellAnswer>;
  poke(call: PokeCall): Promise<PokeAnswer>;
  export(call: Call): Promise<ExportAnswer>;
}
