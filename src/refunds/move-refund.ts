// Test helpers: what a person would have to wait for the channel to do, done at once. In test mode alone, where every
// channel is the sandbox; the verdict takes the same way as a channel's own notice.
import type { Principal } from "../auth/principal.ts";
import { type ForcedMove, forcedVerdict } from "../channels/sandbox/behaviour.ts";
import { CALL } from "../charges/ledger-calls.ts";
import { askLedger } from "../charges/ledger-client.ts";
import { findCharge } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import { sleep } from "../deadline.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { isId } from "../ids.ts";
import { orderOf } from "./drive-refund.ts";
import type { Status } from "./refund.ts";
import { findRefund } from "./repository.ts";

const LEGAL_FROM: Record<ForcedMove, readonly Status[]> = {
  succeed: ["pending", "failed"],
  fail: ["pending"],
  reverse: ["succeeded"],
  abnormal: ["pending"],
};

/** D1 hears of a pending refund within half a second or so. */
const LOOKUPS_MAX = 7;
const LOOKUP_EVERY_MS = 150;

/** Answers with the rendered refund. */
export async function moveRefund(
  env: Env,
  principal: Principal,
  id: string,
  move: ForcedMove,
): Promise<string> {
  const { app, livemode, settings } = principal;
  const unknown = new ProblemError({ code: "not_found", object: "refund", id });
  if (livemode || !isId("refund", id)) throw unknown;
  const db = database(env, app, livemode);
  const found = await lookUp(() => findRefund(db, app, livemode, id));
  const charge = found && (await findCharge(db, app, livemode, found.charge));
  if (found === undefined || charge === undefined) throw unknown;
  const reference = { app, livemode, charge: found.charge };
  const read = await askLedger(env, reference, settings.location_hint, (ledger) =>
    ledger.read({ ...CALL, target: { kind: "refund", refund: id } }),
  );
  if (!("ok" in read)) throw unknown;
  const { status } = JSON.parse(read.ok) as { status: Status };
  const illegal = new ProblemError({ code: "illegal_transition", refund: id, status });
  if (!LEGAL_FROM[move].includes(status)) throw illegal;
  const verdict = forcedVerdict(move, orderOf(found.refund, charge.doc), Date.now());
  const answer = await askLedger(env, reference, settings.location_hint, (ledger) =>
    ledger.apply({ ...CALL, refund: id, verdict, source: "test_helper", apiKey: principal.apiKey }),
  );
  if ("unhydrated" in answer) throw unknown;
  if ("refusal" in answer) throw new ProblemError(answer.refusal);
  if (!answer.ok.changed) throw illegal;
  return answer.ok.refund;
}

async function lookUp<T>(find: () => Promise<T | undefined>): Promise<T | undefined> {
  for (let lookup = 1; ; lookup++) {
    const found = await find();
    if (found !== undefined || lookup === LOOKUPS_MAX) return found;
    await sleep(LOOKUP_EVERY_MS);
  }
}
