// What holds for refunds through Alipay; the ledger goes by it before anything is asked.
import { type ChannelFacts, channelRules } from "../channel.ts";

/** Two refunds of a trade must be 3 s apart when they arrive; one may leave up to 3 s after it was booked. */
const SPACING_MS = 6_000;
/** A query sooner than this after the submission may miss it. */
const SETTLING_MS = 10_000;

export function alipayFacts({ channel }: { channel: string }): ChannelFacts {
  return {
    ...channelRules(channel),
    spacingMs: SPACING_MS,
    settlingMs: SETTLING_MS,
    keysProveMerchant: true,
  };
}
