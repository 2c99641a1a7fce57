// Why a ledger refuses a refund, with the facts the caller is told. When several hold, the first in this order wins;
// the ledger checks in the same order and `http/problem.ts` gives each its status and texts.
import type { Freeze } from "../charges/charge.ts";

export type Refusal =
  /** This Worker asks for something the ledger's version does not know yet. */
  | { code: "unsupported"; feature: string }
  | { code: "unknown_refund"; refund: string }
  /** The two request keys belong to two different refunds. */
  | { code: "request_keys_disagree" }
  | { code: "idempotency_key_reused"; refund: string }
  | { code: "refund_no_reused"; refund: string }
  | { code: "charge_frozen"; freeze: Freeze; charge: string }
  | { code: "charge_not_paid"; charge: string }
  | { code: "charge_reversed"; charge: string }
  /** A charge is reversed whole: nothing of it may be refunded, pending or disputed. */
  | { code: "charge_not_reversible"; charge: string }
  /** Only when succeeded refunds make up the whole amount: clients close the order on it. */
  | { code: "fully_refunded"; charge: string; orderNo: string }
  | { code: "refund_window_closed"; channel: string }
  | { code: "too_many_refunds"; limit: number }
  | { code: "charge_disputed"; refundable: number }
  | { code: "partial_refund_unsupported"; channel: string; amount: number }
  | { code: "refund_amount_exceeded"; refundable: number }
  /** Nobody can ask the channel: there is no account for it, or no connector. */
  | { code: "channel_not_configured"; channel: string }
  /** More than the Worker has been allowed to let out today: it asks for a larger allowance and comes again. */
  | { code: "allowance_exceeded"; amount: number; currency: string }
  /** A fact that money depends on may not change any more: a refund of it has been sent. */
  | { code: "charge_facts_final"; param: string }
  /** The charge has this transaction_no already: another one is another payment. */
  | { code: "another_payment"; transactionNo: string }
  /** D1 is away, and has to hear of what was changed before more is. */
  | { code: "too_many_changes"; refund: string }
  /** Somebody else is at this refund by hand. */
  | { code: "refund_claimed"; refund: string; by: string }
  /** A refund that is paid by hand is claimed first. */
  | { code: "refund_not_claimed"; refund: string }
  /** Nobody may decide what the channel is still deciding. */
  | { code: "channel_processing"; refund: string }
  | { code: "channel_unreachable"; refund: string }
  | { code: "too_many_disputes"; charge: string }
  /** Nobody has told how much of the charge is disputed. */
  | { code: "dispute_amount_missing"; charge: string }
  /** Only what was never sent can be canceled. */
  | { code: "refund_already_sent"; refund: string }
  | { code: "refund_not_awaiting_approval"; refund: string }
  /** Two keys are behind every refund that needs approval. */
  | { code: "approval_by_creator"; refund: string }
  /** Nothing is to be adopted. */
  | { code: "charge_not_frozen"; charge: string }
  /** The ledger was lost, and the channel has not said yet what became of this refund. */
  | { code: "refund_outcome_unknown"; refund: string }
  /** A move was asked for that the refund cannot make. */
  | { code: "illegal_transition"; refund: string; status: string };

export type RefusalCode = Refusal["code"];
