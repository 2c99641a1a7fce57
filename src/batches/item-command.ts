// The command that makes one refund of a batch. What is not in the batch comes from its sender.
import type { CreateCommand } from "../charges/ledger-calls.ts";
import type { Batch, BatchItem } from "./batch.ts";

/** Who asks for a batch, and the app's rules and accounts at that time. */
export type Sender = Pick<
  CreateCommand,
  "apiKey" | "language" | "request" | "requestedAt" | "accounts" | "rules" | "allowance"
>;

export function itemCommand(
  batch: Pick<Batch, "id" | "app" | "livemode" | "description">,
  item: BatchItem,
  sender: Sender,
): CreateCommand {
  return {
    app: batch.app,
    livemode: batch.livemode,
    charge: item.charge,
    refund: item.refund,
    amount: item.amount,
    description: item.description ?? batch.description,
    metadata: {},
    fundingSource: item.fundingSource ?? null,
    extra: {},
    refundNo: null,
    idempotencyKey: null,
    fingerprint: null,
    repeats: null,
    waitMs: 0,
    ...sender,
    batch: batch.id,
  };
}
