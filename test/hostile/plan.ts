// From a seed and an index to a request: a route of the registry, a request that it would accept, and what is broken
// about it. The same seed and index break the same things; ids differ from run to run.

import type { Route } from "../../src/http/registry.ts";
import { randomToken } from "../../src/ids.ts";
import { routes } from "../../src/routes.ts";
import { Dice } from "../emulators/dice.ts";
import { GUESSES, nameOf } from "../exam.ts";
import { BODY_BREAKS, type Break } from "./break-body.ts";
import { HEAD_BREAKS } from "./break-head.ts";
import type { Caller, Draft } from "./draft.ts";
import { nodeOf } from "./json-text.ts";
import { type Examples, validObject, validValue } from "./valid-values.ts";
import type { World } from "./world.ts";

export interface Plan {
  index: number;
  /** What is broken, by name, and where each takes its dice from. */
  breaks: { name: string; seed: number }[];
  /** Makes the request, without the breaks of these places: for finding those that matter. */
  draft(world: World, without?: ReadonlySet<number>): Draft;
}

const ALL: Record<string, Break> = { ...BODY_BREAKS, ...HEAD_BREAKS };
const BODY = Object.keys(BODY_BREAKS);
const HEAD = Object.keys(HEAD_BREAKS);

/** Routes that make or move something come more often. */
const WEIGHTED = routes.flatMap((route) =>
  Array<Route>(
    route.path === "/v1/charges/:charge/refunds" && route.method === "POST"
      ? 8
      : route.body !== undefined && !/test_helpers|ping|enable|disable/.test(route.path)
        ? 3
        : 1,
  ).fill(route),
);

export function planOf(seed: number, index: number): Plan {
  const dice = new Dice(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  const route = dice.pick(WEIGHTED);
  const base = dice.between(0, 2 ** 31);
  // One thing wrong finds who looks at it; several find who trusts whoever looked before.
  const count = dice.chance(0.06) ? 0 : dice.chance(0.65) ? 1 : dice.between(2, 4);
  const breaks = Array.from({ length: count }, () => {
    const names = route.body !== undefined && dice.chance(0.7) ? BODY : HEAD;
    return { name: dice.pick(names), seed: dice.between(0, 2 ** 31) };
  });
  return {
    index,
    breaks,
    draft(world, without = new Set()) {
      const draft = validDraft(route, new Dice(base), world);
      for (const [i, { name, seed: own }] of breaks.entries()) {
        if (!without.has(i)) ALL[name]?.(draft, new Dice(own));
      }
      return draft;
    },
  };
}

function validDraft(route: Route, dice: Dice, world: World): Draft {
  const isAccounts = route.path.startsWith("/v1/channel_accounts");
  const caller: Caller = dice.chance(isAccounts ? 0.85 : 0.2) ? "live" : "test";
  const examples = examplesOf(route, caller, world);
  // Test helpers look for an unknown refund for a second: it may be on its way to D1.
  const isSlow = route.path.startsWith("/v1/test_helpers/");
  const path = route.path.replaceAll(/:(\w+)/g, (_, kind: string) => idOf(kind, caller, dice, world, isSlow));
  const query: [string, string][] = [];
  if (route.query !== undefined && dice.chance(0.7)) {
    for (const [name, value] of Object.entries(validObject(route.query.shape, dice, QUERIES))) {
      query.push([name, encodeURIComponent(String(value))]);
    }
  }
  const body = route.body === undefined ? null : validValue(route.body, "", dice, examples);
  return {
    route,
    caller,
    method: route.method,
    path,
    query,
    headers: [
      ["Authorization", `Bearer ${world.keyOf(caller)}`],
      // No request of a fuzzer waits for a channel.
      ["Prefer", "respond-async"],
    ],
    contentType: body === null ? null : "application/json",
    tree: body === null ? null : nodeOf(body),
    form: false,
    texts: [],
    bytes: [],
  };
}

/** Mostly one's own; else somebody else's, another kind's, or one that nobody has. */
function idOf(kind: string, caller: Caller, dice: Dice, world: World, isSlow: boolean): string {
  const own = world.own[caller][kind] ?? [];
  const recent = kind === "charge" ? world.recent[caller].slice(-20) : [];
  const throwOf = dice.next() * (isSlow ? 0.82 : 1);
  if (throwOf < 0.2 && recent.length > 0) return dice.pick(recent);
  if (throwOf < 0.8 && own.length > 0) return dice.pick(own);
  if (throwOf < 0.9) return dice.pick(world.othersIds(caller, kind));
  const kinds = Object.keys(GUESSES);
  if (throwOf < 0.95) return dice.pick(world.own[caller][dice.pick(kinds)] ?? [kind]);
  return (GUESSES[kind] as () => string)();
}

const QUERIES: Examples = {
  limit: (dice) => String(dice.between(1, 20)),
  starting_after: () => "ch_000000000000000000000000",
  created: () => String(Math.floor(Date.now() / 1000)),
};

const token = (dice: Dice) => randomToken((count) => dice.bytes(count));

/** What will do where the schema alone does not say. */
function examplesOf(route: Route, caller: Caller, world: World): Examples {
  const own = (kind: string) => (dice: Dice) => dice.pick(world.own[caller][kind] ?? [""]);
  const now = () => Math.floor(Date.now() / 1000);
  const common: Examples = {
    order_no: (dice) => (dice.chance(0.9) ? token(dice) : "again"),
    amount: (dice) => dice.pick([1, 2, 50, 100, 9999]),
    amount_refunded: () => 0,
    amount_settle: () => 0,
    refund_no: (dice) => token(dice),
    transaction_no: (dice) => token(dice),
    currency: () => "cny",
    app: () => ({ id: world.owner.id }),
    url: (dice) => `https://shop.example.com/${token(dice)}`,
    endpoint: own("endpoint"),
    created: now,
    time_paid: now,
    time_expire: now,
    time_settle: now,
    since: () => now() - 100,
    until: () => now() + 100,
    from: () => "Wang",
    by: () => "Li",
    reversed: () => false,
  };
  switch (nameOf(route)) {
    case "POST /v1/charges":
      // Without an id most of the time: then it follows from the facts.
      return {
        ...common,
        id: (dice) => (dice.chance(0.2) ? `ch_${token(dice)}` : undefined),
        channel: (dice) =>
          caller === "live" ? "manual" : dice.pick(["wx", "alipay", "constructor", "upacp"]),
        paid: (dice) => dice.chance(0.8),
        amount: (dice) => dice.pick([1, 100, 10_000, 39_999]),
      };
    case "POST /v1/charges/:charge":
      return { ...common, paid: () => true, transaction_no: () => undefined, time_paid: () => undefined };
    case "POST /v1/charges/:charge/disputes":
      return { ...common, id: (dice) => `dp_${dice.between(1, 60)}`, amount: () => 1 };
    case "POST /v1/batch_refunds":
      return {
        ...common,
        app: () => world.owner.id,
        batch_no: (dice) => (dice.chance(0.9) ? token(dice) : "hostile"),
        charges: (dice) =>
          Array.from({ length: dice.between(1, 3) }, () => {
            const charge = own("charge")(dice);
            return dice.chance(0.2) ? charge : { charge, amount: dice.between(1, 50) };
          }),
      };
    case "POST /v1/channel_accounts":
    case "POST /v1/channel_accounts/:account":
      return {
        ...common,
        channel: (dice) => dice.pick(["manual", "manual", "alipay", "wx_pub", "stripe", "nobody"]),
        credentials: (dice) => dice.pick(CREDENTIALS),
      };
    case "POST /v1/webhook_endpoints":
    case "POST /v1/webhook_endpoints/:endpoint":
      return { ...common, status: (dice) => (dice.chance(0.9) ? "disabled" : "enabled") };
    default:
      return common;
  }
}

/** By the shape of each connector's; none of them opens anything. */
const CREDENTIALS: readonly unknown[] = [
  { note: "by hand" },
  { note: "by hand" },
  { secret_key: `sk_live_${"0".repeat(24)}`, webhook_secrets: ["whsec_00000000"] },
  {
    app_id: "2021000000000000",
    private_key: "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
    alipay_public_keys: ["MIIB"],
  },
  {
    mchid: "1900000000",
    serial_no: "0A",
    private_key: "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
    api_v3_key: "0".repeat(32),
    platform_keys: [
      { serial: "0A", public_key: "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----" },
    ],
  },
];
