// A create command whose outcome at the ledger is unknown: replayed with the same refund id until it is known.
import type { CreateCommand } from "../charges/ledger-calls.ts";

/** On the queue: the ids, or the whole command while D1 cannot store it either. */
export interface CommandMessage {
  app: string;
  livemode: boolean;
  refund: string;
  command?: CreateCommand;
}
