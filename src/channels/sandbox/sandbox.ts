// The sandbox inside the Worker: no network, no state. What it says is decided by `behaviour.ts` alone.
import { type Channel, channelRules, type RefundOrder, type Verdict } from "../channel.ts";
import { circumstancesOf, sandboxAnswer } from "./behaviour.ts";

/** `sleep` resolves after so many ms; the sandbox waits with it where a trigger asks for a slow answer. */
export function sandbox(sleep: (ms: number) => Promise<void>): Channel {
  const ask = async (
    asked: "refund" | "query",
    order: RefundOrder,
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict> => {
    const { verdict, afterMs } = sandboxAnswer(asked, order, now);
    if (afterMs > 0) await Promise.race([sleep(afterMs), aborted(signal)]);
    // Nobody listens any more: for the asker the outcome is open, as with any channel.
    return signal.aborted ? unanswered(order, now) : verdict;
  };
  return {
    facts: sandboxFacts,
    refund: (order, _account, now, signal) => ask("refund", order, now, signal),
    query: (order, _account, now, signal) => ask("query", order, now, signal),
  };
}

/** The channel's own rules hold in test mode too, except the gap between refunds, which a trigger asks for. */
export function sandboxFacts(order: { channel: string; description: string }) {
  return { ...channelRules(order.channel), ...circumstancesOf(order) };
}

function unanswered(order: RefundOrder, now: number): Verdict {
  return {
    kind: "unknown",
    failureCode: "channel_connection_error",
    number: order.number,
    amount: null,
    currency: null,
    askedAt: now,
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
