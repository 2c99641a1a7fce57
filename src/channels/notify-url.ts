// The address a channel sends notices to: `/notify/{channel}/{app}/{mode}/{charge}/{tag}`. The tag keeps guesses from
// costing anything; what a notice says is believed for its signature alone. Tags come from the master keys: one made
// with an older key holds as long as that key is listed.
import { isSameDigest } from "../auth/digest.ts";
import { derivedSecrets } from "../sealing/sealing.ts";
import type { ChannelAccount } from "./channel.ts";

const PURPOSE = "notify";
const TAG_DIGITS = 16;

export interface NotifyPath {
  channel: string;
  app: string;
  livemode: boolean;
  /** Absent where a channel sends all notices of an account to one address. */
  charge?: string;
}

/** `publicUrl`: where channels reach this service. */
export async function notifyUrl(
  masterKeys: string,
  publicUrl: string,
  account: Pick<ChannelAccount, "channel" | "app" | "livemode">,
  charge: string | null,
): Promise<string> {
  const { channel, app, livemode } = account;
  const path = pathOf({ channel, app, livemode, ...(charge === null ? {} : { charge }) });
  const [newest] = await derivedSecrets(masterKeys, PURPOSE);
  if (newest === undefined) throw new Error("there is no master key");
  return `${publicUrl.replace(/\/+$/, "")}${path}/${await tagOf(newest, path)}`;
}

/** Whether a tag was made here for that path. */
export async function isNotifyTag(masterKeys: string, path: NotifyPath, tag: string): Promise<boolean> {
  for (const secret of await derivedSecrets(masterKeys, PURPOSE)) {
    if (isSameDigest(await tagOf(secret, pathOf(path)), tag)) return true;
  }
  return false;
}

function pathOf({ channel, app, livemode, charge }: NotifyPath): string {
  return `/notify/${channel}/${app}/${livemode ? "live" : "test"}${charge === undefined ? "" : `/${charge}`}`;
}

async function tagOf(secret: Uint8Array<ArrayBuffer>, path: string): Promise<string> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", secret, hmac, false, ["sign"]);
  const signed = await crypto.subtle.sign(hmac.name, key, new TextEncoder().encode(path));
  return [...new Uint8Array(signed)]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .slice(0, TAG_DIGITS);
}
