// A refund's timeline: from its ledger, and from D1 what the ledger has dropped because D1 has it.
import type { Principal } from "../auth/principal.ts";
import { readCharge } from "../charges/read-charge.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { listObject } from "../http/wire.ts";
import { isId } from "../ids.ts";
import { findPromised } from "../reconciliation/promise-refund.ts";
import type { RefundReference } from "./operate-refund.ts";
import type { TimelineEntry } from "./refund.ts";
import { timelineObjects } from "./schema.ts";
import { isWhole } from "./timeline.ts";
import { listTold } from "./timeline-repository.ts";

/** Answers with the rendered list. Throws `not_found`, and `unavailable` for one that is only promised. */
export async function readTimeline(
  env: Env,
  principal: Principal,
  { charge, refund }: RefundReference,
): Promise<string> {
  const unknown = new ProblemError({ code: "not_found", object: "refund", id: refund });
  if (!isId("refund", refund)) throw unknown;
  const answer = await readCharge(env, principal, charge, { kind: "timeline", refund });
  const { app, livemode } = principal;
  if (!("ok" in answer)) {
    // One that was promised is on its way to its ledger.
    const promised = await findPromised(env, { app, livemode, charge, refund });
    throw promised === null ? unknown : new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
  }
  const newest = JSON.parse(answer.ok) as TimelineEntry[];
  const told = isWhole(newest) ? [] : await listTold(database(env, app, livemode), app, livemode, refund);
  const missing = told.filter(({ version, at }) => !newest.some((e) => e.version === version && e.at === at));
  const entries = [...missing, ...newest].sort((a, b) => a.version - b.version || a.at - b.at);
  const url = `/v1/charges/${charge}/refunds/${refund}/timeline`;
  return JSON.stringify(listObject(url, timelineObjects(entries), false));
}
