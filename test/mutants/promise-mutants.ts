// Workers that break their word: what stands between a client and a ledger whose answer does not come.
import type { Mutant } from "./mutant.ts";

const RESERVATIONS = "src/charges/reservations.ts";
const CLIENT = "src/charges/ledger-client.ts";
const CREATE = "src/refunds/create-refund.ts";
const REPLAY = "src/reconciliation/replay-command.ts";
const SWEEP = "src/reconciliation/sweep-commands.ts";
const POKE = "src/reconciliation/poke-ledgers.ts";

const MINTS = {
  file: CREATE,
  find: "import type { Random }",
  replace: "import { mintId, type Random }",
};

export const PROMISE_MUTANTS: Mutant[] = [
  {
    name: "has no sweeper for ledgers",
    why: "a lost alarm is found by nobody",
    layers: ["L2", "L3"],
    slow: true,
    patches: [
      { file: POKE, find: "overdue.map((reference)", replace: "overdue.slice(0, 0).map((reference)" },
    ],
  },
  {
    name: "has no sweeper for promises",
    why: "a lost message and the promised refund is never made",
    layers: ["L1", "L2"],
    slow: true,
    test: "test/worker/promises.test.ts",
    patches: [{ file: SWEEP, find: "due.map((row)", replace: "due.slice(0, 0).map((row)" }],
  },
  {
    name: "makes a promise and keeps it nowhere",
    why: "the client was told of a refund that will never be",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: CREATE,
        find: "{ refund: await promise(env, outcome.unknown), replayed: false };",
        replace:
          "{ refund: await promise({ ...env, COMMANDS: { send: async () => {} } } as never, { ...outcome.unknown, command: { ...outcome.unknown.command, refund: mintId('refund', random) } }).then((text) => text.replaceAll(/re_[0-9A-Za-z]{24}/g, outcome.unknown.command.refund)), replayed: false };",
      },
      MINTS,
    ],
  },
  {
    name: "answers an unknown outcome with an error",
    why: "the client asks again, and the payer is refunded twice",
    layers: ["L1", "L2"],
    slow: true,
    test: "test/worker/promises.test.ts",
    patches: [
      {
        file: CREATE,
        find: 'if ("failed" in outcome && outcome.failed === "overloaded" && !inDoubt)',
        replace: 'if ("failed" in outcome)',
      },
    ],
  },
  {
    name: "takes a lost ledger's no although an earlier try may have reserved",
    why: "the client is refused a refund that is paid",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: CREATE,
        find: "((inDoubt || outcome.inDoubt) && !isBinding(outcome.answer))",
        replace: "(false && !isBinding(outcome.answer as CreateAnswer))",
      },
    ],
  },
  {
    name: "makes another try while the first may still be on its way",
    why: "the first makes what the second was refused",
    layers: ["L0"],
    test: "test/domain/ledger-client.test.ts",
    patches: [
      {
        file: "src/charges/ledger-client.ts",
        find: 'if (outcome === "late") return { failed: "unknown" };',
        replace: 'if (outcome === "late") throw new Error("late");',
      },
    ],
  },
  {
    name: "does not find a promise while it is being kept",
    why: "a refund that was acknowledged is 404 for a moment",
    layers: ["L1"],
    test: "test/worker/promises.test.ts",
    patches: [
      {
        file: "src/reconciliation/promise-refund.ts",
        find: 'if (row.dueAt === null) return "kept";',
        replace: "if (row.dueAt === null) return null;",
      },
    ],
  },
  {
    name: "takes an unknown outcome for a ledger that was overloaded",
    why: "an error after a reservation that may stand",
    layers: ["L1", "L2"],
    slow: true,
    test: "test/worker/promises.test.ts",
    patches: [
      {
        file: CLIENT,
        find: 'if (!(error as { overloaded?: boolean }).overloaded) failed = "unknown";',
        replace: "",
      },
    ],
  },
  {
    name: "takes an overloaded ledger for an unknown outcome",
    why: "promises what could be refused honestly",
    layers: ["L1"],
    test: "test/worker/ledger-crashes.test.ts",
    patches: [
      {
        file: CLIENT,
        find: 'let failed: "overloaded" | "unknown" = "overloaded";',
        replace: 'let failed: "overloaded" | "unknown" = "unknown";',
      },
    ],
  },
  {
    name: "mints another refund id for every try",
    why: "one request becomes two refunds",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: CREATE,
        find: "ledger.create({ ...CALL, requires: featuresOf(command), command, hydration }),",
        replace:
          "ledger.create({ ...CALL, command: { ...command, refund: command.fingerprint === null ? mintId('refund', (count) => crypto.getRandomValues(new Uint8Array(count))) : command.refund }, hydration }),",
      },
      MINTS,
    ],
  },
  {
    name: "mints the id of a refund that has a key of its own",
    why: "two promises of one request are two refunds",
    layers: ["L1", "L2"],
    slow: true,
    test: "test/worker/promises.test.ts",
    patches: [
      {
        file: "src/refunds/refund-command.ts",
        find: "      fingerprint === null\n        ? mintId",
        replace: "      fingerprint !== undefined\n        ? mintId",
      },
    ],
  },
  {
    name: "replays a promise under another refund id",
    why: "the refund the client was told of never comes to be",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: REPLAY,
        find: "const waiting = { ...command, waitMs: 0 };",
        replace:
          'const waiting = { ...command, waitMs: 0, refund: command.refund.slice(0, -1) + (command.refund.endsWith("0") ? "1" : "0") };',
      },
    ],
  },
  {
    name: "forgets a promise before the ledger has answered",
    why: "the refund the client was told of never comes to be",
    layers: ["L1", "L2"],
    slow: true,
    test: "test/worker/promises.test.ts",
    patches: [
      {
        file: SWEEP,
        find: "if (await replayCommand(env, row.command)) await endCommand(db, row.command);",
        replace: "await endCommand(db, row.command);\n  await replayCommand(env, row.command);",
      },
    ],
  },
  {
    name: "refuses a promised refund instead of failing it",
    why: "the refund the client was told of never comes to be",
    layers: ["L1", "L2"],
    slow: true,
    test: "test/worker/ledger-crashes.test.ts",
    patches: [
      {
        file: RESERVATIONS,
        find: "if (!call.promised || lost) return { refusal };",
        replace: "if (refusal) return { refusal };",
      },
    ],
  },
  {
    name: "says no for a ledger that was lost",
    why: "a promised refund that may have moved money is booked as failed",
    layers: ["L1"],
    test: "test/worker/promises.test.ts",
    patches: [
      {
        file: RESERVATIONS,
        find: "if (!call.promised || lost) return { refusal };",
        replace: "if (!call.promised) return { refusal };",
      },
    ],
  },
  {
    name: "leaves the mode out of a ledger's name",
    why: "a test refund is taken from a live payment",
    layers: ["L1"],
    test: "test/worker/contract-charge-updates.test.ts",
    patches: [
      {
        file: "src/charges/charge.ts",
        find: 'livemode ? "live" : "test"',
        replace: 'livemode ? "test" : "test"',
      },
    ],
  },
  {
    name: "leaves the app out of a ledger's name",
    why: "one app's refunds are taken from another's payment",
    layers: ["L1"],
    test: "test/worker/contract-charge-updates.test.ts",
    patches: [
      {
        file: "src/charges/charge.ts",
        find: "livemode: boolean, charge: string): string {\n",
        replace: 'livemode: boolean, charge: string): string {\n  app = "every";\n',
      },
    ],
  },
  {
    name: "leaves the mode out of D1's key of a charge",
    why: "live facts are read for a test charge",
    layers: ["L1"],
    test: "test/worker/contract-charge-updates.test.ts",
    patches: [
      {
        file: "src/charges/repository.ts",
        find: "and(eq(charges.app, app), eq(charges.livemode, livemode), eq(charges.id, id));",
        replace: "and(eq(charges.app, app), eq(charges.id, livemode === null ? '' : id));",
      },
    ],
  },
  {
    name: "leaves the app out of D1's key of a charge",
    why: "an app reads another's charge",
    layers: ["L1"],
    test: "test/worker/contract-charge-updates.test.ts",
    patches: [
      {
        file: "src/charges/repository.ts",
        find: "and(eq(charges.app, app), eq(charges.livemode, livemode), eq(charges.id, id));",
        replace: "and(eq(charges.livemode, livemode), eq(charges.id, app === null ? '' : id));",
      },
    ],
  },
];
