// What a run shows, as numbers.
import { refundOrderNo } from "../../src/refunds/refund.ts";
import type { ConnectorName } from "./counterparts.ts";
import type { Merchant } from "./merchant.ts";
import type { NoticeDoor } from "./notice-door.ts";
import type { Watch } from "./watch.ts";
import type { World } from "./world.ts";

export interface Report {
  connector: ConnectorName;
  seed: number;
  refunds: number;
  succeeded: number;
  failed: number;
  waiting: number;
  refused: number;
  submissions: number;
  queries: number;
  notices: Record<string, number>;
  faults: Record<string, number>;
  crashes: number;
  zombies: number;
  proofs: Proofs;
  violations: string[];
}

export type Proofs = Watch["proofs"] & {
  /** E4: refunds whose outcome was unknown once and which then succeeded, with one effect at the channel. */
  unknownThenSucceeded: number;
  /** E9: numbers that the channel got more than once. */
  sentAgain: number;
  /** E10: charges that gave more than they are worth in refunds, because some of those failed. */
  refundedAgain: number;
  /** E14b: a no that was not believed, because an earlier attempt was in doubt; and which of those had landed. */
  doubted: number;
  landed: number;
  /** E31: refunds that failed with the channel's own code. */
  refusedByChannel: number;
  reversed: number;
  /** Refunds that were made past us and taken for ours. */
  matched: number;
  unknownAtRotation: number;
  late: number;
  repeated: number;
};

export function reportOf(from: {
  connector: ConnectorName;
  seed: number;
  world: World;
  merchant: Merchant;
  door: NoticeDoor;
  hits: Map<string, number>;
  unknownAtRotation: number;
}): Report {
  const { connector, seed, world, merchant, door, hits, unknownAtRotation } = from;
  const { counterpart, watch } = world;
  const refunds = [...watch.refunds()];
  const count = (state: string) => refunds.filter((refund) => refund.state === state).length;
  const { refusalCode } = counterpart;
  const numbers = [...counterpart.books.numbers.values()];
  const asked = (pattern: RegExp) => counterpart.requests.filter(({ url }) => pattern.test(url)).length;
  const submissions = counterpart.requests.filter(
    ({ method, url }) => method === "POST" && /\/refunds?$/.test(url),
  ).length;
  const proofs: Proofs = {
    ...watch.proofs,
    unknownThenSucceeded: refunds.filter(
      ({ id, state }) =>
        state === "succeeded" &&
        watch.everUnknown.has(id) &&
        counterpart.find(refundOrderNo(id))?.effects === 1,
    ).length,
    sentAgain: numbers.filter((refund) => refund.submissions > 1).length,
    refundedAgain: merchant.charges.filter((charge) => {
      const { refunds } = watch.observer.look(world.disk(charge));
      return [...refunds.values()].reduce((sum, { amount }) => sum + amount, 0) > charge.amount;
    }).length,
    doubted: watch.everDoubted.size,
    landed: refunds.filter(({ id, state }) => state === "succeeded" && watch.everDoubted.has(id)).length,
    refusedByChannel: refunds.filter(
      ({ state, channelCode }) => state === "failed" && channelCode === refusalCode,
    ).length,
    reversed: watch.everReversed.size,
    matched: refunds.filter(({ id }) => {
      const number = refundOrderNo(id);
      return !counterpart.books.numbers.has(number) && counterpart.find(number) !== null;
    }).length,
    unknownAtRotation,
    late: world.network.late,
    repeated: merchant.repeated,
  };
  return {
    connector,
    seed,
    refunds: refunds.length,
    succeeded: count("succeeded"),
    failed: count("failed"),
    waiting: refunds.length - count("succeeded") - count("failed"),
    refused: merchant.refused,
    submissions,
    queries: asked(/./) - submissions,
    notices: Object.fromEntries([...door.answers].sort(([a], [b]) => a - b)),
    faults: Object.fromEntries(hits),
    crashes: world.counts.crashes,
    zombies: world.counts.zombies,
    proofs,
    violations: world.violations,
  };
}
