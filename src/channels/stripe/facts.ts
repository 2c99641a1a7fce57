// What holds for refunds through Stripe; the ledger goes by it before anything is asked.
import { type ChannelFacts, channelRules } from "../channel.ts";

/** A repeat under the key cannot pay twice, so it need not wait for long. */
const SETTLING_MS = 10_000;

export function stripeFacts({ channel }: { channel: string }): ChannelFacts {
  return { ...channelRules(channel), spacingMs: 0, settlingMs: SETTLING_MS };
}
