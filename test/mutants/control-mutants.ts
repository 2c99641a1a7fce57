// Ledgers that let out what is held back, or tell something else of it than what happened; and batches that do.
import type { Mutant } from "./mutant.ts";

const BATCH = "src/batches/batch.ts";
const BATCHES = "src/batches/repository.ts";
const BOOK = "src/charges/book.ts";
const DECISIONS = "src/charges/decisions.ts";
const DRIVER = "src/charges/driver.ts";
const HYDRATE = "src/charges/hydrate.ts";
const RESERVE = "src/refunds/reserve-refund.ts";
const TIMELINE = "src/refunds/timeline.ts";
const TOLD = "src/refunds/timeline-repository.ts";

export const CONTROL_MUTANTS: Mutant[] = [
  {
    name: "cancels what is on its way to the channel",
    why: "the channel pays what the books call failed",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DECISIONS,
        find: '    if (wasSent(refund)) return { code: "refund_already_sent", refund: refund.id };\n',
        replace: "",
      },
    ],
  },
  {
    name: "lets the key that asked for a refund approve it",
    why: "one stolen key is enough",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DECISIONS,
        find: "if (call.decider.apiKey === refund.apiKey) return",
        replace: 'if (call.decider.apiKey === "") return',
      },
    ],
  },
  {
    name: "sends what nobody has approved once it is due",
    why: "waiting long enough is all it takes",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: "src/refunds/hold-refund.ts",
        find: 'if (refund.approval?.status === "required") {',
        replace: 'if (refund.approval?.status === "rejected") {',
      },
    ],
  },
  {
    name: "sends what waits although its charge is frozen or disputed",
    why: "the money went another way meanwhile, and goes out twice",
    layers: ["L0"],
    test: "test/domain/control-money.test.ts",
    patches: [
      {
        file: "src/refunds/hold-refund.ts",
        find: "if (isCovered) return null;",
        replace: "if (isCovered || now > 0) return null;",
      },
    ],
  },
  {
    name: "lets a payment be exchanged under a refund that waits for approval",
    why: "what was approved for one payer goes to another",
    layers: ["L1"],
    test: "test/worker/control-approval.test.ts",
    patches: [
      {
        file: "src/charges/change-charge.ts",
        find: "if (sent || refunds.some(isHeldBack)) {",
        replace: "if (sent) {",
      },
    ],
  },
  {
    name: "forgets with its ledger that a refund needs approval",
    why: "a lost ledger sends what nobody has approved",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: HYDRATE,
        find: 'return { ...next, ...mayHaveLeft, state: "unknown",',
        replace: 'return { ...next, ...mayHaveLeft, approval: undefined, state: "unknown",',
      },
    ],
  },
  {
    name: "approves without asking the rules again",
    why: "what is disputed since, or frozen, goes out",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DECISIONS,
        find: "    if (refusal !== null) return refusal;\n",
        replace: "    void refusal;\n",
      },
    ],
  },
  {
    name: "sends at once what somebody asks about, whatever its app's delay",
    why: "the time in which it could be canceled is gone",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DRIVER,
        find: "notBefore <= now;",
        replace: "notBefore < Number.POSITIVE_INFINITY && now > 0;",
      },
      {
        file: DRIVER,
        find: "Math.max(spacedUntil, refund.notBefore ?? 0);",
        replace: "spacedUntil;",
      },
    ],
  },
  {
    name: "counts each refund alone towards the limit",
    why: "many small ones go out that need approval together",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: RESERVE,
        find: "return sameDay.reduce((sum, refund) => sum + refund.amount, amount) > limit;",
        replace: "return sameDay.length >= 0 && amount > limit;",
      },
    ],
  },
  {
    name: "counts refunds that failed towards the limit",
    why: "people are asked about what needs nobody",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: RESERVE,
        find: "(refund) => holdsMoney(refund) && refund.created * 1000 > now - APPROVAL_DAY_MS,",
        replace: "(refund) => refund.created * 1000 > now - APPROVAL_DAY_MS,",
      },
    ],
  },
  {
    name: "reverses what is left of a charge",
    why: "a charge is called reversed of which a part was refunded otherwise",
    layers: ["L2"],
    patches: [
      {
        file: RESERVE,
        find: "if (command.reverses && balance.refunded + balance.pending + charge.disputed > 0) {",
        replace: "if (command.reverses && balance.refunded < 0) {",
      },
      {
        file: RESERVE,
        find: "return reverses ? charge.amount : (amount ?? refundable);",
        replace: "return reverses === null ? charge.amount : (amount ?? refundable);",
      },
    ],
  },
  {
    name: "calls a charge reversed before its reversal has succeeded",
    why: "the shop closes an order whose money never goes back",
    layers: ["L2"],
    patches: [
      {
        file: BOOK,
        find: 'reverses && state === "succeeded");',
        replace: 'reverses && state !== "failed");',
      },
    ],
  },
  {
    name: "drops of a timeline what D1 does not have",
    why: "nobody can tell any more what happened",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: TIMELINE,
        find: "if (size <= KEPT_MAX || entry.version > synced) break;",
        replace: "if (size <= KEPT_MAX || entry.version > synced + 1e9) break;",
      },
    ],
  },
  {
    name: "tells a change under the version before it",
    why: "D1 has that version, and never hears of the change",
    layers: ["L2"],
    patches: [
      {
        file: TIMELINE,
        find: "version: after.version,",
        replace: "version: before?.version ?? after.version,",
      },
    ],
  },
  {
    name: "changes what D1 has of a timeline",
    why: "what was said once can be made unsaid",
    layers: ["L2"],
    patches: [
      {
        file: TOLD,
        find: ".onConflictDoNothing(),",
        replace: `.onConflictDoUpdate({
      target: [refundTimeline.app, refundTimeline.livemode, refundTimeline.refund, refundTimeline.version, refundTimeline.at],
      set: { entry: sql\`excluded.entry\` },
    }),`,
      },
    ],
  },
  {
    name: "tells D1 of a timeline only what it has not been told",
    why: "a D1 that was put back never has the whole of it again",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: TOLD,
        find: "refund: { id, timeline = [] } }) =>\n    timeline.map(",
        replace:
          "refund: { id, synced, timeline = [] } }) =>\n    timeline.filter(({ version }) => version > synced).map(",
      },
    ],
  },
  {
    name: "calls a batch ended before all of its refunds are made",
    why: "the merchant closes orders whose money never went back",
    layers: ["L1"],
    test: "test/worker/batch-crashes.test.ts",
    patches: [
      {
        file: BATCH,
        find: "if (refunds.length < batch.items.length || !refunds.every(isFinal)) return null;",
        replace: "if (refunds.length === 0 || !refunds.every(isFinal)) return null;",
      },
      {
        file: BATCHES,
        find: ") = json_array_length(",
        replace: ") <= json_array_length(",
      },
    ],
  },
  {
    name: "leaves a batch as it ended when a refund of it ends otherwise",
    why: "a lost message, and the batch succeeded for ever with a refund that failed",
    layers: ["L1"],
    test: "test/worker/batch-crashes.test.ts",
    patches: [
      {
        file: "src/charges/flush.ts",
        find: "    ...told.flatMap(({ charge, refund }) => reopenBatch(db, charge, refund)),\n",
        replace: "",
      },
    ],
  },
];
