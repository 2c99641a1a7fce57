// The sandbox: what a channel says in test mode, as a pure function of the order, the time and what it said before.
// The tables below are the only place that knows the triggers; the documentation and the tests read them.
// A trigger is a word in the refund's description, `[sandbox:pending:5]`, in any case. Clients that cannot set a
// description use the amount of the table instead; a word goes before an amount.
import type { RefundOrder, Verdict } from "../channel.ts";

type DistributiveOmit<Union, Keys extends string> = Union extends unknown ? Omit<Union, Keys> : never;

/** A verdict without the facts that every verdict carries. */
export type Said = DistributiveOmit<Verdict, "number" | "amount" | "currency" | "askedAt">;

interface Turn {
  order: RefundOrder;
  /** N of the trigger, or what it is when left out. */
  argument: number;
  now: number;
  /** When the number was first submitted, ms. */
  since: number;
}

interface Argument {
  unit: "seconds" | "milliseconds" | "attempts";
  otherwise: number;
}

export interface Behaviour {
  word: string;
  /** What N stands for in `[sandbox:word:N]`. */
  argument?: Argument;
  /** The amount, in minor units, that asks for the same. */
  amount?: number;
  does: string;
  /** How long the answer to a submission takes. */
  afterMs?: number;
  refund(turn: Turn): Said;
  query(turn: Turn): Said;
}

/** Changes a circumstance; goes together with any behaviour. */
export interface Modifier {
  word: string;
  argument: Argument;
  does: string;
}

/** Long enough that other requests get in between, short enough for tests. */
const TIMEOUT_MS = 50;
const SETTLING_MS = 2000;

const succeeded = ({ order, since }: Turn, succeededAt = Math.floor(since / 1000)): Said => ({
  kind: "succeeded",
  transactionNo: transactionNoOf(order.number),
  succeededAt,
});

const noAnswer: Said = {
  kind: "unknown",
  failureCode: "channel_connection_error",
  words: "The channel did not answer.",
};

const refused = (code: string, words: string): Said => ({
  kind: "declined",
  code,
  words,
  failureCode: "refund_refused_msg",
});

const abnormal: Said = { kind: "accepted", attention: "channel_abnormal" };

/** The channel's serial number of a refund; the same for the same number. */
function transactionNoOf(number: string): string {
  return `sandbox_${number}`;
}

/** Accepted until N seconds after the submission. */
const ending = (end: (turn: Turn, at: number) => Said) => (turn: Turn) => {
  const at = turn.since + turn.argument * 1000;
  return turn.now >= at ? end(turn, at) : ({ kind: "accepted", askAgainAt: at } satisfies Said);
};

const always = (say: (turn: Turn) => Said) => ({ refund: say, query: say });

export const BEHAVIOURS = [
  {
    word: "succeed",
    amount: 40001,
    does: "Succeeds at once. What happens without any trigger.",
    ...always((turn) => succeeded(turn)),
  },
  {
    word: "pending",
    argument: { unit: "seconds", otherwise: 5 },
    amount: 40002,
    does: "Is accepted and succeeds N seconds later.",
    ...always(ending((turn, at) => succeeded(turn, Math.floor(at / 1000)))),
  },
  {
    word: "pending_fails",
    argument: { unit: "seconds", otherwise: 5 },
    amount: 40003,
    does: "Is accepted and fails N seconds later.",
    ...always(ending(() => refused("CLOSED", "The refund was closed."))),
  },
  {
    word: "pending_forever",
    amount: 40004,
    does: "Is accepted and never ends by itself.",
    ...always(() => ({ kind: "accepted" })),
  },
  {
    word: "declined",
    amount: 40005,
    does: "Is declined at once.",
    ...always(() => refused("TRADE_NOT_ALLOW_REFUND", "This payment cannot be refunded.")),
  },
  {
    word: "balance_too_small",
    amount: 40006,
    does: "Is declined because the merchant's balance is too small.",
    ...always(() => refused("NOT_ENOUGH", "The balance is too small.")),
  },
  {
    word: "timeout_succeeded",
    amount: 40007,
    does: "Gives no answer, although it worked: a query finds it.",
    afterMs: TIMEOUT_MS,
    refund: (turn) => (turn.order.attempt > 1 ? succeeded(turn) : noAnswer),
    query: (turn) => succeeded(turn),
  },
  {
    word: "timeout_lost",
    amount: 40008,
    does: "Gives no answer and never arrived: a query does not find it, a second submission succeeds.",
    afterMs: TIMEOUT_MS,
    refund: (turn) => (turn.order.attempt > 1 ? succeeded(turn) : noAnswer),
    query: (turn) => (turn.order.attempt > 1 ? succeeded(turn) : { kind: "notFound" }),
  },
  {
    word: "error",
    argument: { unit: "attempts", otherwise: 1 },
    amount: 40009,
    does: "Answers N submissions with a 5xx before doing anything; the next one succeeds.",
    refund: (turn) =>
      turn.order.attempt > turn.argument
        ? succeeded(turn)
        : { kind: "unknown", failureCode: "channel_request_error", words: "HTTP 500" },
    query: (turn) => (turn.order.attempt > turn.argument ? succeeded(turn) : { kind: "notFound" }),
  },
  {
    word: "late_landing",
    amount: 40010,
    does: "Gives no answer to the first submission, declines the second, and then the first one lands after all.",
    afterMs: TIMEOUT_MS,
    refund: (turn) =>
      turn.order.attempt > 1 ? refused("NOT_ENOUGH", "The balance is too small.") : noAnswer,
    query: (turn) => (turn.order.attempt > 1 ? succeeded(turn) : { kind: "notFound" }),
  },
  {
    word: "late_failure",
    argument: { unit: "seconds", otherwise: 5 },
    amount: 40011,
    does: "Succeeds at once; N seconds later the money has come back, and a query says so.",
    ...always((turn) =>
      turn.now >= turn.since + turn.argument * 1000
        ? refused("RETURNED", "The receiving account sent the money back.")
        : succeeded(turn),
    ),
  },
  {
    word: "abnormal",
    amount: 40012,
    does: "Is accepted and stuck until an operator acts (attention `channel_abnormal`).",
    ...always(() => abnormal),
  },
  {
    word: "operator_url",
    amount: 40013,
    does: "Waits for the merchant to open a page (`refund_wait_operation`, attention `operator_url`).",
    ...always((turn) => ({
      kind: "accepted",
      attention: "operator_url",
      url: `https://sandbox.example/refunds/${turn.order.number}`,
    })),
  },
  {
    word: "throttled",
    argument: { unit: "seconds", otherwise: 1 },
    amount: 40014,
    does: "Is turned away once because of too many requests; N seconds later it succeeds.",
    refund: (turn) =>
      turn.order.memory === "throttled"
        ? succeeded(turn)
        : {
            kind: "notSent",
            reason: "throttled",
            retryAt: turn.now + turn.argument * 1000,
            memory: "throttled",
          },
    query: (turn) => (turn.order.memory === "throttled" ? succeeded(turn) : { kind: "notFound" }),
  },
  {
    word: "silent",
    amount: 40015,
    does: "Answers without a status, for ever.",
    ...always(() => ({
      kind: "unknown",
      failureCode: "refund_unexpected_status",
      words: "The answer carries no status.",
    })),
  },
] as const satisfies readonly Behaviour[];

export const MODIFIERS = [
  {
    word: "slow",
    argument: { unit: "milliseconds", otherwise: 1000 },
    does: "The answer to a submission takes N milliseconds.",
  },
  {
    word: "settling",
    argument: { unit: "milliseconds", otherwise: SETTLING_MS },
    does: "A query that finds nothing means something N milliseconds after the submission.",
  },
  {
    word: "spacing",
    argument: { unit: "milliseconds", otherwise: 3000 },
    does: "Two refunds of a charge must be N milliseconds apart.",
  },
] as const satisfies readonly Modifier[];

/** A misspelt trigger must not pass for a success: whoever wrote it expects something else. */
const MISSPELT: Behaviour = {
  word: "",
  does: "Is declined because the trigger is not in the table.",
  ...always(() => refused("SANDBOX_TRIGGER_UNKNOWN", "No such trigger of the sandbox.")),
};

interface Script {
  behaviour: Behaviour;
  argument: number;
  slowMs: number | null;
  settlingMs: number;
  spacingMs: number;
}

/** Reads the triggers out of an order. */
function scriptOf(order: { description: string; amount: number | null }): Script {
  const script: Script = {
    behaviour: BEHAVIOURS[0],
    argument: 0,
    slowMs: null,
    settlingMs: SETTLING_MS,
    spacingMs: 0,
  };
  let chosen = false;
  for (const [, trigger = ""] of order.description.matchAll(/\[sandbox:([^\]]*)\]/gi)) {
    const [, word = "", digits] = /^([a-z_]+)(?::(\d{1,9}))?$/.exec(trigger.toLowerCase()) ?? [];
    const modifier = MODIFIERS.find((known) => known.word === word);
    if (modifier !== undefined) {
      const value = digits === undefined ? modifier.argument.otherwise : Number(digits);
      if (modifier.word === "slow") script.slowMs = value;
      if (modifier.word === "settling") script.settlingMs = value;
      if (modifier.word === "spacing") script.spacingMs = value;
      continue;
    }
    if (chosen) continue;
    chosen = true;
    choose(script, findBehaviour((known) => known.word === word) ?? MISSPELT, digits);
  }
  if (!chosen && order.amount !== null) {
    const behaviour = findBehaviour((known) => known.amount === order.amount);
    if (behaviour !== undefined) choose(script, behaviour);
  }
  return script;
}

function findBehaviour(test: (known: Behaviour) => boolean): Behaviour | undefined {
  return BEHAVIOURS.find(test);
}

function choose(script: Script, behaviour: Behaviour, digits?: string): void {
  script.behaviour = behaviour;
  script.argument = digits === undefined ? (behaviour.argument?.otherwise ?? 0) : Number(digits);
}

/** The circumstances that triggers can change: the gap between refunds and the settling time, in ms. */
export function circumstancesOf(order: { description: string }): { spacingMs: number; settlingMs: number } {
  const { spacingMs, settlingMs } = scriptOf({ description: order.description, amount: null });
  return { spacingMs, settlingMs };
}

/** What the sandbox says to a submission or a query at `now` (ms), and how long it takes to say it. */
export function sandboxAnswer(
  asked: "refund" | "query",
  order: RefundOrder,
  now: number,
): { verdict: Verdict; afterMs: number } {
  const forced = forcedSaying(order);
  if (forced !== null) return { verdict: verdictOf(forced, order, now), afterMs: 0 };
  const { behaviour, argument, slowMs } = scriptOf(order);
  const said = behaviour[asked]({ order, argument, now, since: order.submittedAt ?? now });
  const timesOut = said.kind === "unknown" ? (behaviour.afterMs ?? 0) : 0;
  return { verdict: verdictOf(said, order, now), afterMs: asked === "refund" ? (slowMs ?? timesOut) : 0 };
}

function verdictOf(said: Said, order: RefundOrder, now: number): Verdict {
  return { ...said, number: order.number, amount: order.amount, currency: order.currency, askedAt: now };
}

/** What a test helper can do to a refund. */
export const FORCED_MOVES = ["succeed", "fail", "reverse", "abnormal"] as const;
export type ForcedMove = (typeof FORCED_MOVES)[number];

/**
 * The verdict by which a test helper moves a refund at `now` (ms). Its `memory` makes every later query say the same,
 * so that a move out of a final state is confirmed when the ledger asks again.
 */
export function forcedVerdict(move: ForcedMove, order: RefundOrder, now: number): Verdict {
  const memory = move === "succeed" ? `forced:succeed:${Math.floor(now / 1000)}` : `forced:${move}`;
  const said = forcedSaying({ ...order, memory });
  if (said === null) throw new Error(`no such move: ${move}`);
  return verdictOf({ ...said, memory }, order, now);
}

function forcedSaying(order: RefundOrder): Said | null {
  const [, move, seconds] = /^forced:([a-z]+)(?::(\d+))?$/.exec(order.memory ?? "") ?? [];
  switch (move) {
    case "succeed":
      return {
        kind: "succeeded",
        transactionNo: transactionNoOf(order.number),
        succeededAt: Number(seconds ?? order.created),
      };
    case "fail":
      return refused("CLOSED", "The refund was closed by a test helper.");
    case "reverse":
      return refused("RETURNED", "The refund was reversed by a test helper.");
    case "abnormal":
      return abnormal;
    default:
      return null;
  }
}
