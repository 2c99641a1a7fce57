// Ways to be wrong that this harness must notice: a checker that never failed proves nothing.
import type { Channel, RefundOrder, Verdict } from "../../src/channels/channel.ts";

export interface Mutant {
  /** Puts something else in the connector's place. */
  channel?(channel: Channel): Channel;
  /** Sends with the newest revision of the account, whatever a refund was sent with before. */
  account?: "newest";
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** Every attempt after the first has a number of its own at the channel. */
function renumbered(order: RefundOrder): RefundOrder {
  if (order.attempt <= 1) return order;
  const letter = LETTERS[order.attempt % LETTERS.length] as string;
  return { ...order, number: order.number.slice(0, -1) + letter };
}

export const MUTANTS = {
  "a new number for every attempt": {
    channel: (channel) => ({
      ...channel,
      refund: async (order, ...rest) => ({
        ...(await channel.refund(renumbered(order), ...rest)),
        number: order.number,
      }),
      query: async (order, ...rest) => ({
        ...(await channel.query(renumbered(order), ...rest)),
        number: order.number,
      }),
    }),
  },
  "a refund that is not found at once was never made": {
    channel: (channel) => ({ ...channel, facts: (order) => ({ ...channel.facts(order), settlingMs: 0 }) }),
  },
  "an unknown outcome is a no": {
    channel: (channel) => ({
      ...channel,
      refund: async (order, ...rest) => no(await channel.refund(order, ...rest)),
      query: async (order, ...rest) => no(await channel.query(order, ...rest)),
    }),
  },
  "a refund is sent again with keys that may be another merchant's": { account: "newest" },
} satisfies Record<string, Mutant>;

export type MutantName = keyof typeof MUTANTS;

function no(verdict: Verdict): Verdict {
  return verdict.kind === "unknown" ? { ...verdict, kind: "declined", code: "silence", words: "" } : verdict;
}
