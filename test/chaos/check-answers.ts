// What clients heard, held against what is on the disk: nothing they were promised is missing or different, nothing they
// were refused exists, and they heard nothing that the contract does not know.
import type { Refund } from "../../src/refunds/refund.ts";
import {
  type Attempt,
  answersOf,
  isDefinite,
  type Reading,
  type RecordedCharge,
  type Records,
  type RefundWish,
  type SeenRefund,
} from "./records.ts";

export type Blame = (rule: string, words: string, charge: string | null) => void;

interface Known {
  charges: Map<string, RecordedCharge>;
  /** By id, with the charge they are of. */
  refunds: Map<string, Refund & { charge: string; app: string }>;
  /** Refunds by the request that made them. */
  makers: Map<string, Refund>;
  /** Refunds that were promised while their ledger did not answer. */
  promised: Set<string>;
  /** Refunds by the wish they fulfil. */
  byToken: Map<string, Refund[]>;
}

/** The clocks of one machine, and requests that overlap. */
const SLACK_MS = 2_000;
const REFUNDS_MAX = 50;

export function checkAnswers(records: Records, blame: Blame): void {
  const known = knownFrom(records);
  for (const wish of records.wishes) {
    const isEnded = wish.attempts.some(isDefinite);
    if (!isEnded)
      blame("I7", `${wish.token} was never answered, in ${wish.attempts.length} tries`, wish.charge);
    for (const attempt of wish.attempts) checkStatus(wish, attempt, records, known, blame);
    checkAcknowledged(wish, known, blame);
    checkMade(wish, known, blame);
  }
  checkKeys(records, known, blame);
  for (const reading of records.readings) checkReading(reading, records, known, blame);
}

export function tokenOf({ description }: { description: string }): string {
  return /^#\d+#/.exec(description)?.[0] ?? "";
}

function knownFrom(records: Records): Known {
  const known: Known = {
    charges: new Map(records.charges.map((charge) => [charge.id, charge])),
    refunds: new Map(),
    makers: new Map(),
    promised: new Set(records.rows.commands.map(({ refund }) => String(refund))),
    byToken: new Map(),
  };
  for (const { charge, refunds } of records.ledgers.values()) {
    for (const refund of refunds) {
      known.refunds.set(refund.id, { ...refund, charge: charge.id, app: charge.app });
      known.makers.set(refund.request, refund);
      const token = tokenOf(refund);
      known.byToken.set(token, [...(known.byToken.get(token) ?? []), refund]);
    }
  }
  return known;
}

function errorOf(body: unknown): { type?: unknown; message?: unknown; code?: unknown } | null {
  const error = (body as { error?: unknown } | null)?.error;
  return typeof error === "object" && error !== null ? error : null;
}

function checkStatus(wish: RefundWish, attempt: Attempt, records: Records, known: Known, blame: Blame): void {
  const { status, body, request } = attempt;
  if (status === null || status === 200) return;
  const { charge, token } = wish;
  const error = errorOf(body);
  const said = `${token} was answered ${status} ${JSON.stringify(body)}`;
  if (error === null || typeof error.type !== "string" || typeof error.message !== "string") {
    blame("answer", said, charge);
  }
  const made = request === null ? undefined : known.makers.get(request);
  // Whoever hears an error may rely on it: this very request has made nothing.
  if (made !== undefined) blame("I4", `${said}, and made ${made.id} all the same`, charge);
  if (status === 503) return;
  if (status !== 400) {
    blame("answer", said, charge);
    return;
  }
  const isReuse = error?.code === "idempotency_key_reused" || error?.code === "refund_no_reused";
  if (isReuse) {
    if (wish.reuses === null) blame("I10", said, charge);
    return;
  }
  if (error?.code === "too_many_refunds") {
    if (sumOf(records, wish, attempt).count < REFUNDS_MAX) blame("I13", said, charge);
    return;
  }
  if (error?.code !== undefined && error.code !== "refund_amount_exceeded") {
    blame("answer", said, charge);
    return;
  }
  // Even if every refund made by then had held its amount at the same time.
  const { amount } = sumOf(records, wish, attempt);
  const whole = known.charges.get(charge)?.amount ?? 0;
  if (amount + (wish.amount ?? 1) <= whole) {
    blame("I13", `${said}, and no more than ${amount} of ${whole} was ever taken`, charge);
  }
}

function sumOf(records: Records, { charge }: RefundWish, { endedAt }: Attempt) {
  const made = (records.ledgers.get(charge)?.refunds ?? []).filter(
    ({ requestedAt }) => requestedAt <= endedAt + SLACK_MS,
  );
  return { count: made.length, amount: made.reduce((sum, refund) => sum + refund.amount, 0) };
}

/** I4, I10, I15. */
function checkAcknowledged(wish: RefundWish, known: Known, blame: Blame): void {
  const answers = answersOf(wish);
  const ids = new Set(answers.map(({ refund }) => refund.id));
  const unsure = wish.attempts.some(({ ledgersFail }) => ledgersFail);
  const isKeyed = wish.refundNo !== null || wish.idempotencyKey !== null;
  // A keyless request that was promised, and its twin that reached the ledger first: the promise ends as failed.
  if (ids.size > 1 && (isKeyed || !unsure)) {
    blame("I10", `${wish.token} is ${[...ids].join(" and ")}`, wish.charge);
  }
  for (const { refund, attempt } of answers) {
    // "All that is left" was promised as D1 knew it; the ledger may have made it already, as it knew it.
    const guessed = wish.amount === null && known.promised.has(refund.id);
    const stored = guessed ? known.refunds.get(refund.id)?.amount : undefined;
    compare(
      { ...refund, amount: stored ?? refund.amount },
      known,
      wish.charge,
      `${wish.token} was acknowledged`,
      blame,
    );
    if (wish.amount !== null && refund.amount !== wish.amount) {
      blame("I4", `${wish.token} asked for ${wish.amount} and got ${refund.amount}`, wish.charge);
    }
    if (refund.app !== wish.shop.app) blame("I14", `${refund.id} is of another app`, wish.charge);
    if (attempt.request === null)
      blame("answer", `${wish.token} was answered without a Request-Id`, wish.charge);
  }
}

/** A refund that somebody saw is on the disk as it was seen. */
function compare(seen: SeenRefund, known: Known, charge: string, how: string, blame: Blame): void {
  const refund = known.refunds.get(seen.id);
  if (refund === undefined) {
    blame("I4", `${how} as ${seen.id}, which does not exist`, charge);
    return;
  }
  const facts = {
    amount: [seen.amount, refund.amount],
    charge: [seen.charge, refund.charge],
    order_no: [seen.order_no, refund.id.slice("re_".length)],
    description: [seen.description, refund.description],
    app: [seen.app, refund.app],
  };
  for (const [name, [told, stored]] of Object.entries(facts)) {
    if (told !== stored) blame("I4", `${how} as ${seen.id} with ${name} ${told}, which is ${stored}`, charge);
  }
  const succeeded = seen.status === "succeeded";
  if (seen.succeed !== succeeded || (seen.time_succeed !== null) !== succeeded) {
    blame("I15", `${how} as ${seen.id}: ${seen.status}, ${seen.succeed}, ${seen.time_succeed}`, charge);
  }
}

/** One wish is one refund, however often it was asked for. */
function checkMade({ token, charge, attempts }: RefundWish, known: Known, blame: Blame): void {
  const made = known.byToken.get(token) ?? [];
  if (made.length < 2) return;
  // What was promised and had been made under another id already comes to exist as failed, and never sent.
  const unsure = attempts.some(({ ledgersFail }) => ledgersFail);
  const real = made.filter(({ state, attempts: sent }) => state !== "failed" || sent > 0);
  if (real.length > 1 || !unsure)
    blame("I10", `${token} is ${made.map(({ id }) => id).join(" and ")}`, charge);
}

/** Two refunds never share a key, and a key never means another amount than it first did. */
function checkKeys(records: Records, known: Known, blame: Blame): void {
  const wishes = new Map(records.wishes.map((wish) => [wish.token, wish]));
  for (const wish of records.wishes) {
    if (wish.reuses === null || answersOf(wish).length === 0) continue;
    const earlier = wishes.get(wish.reuses);
    const unsure = earlier?.attempts.some(({ ledgersFail }) => ledgersFail);
    // A promise is made before anybody can see that the key is taken; it comes to exist as failed, and is never sent.
    const promised = wish.attempts.some(({ ledgersFail }) => ledgersFail);
    const made = known.byToken.get(wish.token) ?? [];
    const isKept = promised && made.every(({ state, attempts }) => state === "failed" && attempts === 0);
    if (!unsure && !isKept)
      blame("I10", `${wish.token} was made under the key of ${wish.reuses}`, wish.charge);
  }
  for (const { charge, refunds } of records.ledgers.values()) {
    for (const key of ["refundNo", "idempotencyKey"] as const) {
      const seen = new Set<string>();
      for (const refund of refunds) {
        const value = refund[key];
        if (value === null || (refund.state === "failed" && refund.attempts === 0)) continue;
        if (seen.has(value)) blame("I10", `${refund.id} has the ${key} of another refund`, charge.id);
        seen.add(value);
      }
    }
    for (const refund of refunds) {
      if (!wishes.has(tokenOf(refund))) blame("I4", `nobody asked for ${refund.id}`, charge.id);
    }
  }
  for (const [id, { acknowledgedAt }] of known.charges) {
    const row = records.rows.charges.find((one) => one.id === id);
    if (acknowledgedAt !== null && row === undefined) blame("I4", `the recorded charge ${id} is gone`, id);
  }
}

function checkReading(reading: Reading, records: Records, known: Known, blame: Blame): void {
  switch (reading.kind) {
    case "refund": {
      const { status, body, charge, refund } = reading;
      if (status === 200) compare(body as SeenRefund, known, charge, `${refund} was read`, blame);
      else if (status === 404) blame("I16", `${refund} had been acknowledged and was not found`, charge);
      else if (status !== 503)
        blame("answer", `${refund} was read as ${status} ${JSON.stringify(body)}`, charge);
      return;
    }
    case "charge":
      checkCharge(reading, known, blame);
      return;
    case "pages":
      checkPages(reading, records, known, blame);
      return;
    case "charges": {
      const { ids, shop, begunAt } = reading;
      if (new Set(ids).size < ids.length) blame("I6", "a charge stands twice in a list", null);
      for (const id of ids) {
        const charge = known.charges.get(id);
        if (charge !== undefined && (charge.app !== shop.app || charge.livemode !== shop.livemode)) {
          blame("I14", `${id} stands in the list of another shop`, id);
        }
      }
      for (const { id, app, livemode, acknowledgedAt } of records.charges) {
        const isOurs = app === shop.app && livemode === shop.livemode;
        if (isOurs && acknowledgedAt !== null && acknowledgedAt < begunAt && !ids.includes(id)) {
          blame("I16", `${id} had been recorded and is not in the list`, id);
        }
      }
      return;
    }
    case "refused":
      if (reading.status !== 503) {
        blame(
          "answer",
          `${reading.path} was answered ${reading.status} ${JSON.stringify(reading.body)}`,
          null,
        );
      }
      return;
    case "foreign":
      if (reading.status !== 404 && reading.status !== 503) {
        blame("I14", `${reading.path} of another shop was read as ${reading.status}`, null);
      }
  }
}

function checkCharge(reading: Reading & { kind: "charge" }, known: Known, blame: Blame): void {
  const { charge: id, status, body } = reading;
  if (status === 503) return;
  if (status !== 200) {
    blame("I16", `the recorded charge ${id} was read as ${status}`, id);
    return;
  }
  const seen = body as Record<
    "amount" | "amount_refunded" | "amount_refundable" | "amount_pending_refund",
    number
  >;
  const charge = known.charges.get(id);
  const sum = seen.amount_refunded + seen.amount_refundable + seen.amount_pending_refund;
  if (seen.amount !== charge?.amount || sum !== seen.amount || seen.amount_refundable < 0) {
    const { amount, amount_refunded, amount_refundable, amount_pending_refund } = seen;
    const parts = `${amount_refunded} + ${amount_pending_refund} + ${amount_refundable} of ${amount}`;
    blame("I15", `${id} was read as ${parts}`, id);
  }
}

/** I6: a list that is turned while refunds arrive has every refund from its first on, once and in order. */
function checkPages(
  reading: Reading & { kind: "pages" },
  records: Records,
  known: Known,
  blame: Blame,
): void {
  const { charge, ids, begunAt } = reading;
  const seqs = ids.map((id) => {
    const refund = known.refunds.get(id);
    if (refund === undefined || refund.charge !== charge)
      blame("I4", `${id} was listed and does not exist`, charge);
    return refund?.seq ?? 0;
  });
  const isWhole = seqs.every((seq, place) => seq === seqs.length - place);
  if (!isWhole)
    blame("I6", `the pages of ${charge} from the ${reading.from} are refunds ${seqs.join()}`, charge);
  const listed = new Set(ids);
  for (const wish of records.wishes) {
    if (wish.charge !== charge) continue;
    for (const { attempt, refund } of answersOf(wish)) {
      // What was promised while its ledger was away is listed once the ledger knows of it.
      if (attempt.endedAt >= begunAt || attempt.ledgersFail || listed.has(refund.id)) continue;
      blame("I16", `${refund.id} had been acknowledged and is not in the list`, charge);
    }
  }
}
