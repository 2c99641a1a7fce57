// Wake-up calls on the queue of commands. The rows are the truth and the cron finds them, so a call that cannot be sent is
// let go: nobody waits for a queue that hangs, and nobody fails because of it.
import { sleep, within } from "../deadline.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import type { BatchMessage, CommandMessage, PromiseMessage } from "./command.ts";

/** A send can hang for a minute (workerd#6053). */
const SEND_TIMEOUT_MS = 3_000;
/** What a queue takes in one call. */
const PAGE = 100;

/** Has stored commands replayed. Settles within 3 s, never throws. */
export function wakeCommands(
  env: Pick<Env, "COMMANDS">,
  commands: readonly Omit<PromiseMessage, "command">[],
): Promise<void> {
  return send(env, commands);
}

/** Has batches looked at. Settles within 3 s, never throws. */
export function wakeBatches(env: Pick<Env, "COMMANDS">, batches: readonly BatchMessage[]): Promise<void> {
  return send(env, batches);
}

async function send({ COMMANDS }: Pick<Env, "COMMANDS">, messages: readonly CommandMessage[]): Promise<void> {
  const sends: Promise<unknown>[] = [];
  for (let start = 0; start < messages.length; start += PAGE) {
    const page = messages.slice(start, start + PAGE).map((body) => ({ body }));
    // A binding may throw before it promises anything.
    sends.push(Promise.resolve().then(() => COMMANDS.sendBatch(page)));
  }
  if (sends.length === 0) return;
  const sent = await within(sleep, Promise.allSettled(sends), SEND_TIMEOUT_MS);
  if (sent === "late" || sent.done.some(({ status }) => status === "rejected")) {
    log("warn", { failure: "wake_ups_not_sent", count: messages.length });
  }
}
