// What a connector stands on in a Worker: `fetch`, dice, the master keys that open its account's credentials, and the
// address under which its channel reaches us.
import type { Env } from "../env.ts";
import { SEALED_COLUMNS, sealedRow } from "../sealing/sealed-columns.ts";
import { type SealingContext, unseal } from "../sealing/sealing.ts";
import type { ChannelAccount, ConnectorPorts } from "./channel.ts";
import { notifyUrl } from "./notify-url.ts";

export function connectorPorts(
  env: Pick<Env, "MASTER_KEYS" | "PUBLIC_URL">,
  baseUrl: string,
): ConnectorPorts {
  return {
    baseUrl,
    fetch: (url, init) => fetch(url, init),
    random: (count) => crypto.getRandomValues(new Uint8Array(count)),
    credentials: async (account) =>
      JSON.parse(await unseal(env.MASTER_KEYS, credentialsContext(account), account.credentials)),
    notifyUrl: async (account, charge) =>
      env.PUBLIC_URL ? await notifyUrl(env.MASTER_KEYS, env.PUBLIC_URL, account, charge) : null,
  };
}

/** Where an account's credentials are sealed for: no revision passes for another. */
export function credentialsContext(
  account: Omit<ChannelAccount, "credentials" | "merchant">,
): SealingContext {
  const column = SEALED_COLUMNS.find(({ table }) => table === "channel_accounts");
  if (column === undefined) throw new Error("channel accounts are not sealed");
  const { app, livemode, channel, id, revision } = account;
  const row = sealedRow(column, { channel, id, revision });
  return { table: column.table, row, app, livemode, field: column.field };
}
