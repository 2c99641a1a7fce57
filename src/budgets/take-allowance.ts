// Keeps an app's refunds within its daily limits. A refund takes its part of what this isolate has leased and goes to its
// ledger with that as its allowance: one hop. Only when the lease does not suffice is the budget asked, and when there is
// no answer nothing is made: limits are there for a stolen key. The last word is the ledger's, also when there is no room:
// it knows what a charge has left, in which currency, and whether the refund was made before.
import { BoundedMap } from "../auth/bounded-map.ts";
import type { Principal } from "../auth/principal.ts";
import type { CreateAnswer, CreateCommand } from "../charges/ledger-calls.ts";
import { sleep, within } from "../deadline.ts";
import type { Env } from "../env.ts";
import { type Problem, ProblemError } from "../http/problem.ts";
import { randomToken } from "../ids.ts";
import { log, nameOf } from "../log.ts";
import { Allowance, type Part, type Wish } from "./allowance.ts";
import {
  type BudgetAnswer,
  type BudgetSurface,
  budgetName,
  LEASE_MS,
  type MadeRefund,
  type UnbookCall,
} from "./budget-calls.ts";
import { allowanceFor, type Exceeded, type Limits, limitsOf, NO_ALLOWANCE, type Sums } from "./limits.ts";

/** How long a refund waits for the budget. */
const PATIENCE_MS = 2_000;
/** How soon a refund looks again whether the lease has come that another one asked for. */
const LOOK_AGAIN_MS = 5;
/** A lease is for so many refunds, and for all that wait for it. */
const REFUNDS = 16;
/** What a charge has left may change while a larger part is fetched for it. */
const TRIES_MAX = 4;

/** Of every app and mode that this isolate makes refunds for. What is forgotten here ends with its lease. */
export type Allowances = BoundedMap<Allowance>;
const allowances: Allowances = new BoundedMap(1_000);

type Binding = Pick<Env, "BUDGETS">;
type Refused = Extract<Problem, { code: "daily_limit_exceeded" | "unavailable" }>;

/** What a ledger said; null when nobody knows whether it carried the command out. */
export type CarriedOut = Exclude<CreateAnswer, { unhydrated: true }> | null;

/**
 * Has a command carried out within the app's daily limits, and tells with which allowance that was. `carryOut` throws only
 * if nothing was made. Throws the problems `daily_limit_exceeded` and, when the budget cannot be asked, `unavailable`.
 */
export async function withAllowance(
  env: Binding,
  principal: Principal,
  command: CreateCommand,
  carryOut: (command: CreateCommand) => Promise<CarriedOut>,
  held: Allowances = allowances,
): Promise<{ answer: CarriedOut; command: CreateCommand }> {
  const limits = limitsOf(principal.settings);
  if (limits === null) return { answer: await carryOut(command), command };
  const allowance = allowanceOf(principal, held);
  let wish: Wish = { currency: allowance.lately[0]?.currency ?? firstOf(limits), amount: command.amount };
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const taken = await take(env, principal, limits, allowance, wish);
    const part = "refused" in taken ? null : taken;
    const allowed = {
      ...command,
      allowance: part === null ? NO_ALLOWANCE : allowanceFor(limits, part),
    };
    const answer = await settled(allowance, part, allowed, carryOut);
    const short = shortfall(answer);
    if (short !== null) allowance.meet(short);
    if (short === null && (part !== null || answer !== null)) return { answer, command: allowed };
    // Nothing can have been made without a part: an error is an honest answer.
    if (short === null) break;
    if ("refused" in taken && isAbout(taken.refused, wish, short)) throw new ProblemError(taken.refused);
    wish = short;
  }
  throw new ProblemError({ code: "unavailable", retryAfterSeconds: 2 });
}

/**
 * Takes room for all of these refunds or throws, as `withAllowance` does; tells the allowance of each. They count from now
 * on, whoever makes them and when: until D1 shows what became of them, or for 24 hours. Asking again about the same
 * refunds changes nothing.
 */
export async function takeForBatch(
  env: Binding,
  principal: Principal,
  refunds: readonly MadeRefund[],
): Promise<(Record<string, number> | undefined)[]> {
  const limits = limitsOf(principal.settings);
  if (limits === null) return refunds.map(() => undefined);
  const answer = await book(env, principal, limits, allowanceOf(principal, allowances), refunds);
  if ("exceeded" in answer) throw new ProblemError(limitProblem(answer.exceeded));
  if ("unavailable" in answer) throw new ProblemError(UNAVAILABLE);
  return refunds.map((refund) => allowanceFor(limits, refund));
}

/**
 * Gives back what was taken for refunds of a batch of which no more than this can still be made, 0 for nothing. What is
 * lost on the way comes back after 24 hours. Never throws.
 */
export async function giveBackForBatch(
  env: Binding,
  principal: Principal,
  refunds: UnbookCall["refunds"],
): Promise<void> {
  if (limitsOf(principal.settings) === null || refunds.length === 0) return;
  const { app, livemode } = principal;
  await ask(env, principal, async (budget) => ({
    ok: await budget.unbook({ owner: { app, livemode }, refunds }),
  }));
}

/**
 * Takes for a refund whose ledger has not answered what it comes to beyond its part; false if there is no room for that.
 * While the budget cannot be asked it is promised all the same, because it may have been made: so a limit is exceeded by
 * what refunds promised while both their ledgers and the budget are away come to beyond their parts, and by no more.
 */
export async function takeForPromise(
  env: Binding,
  principal: Principal,
  refund: MadeRefund,
  held: Allowances = allowances,
): Promise<boolean> {
  const limits = limitsOf(principal.settings);
  if (limits === null) return true;
  const allowance = allowanceOf(principal, held);
  const answer = await book(env, principal, limits, allowance, [refund]);
  if ("unavailable" in answer) allowance.count(refund);
  return !("exceeded" in answer);
}

/** Tells the budget what was made, if it has not heard; null if there is nothing to tell. Never throws. */
export function tellBudget(
  env: Binding,
  principal: Principal,
  held: Allowances = allowances,
): Promise<void> | null {
  if (limitsOf(principal.settings) === null) return null;
  const allowance = allowanceOf(principal, held);
  if (!allowance.hasNews || allowance.tellingUntil > Date.now()) return null;
  return tell(env, principal, allowance);
}

/** What the app's refunds of the last 24 hours come to, as its budget counts. Throws `unavailable`. */
export async function findUsed(env: Binding, principal: Principal): Promise<Sums> {
  const { app, livemode } = principal;
  const allowance = allowanceOf(principal, allowances);
  const report = allowance.report();
  const answer = await ask(env, principal, (budget) => budget.used({ owner: { app, livemode }, report }));
  if (!("ok" in answer)) throw new ProblemError(UNAVAILABLE);
  allowance.told(report);
  return answer.ok;
}

const UNAVAILABLE = { code: "unavailable", retryAfterSeconds: 5 } as const;

function limitProblem({ limit, max, left, roomAt }: Exceeded): Refused {
  const currency = limit.kind === "amount" ? limit.currency : null;
  return { code: "daily_limit_exceeded", currency, max, left, roomAt };
}

function allowanceOf(principal: Principal, held: Allowances): Allowance {
  const name = budgetName(principal);
  let allowance = held.get(name);
  if (allowance === undefined) {
    allowance = new Allowance();
    held.set(name, allowance);
  }
  return allowance;
}

/** A guess at the currency of an app's first charge; a wrong one costs a question to its ledger. */
function firstOf({ amounts }: Limits): string {
  return Object.keys(amounts).find((currency) => currency !== "*") ?? "cny";
}

/** Carries the command out and settles its part: only what certainly made nothing gives it back. */
async function settled(
  allowance: Allowance,
  part: Part | null,
  command: CreateCommand,
  carryOut: (command: CreateCommand) => Promise<CarriedOut>,
): Promise<CarriedOut> {
  let made = false;
  let amount = part?.amount ?? 0;
  let currency = part?.currency ?? "";
  try {
    const answer = await carryOut(command);
    made = answer === null || ("ok" in answer && answer.ok.replayed === false);
    // An earlier try of this very request may have made it: then it comes to all that was allowed, as far as we know.
    if (answer !== null && "ok" in answer && answer.ok.amount > 0) ({ amount, currency } = answer.ok);
    return answer;
  } finally {
    if (part !== null) {
      if (made) allowance.meet({ currency, amount });
      allowance.settle(part, made ? { refund: command.refund, currency, amount } : null);
    }
  }
}

/** What a refund needs that was allowed less. */
function shortfall(answer: CarriedOut): { currency: string; amount: number } | null {
  if (answer === null || !("refusal" in answer) || answer.refusal.code !== "allowance_exceeded") return null;
  const { currency, amount } = answer.refusal;
  return { currency, amount };
}

/** Whether what was refused is what is needed, and not what it was taken for before its ledger was asked. */
function isAbout(refused: Refused, wish: Wish, need: { currency: string; amount: number }): boolean {
  if (refused.code === "daily_limit_exceeded" && refused.currency === null) return true;
  return wish.currency === need.currency && (wish.amount ?? 1) <= need.amount;
}

async function take(
  env: Binding,
  principal: Principal,
  limits: Limits,
  allowance: Allowance,
  wish: Wish,
): Promise<Part | { refused: Refused }> {
  const need = { currency: wish.currency, amount: wish.amount ?? 1 };
  const deadline = Date.now() + PATIENCE_MS;
  let counted = 0;
  for (let now = Date.now(); now < deadline; now = Date.now()) {
    const part = allowance.take(limits, wish, now);
    if (part !== null) return part;
    const exceeded = allowance.refusalOf(need, now);
    if (exceeded !== null) return { refused: limitProblem(exceeded) };
    // One request asks, and the others look again: none waits for what another one began.
    if (allowance.askingUntil > now) {
      if (counted !== allowance.askingUntil) allowance.waiting += 1;
      counted = allowance.askingUntil;
      await sleep(LOOK_AGAIN_MS);
      continue;
    }
    allowance.askingUntil = deadline;
    const isHeard = await fetchLease(env, principal, limits, allowance, need).finally(() => {
      allowance.askingUntil = 0;
    });
    if (!isHeard) break;
  }
  return { refused: UNAVAILABLE };
}

/** Accounts for everything, gives back what is free, and asks for a lease; false if the budget has not decided. */
async function fetchLease(
  env: Binding,
  principal: Principal,
  limits: Limits,
  allowance: Allowance,
  need: { currency: string; amount: number },
): Promise<boolean> {
  const { app, livemode } = principal;
  allowance.giveUp();
  const report = allowance.report();
  const lease = randomToken((count) => crypto.getRandomValues(new Uint8Array(count)));
  const askedAt = Date.now();
  const call = {
    owner: { app, livemode },
    report,
    limits,
    lease,
    need,
    others: allowance.lately,
    refunds: REFUNDS + allowance.waiting,
  };
  allowance.waiting = 0;
  const answer = await ask(env, principal, (budget) => budget.lease(call));
  if ("unavailable" in answer) return false;
  allowance.told(report);
  if ("ok" in answer) allowance.receive(answer.ok, askedAt + LEASE_MS);
  else allowance.refuse(answer.exceeded, need, Date.now());
  return true;
}

/** Accounts for everything, gives back what is free, and asks for room for these very refunds. */
async function book(
  env: Binding,
  principal: Principal,
  limits: Limits,
  allowance: Allowance,
  refunds: readonly MadeRefund[],
): Promise<BudgetAnswer<null>> {
  const { app, livemode } = principal;
  allowance.giveUp();
  const report = allowance.report();
  const call = { owner: { app, livemode }, report, limits, refunds };
  const answer = await ask(env, principal, (budget) => budget.book(call));
  if (!("unavailable" in answer)) allowance.told(report);
  return answer;
}

async function tell(env: Binding, principal: Principal, allowance: Allowance): Promise<void> {
  const { app, livemode } = principal;
  const deadline = Date.now() + PATIENCE_MS;
  allowance.tellingUntil = deadline;
  // What others make meanwhile is told with it.
  while (allowance.hasNews && Date.now() < deadline) {
    const report = allowance.report();
    const answer = await ask(env, principal, async (budget) => {
      return { ok: await budget.report({ owner: { app, livemode }, report }) };
    });
    if ("unavailable" in answer) break;
    allowance.told(report);
  }
  allowance.tellingUntil = 0;
}

/** Asks the budget, twice if need be; one that does not answer in time is unavailable. Every call may be repeated. */
async function ask<Ok>(
  env: Binding,
  principal: Principal,
  call: (budget: BudgetSurface) => Promise<BudgetAnswer<Ok>>,
): Promise<BudgetAnswer<Ok>> {
  const { location_hint: locationHint } = principal.settings;
  const deadline = Date.now() + PATIENCE_MS;
  for (let attempt = 1; attempt <= 2; attempt++) {
    try {
      const options = locationHint === null ? {} : { locationHint };
      const budget = env.BUDGETS.getByName(budgetName(principal), options);
      const outcome = await within(sleep, call(budget as unknown as BudgetSurface), deadline - Date.now());
      if (outcome === "late") break;
      return outcome.done;
    } catch (error) {
      log("warn", { failure: "budget_call", attempt, error: nameOf(error) });
    }
  }
  return { unavailable: true };
}
