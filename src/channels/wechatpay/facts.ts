// What holds for refunds through WeChat Pay; the ledger goes by it before anything is asked.
import { type ChannelFacts, channelRules } from "../channel.ts";

/** How long after a submission a "not found" begins to mean something: WeChat asks not to query within a minute. */
const SETTLING_MS = 60_000;
/** Two refunds of a payment must be a minute apart when they arrive; one may leave up to 3 s after it was booked. */
const SPACING_MS = 63_000;

export function wechatpayFacts({ channel }: { channel: string }): ChannelFacts {
  return {
    ...channelRules(channel),
    spacingMs: SPACING_MS,
    settlingMs: SETTLING_MS,
    keysProveMerchant: true,
  };
}
