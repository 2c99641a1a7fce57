// What is sent on the queue of commands: a create command whose outcome at the ledger is unknown, which is replayed with
// the same refund id until it is known; or a batch to be looked at, because a refund of it has ended.
import type { CreateCommand } from "../charges/ledger-calls.ts";

/** The ids, or the whole command while D1 cannot store it either. */
export interface PromiseMessage {
  app: string;
  livemode: boolean;
  refund: string;
  command?: CreateCommand;
  batch?: undefined;
}

export interface BatchMessage {
  app: string;
  livemode: boolean;
  batch: string;
  refund?: undefined;
  command?: undefined;
}

export type CommandMessage = PromiseMessage | BatchMessage;

/** What a message is; null for one that is none of ours. */
export function readMessage(body: unknown): CommandMessage | null {
  const { app, livemode, refund, batch } = (body ?? {}) as Record<string, unknown>;
  if (typeof app !== "string" || typeof livemode !== "boolean") return null;
  return (typeof refund === "string") === (typeof batch === "string") ? null : (body as CommandMessage);
}
