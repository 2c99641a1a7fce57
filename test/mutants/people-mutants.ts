// Ledgers that let people and disputes do what they must not.
import type { Mutant } from "./mutant.ts";

const DRIVER = "src/charges/driver.ts";
const OPERATIONS = "src/charges/operations.ts";
const DISPUTE = "src/disputes/dispute.ts";

export const PEOPLE_MUTANTS: Mutant[] = [
  {
    name: "does not tell D1 of a dispute",
    why: "after a loss the dispute is forgotten",
    layers: ["L1", "L2"],
    slow: true,
    test: "test/worker/disputes.test.ts",
    patches: [
      {
        file: OPERATIONS,
        find: "        disputed: disputedAmount(disputes),\n        version: cover.charge.version + 1,",
        replace: "        disputed: disputedAmount(disputes),",
      },
    ],
  },
  {
    name: "holds what a dispute took after it was won",
    why: "the merchant's own money is never free again",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DISPUTE,
        find: 'if (dispute.status !== "won") amount',
        replace: "if (dispute.amount > 0) amount",
      },
    ],
  },
  {
    name: "opens a dispute again that has ended",
    why: "steps arrive in any order",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DISPUTE,
        find: '    if (known.status !== "opened" && heard.status === "opened") return disputes;\n',
        replace: "",
      },
    ],
  },
  {
    name: "lets a person end what the channel is still deciding",
    why: "the channel pays what the books call failed",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: OPERATIONS,
        find: 'if (refund.state !== "accepted" || !needsPerson)',
        replace: 'if (refund.state !== "accepted" && !needsPerson && refund.seq < 0)',
      },
    ],
  },
  {
    name: "lets a person end a refund without asking the channel once more",
    why: "the channel has ended it meanwhile",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: OPERATIONS,
        find: "const heard = await this.#driver.query(call.refund);",
        replace: 'const heard = { kind: "accepted", attention: "channel_abnormal" };',
      },
    ],
  },
  {
    name: "lets anybody end what somebody else has in hand",
    why: "two people pay the same refund",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: OPERATIONS,
        find: "if (refund.claim !== undefined && refund.claim.by !== by) {",
        replace: "if (refund.claim !== undefined && refund.claim.by === '') {",
      },
    ],
  },
  {
    name: "does not look a second time before it takes a person's word",
    why: "somebody else has claimed or ended it while the channel was asked",
    layers: ["L0"],
    test: "test/domain/ledger-operations.test.ts",
    patches: [{ file: OPERATIONS, find: "      if (hindrance !== null) return hindrance;\n", replace: "" }],
  },
  {
    name: "lets a second person end what one has ended",
    why: "who decided, and why, is overwritten",
    layers: ["L0", "L2"],
    slow: true,
    test: "test/domain/ledger-operations.test.ts",
    patches: [
      {
        file: OPERATIONS,
        find: "if (isFinal(refund)) return illegal(refund);\n    const { by }",
        replace: "const { by }",
      },
      {
        file: OPERATIONS,
        find: 'if (refund.state !== "accepted" || !needsPerson)',
        replace: "if (!needsPerson)",
      },
    ],
  },
  {
    name: "does not watch what a person has ended",
    why: "the channel pays it a week later and nobody notices",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: OPERATIONS,
        find: "{ watchUntil: now + WATCH_MS, dueAt: now + DAY_MS }",
        replace: "{ watchUntil: now + WATCH_MS }",
      },
    ],
  },
  {
    name: "does not tell D1 when it will ask again about what a person has ended",
    why: "the sweeper pokes it every minute for a month",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DRIVER,
        find: "book.save(changedRefund(refund, { dueAt, leaseUntil }, now), null);",
        replace: "book.save({ ...refund, dueAt, leaseUntil }, null);",
      },
    ],
  },
];
