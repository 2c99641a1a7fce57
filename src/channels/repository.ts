import { and, desc, eq, isNull } from "drizzle-orm";
import type { Charge } from "../charges/charge.ts";
import type { Database } from "../db/client.ts";
import type { ChannelAccount } from "./channel.ts";
import { channelAccounts } from "./table.ts";

/** The pinned revision, or the current account of the charge's channel; null when there is none. */
export async function findAccount(
  db: Database,
  charge: Pick<Charge, "app" | "livemode" | "channel">,
  pinned: { id: string; revision: number } | null,
): Promise<ChannelAccount | null> {
  const which =
    pinned === null
      ? isNull(channelAccounts.retiredAt)
      : and(eq(channelAccounts.id, pinned.id), eq(channelAccounts.revision, pinned.revision));
  const rows = await db
    .select({
      app: channelAccounts.app,
      livemode: channelAccounts.livemode,
      channel: channelAccounts.channel,
      id: channelAccounts.id,
      revision: channelAccounts.revision,
      credentials: channelAccounts.credentials,
    })
    .from(channelAccounts)
    .where(
      and(
        eq(channelAccounts.app, charge.app),
        eq(channelAccounts.livemode, charge.livemode),
        eq(channelAccounts.channel, charge.channel),
        which,
      ),
    )
    .orderBy(desc(channelAccounts.revision))
    .limit(1);
  return rows[0] ?? null;
}
