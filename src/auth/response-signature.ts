// Signed answers, for apps that switch them on: Ping++'s Java SDK with a verify key throws on an unsigned 2xx.
import { log } from "../log.ts";
import { unseal } from "../sealing/sealing.ts";
import { pingppSignature } from "../webhooks/signature.ts";
import type { Principal } from "./principal.ts";

export const RESPONSE_SIGNATURE_HEADER = "X-Pingplusplus-Signature";

/**
 * The value of `X-Pingplusplus-Signature` for the exact text of an answer; null when the app does not want one. Also
 * null, with a line in the log, when signing fails: the answer tells of money that may have moved, and must be given.
 */
export async function signAnswer(
  principal: Principal,
  body: string,
  masterKeys: string,
): Promise<string | null> {
  const { app, livemode, settings, signingKey } = principal;
  if (!settings.response_signing) return null;
  if (signingKey === null) {
    log("error", { alert: "answer_not_signed", app, livemode, reason: "no signing key" });
    return null;
  }
  const context = { table: "signing_keys", row: signingKey.id, app, livemode, field: "private_key" };
  try {
    return await pingppSignature(await unseal(masterKeys, context, signingKey.privateKey), body);
  } catch (error) {
    // What unsealing says: the id of a master key, never a key.
    const reason = error instanceof Error ? error.message : "unknown";
    log("error", { alert: "answer_not_signed", app, livemode, reason });
    return null;
  }
}
