// Rolls the secret of an endpoint: a new one signs from now on, and the earlier ones beside it for a while.
import type { Database } from "../db/client.ts";
import { ProblemError } from "../http/problem.ts";
import type { Random } from "../ids.ts";
import { seal } from "../sealing/sealing.ts";
import { rollSecrets, SECRETS_MAX } from "./endpoint.ts";
import { replaceSecrets } from "./repository.ts";
import type { EndpointRow } from "./schema.ts";
import { newSecret } from "./signature.ts";

/**
 * The new secret, shown this once; null when somebody else changed the secrets at the same time. Throws a problem when
 * as many secrets as may sign go on signing. `overlapMs` is how long the earlier ones do; `now` in ms.
 */
export async function rollSecret(
  db: Database,
  masterKeys: string,
  endpoint: EndpointRow,
  overlapMs: number,
  now: number,
  random: Random,
): Promise<string | null> {
  const { id, app, livemode } = endpoint;
  const secret = newSecret(random);
  const place = { table: "webhook_endpoints", row: id, app, livemode, field: "secrets" };
  const rolled = rollSecrets(endpoint.secrets, await seal(masterKeys, place, secret), overlapMs, now);
  if ("refusal" in rolled) {
    throw new ProblemError({ code: "too_many_secrets", limit: SECRETS_MAX, freeAt: rolled.refusal.freeAt });
  }
  return (await replaceSecrets(db, endpoint, endpoint.secrets, rolled.ok)) ? secret : null;
}
