// Ledgers that send, ask or believe wrongly.
import type { Mutant } from "./mutant.ts";

const DRIVER = "src/charges/driver.ts";
const DRIVE = "src/refunds/drive-refund.ts";
const SETTLE = "src/refunds/settle-refund.ts";
const VERIFY = "src/refunds/verify-payment.ts";

export const SENDING_MUTANTS: Mutant[] = [
  {
    name: "gives every attempt a new number at the channel",
    why: "asking again pays twice",
    layers: ["L2", "L2 channels", "L3"],
    patches: [
      {
        file: DRIVE,
        find: "    number: refundOrderNo(refund.id),\n    amount: refund.amount,",
        replace:
          '    number: refund.attempts > 1 ? refundOrderNo(refund.id).slice(0, -1) + "abcdefgh"[refund.attempts % 8] : refundOrderNo(refund.id),\n    amount: refund.amount,',
      },
      {
        file: DRIVE,
        find: "return verdict.number === facts.number",
        replace: "return verdict.number !== ''",
      },
    ],
  },
  {
    name: "releases the money on a time-out",
    why: "the refund may have worked: it is paid, and paid again",
    layers: ["L2", "L2 channels", "L3"],
    patches: [
      {
        file: SETTLE,
        find: 'return at.asked === "told" ? null : stillOpen(refund, heard, at);',
        replace:
          'return at.asked === "told" ? null : changed(refund, failed(heard, { code: "timeout", words: "", failureCode: null }, at));',
      },
    ],
  },
  {
    name: "fails a refund that the channel does not find",
    why: "the submission may still be on its way",
    layers: ["L0", "L2"],
    test: "test/domain/settle-refund.test.ts",
    patches: [
      {
        file: SETTLE,
        find: 'return changed(refund, { ...heard, state: "unknown", inDoubt: true, clearToSubmit: true, dueAt: at.now });',
        replace:
          'return changed(refund, failed(heard, { code: "not_found", words: "", failureCode: null }, at));',
      },
    ],
  },
  {
    name: "fails what has been open for a week",
    why: "nothing fails by age: the channel may still pay it",
    layers: ["L0", "L2"],
    slow: true,
    test: "test/domain/settle-refund.test.ts",
    patches: [
      {
        file: SETTLE,
        find: 'const inDoubt = heard.state !== "accepted";\n',
        replace:
          'if (isOverdue(refund, at)) return changed(refund, failed(heard, { code: "age", words: "", failureCode: null }, at));\n  const inDoubt = heard.state !== "accepted";\n',
      },
    ],
  },
  {
    name: "believes a no while an earlier attempt is in doubt",
    why: "the first attempt lands late, and the money has been given away again",
    layers: ["L0", "L2"],
    slow: true,
    test: "test/domain/settle-refund.test.ts",
    patches: [
      {
        file: SETTLE,
        find: 'if (refund.state !== "succeeded" && inDoubt && !confirmed) {',
        replace: 'if (refund.state !== "succeeded" && inDoubt && !confirmed && at.now < 0) {',
      },
    ],
  },
  {
    name: "believes that a number is not found before the channel has settled",
    why: "a no in doubt is confirmed while the first attempt is still on its way",
    layers: ["L2", "L2 channels"],
    slow: true,
    patches: [
      {
        file: SETTLE,
        find: "return (refund.lastSubmittedAt ?? 0) + at.settlingMs;",
        replace: "return (refund.lastSubmittedAt ?? 0) + 0 * at.settlingMs;",
      },
    ],
  },
  {
    name: "submits again without asking first",
    why: "a refund that the channel works on is sent as if it were new",
    layers: ["L2"],
    patches: [
      {
        file: DRIVER,
        find: "if (!refund.clearToSubmit) {",
        replace: "if (refund.state === 'succeeded' || refund.state === 'failed') {",
      },
    ],
  },
  {
    name: "waits for a notice once the channel has accepted",
    why: "notices get lost: the refund never ends",
    layers: ["L0", "L2"],
    slow: true,
    test: "test/domain/settle-refund.test.ts",
    patches: [
      {
        file: SETTLE,
        find: "dueAt: Math.max(at.now + backoffMs(refund.openAnswers), notBefore),",
        replace: "dueAt: inDoubt ? Math.max(at.now + backoffMs(refund.openAnswers), notBefore) : null,",
      },
    ],
  },
  {
    name: "leaves a final state on a notice alone",
    why: "a stale or forged notice takes back a refund that was paid",
    layers: ["L0", "L2"],
    slow: true,
    test: "test/domain/settle-refund.test.ts",
    patches: [
      {
        file: SETTLE,
        find: 'return at.asked === "query" && refund.contradictedAt !== null && verdict.askedAt >= refund.contradictedAt;',
        replace: "return verdict.askedAt >= 0;",
      },
    ],
  },
  {
    name: "leaves a final state at the first query that disagrees",
    why: "one garbled answer takes back a refund that was paid",
    layers: ["L0", "L2"],
    slow: true,
    test: "test/domain/settle-refund.test.ts",
    patches: [
      {
        file: SETTLE,
        find: 'return at.asked === "query" && refund.contradictedAt !== null && verdict.askedAt >= refund.contradictedAt;',
        replace: 'return at.asked === "query" && verdict.askedAt >= 0;',
      },
    ],
  },
  {
    name: "never hears that a final state is contradicted",
    why: "money came back and the books do not know",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: SETTLE,
        find: "function contradicted(refund: Refund, memory: string | null, at: Circumstances): Settlement {\n",
        replace:
          "function contradicted(refund: Refund, memory: string | null, at: Circumstances): Settlement {\n  if (at.now > 0) return changed(refund, { ...refund, memory });\n",
      },
    ],
  },
  {
    name: "applies a verdict older than the last one",
    why: "what was overtaken is believed",
    layers: ["L0"],
    test: "test/domain/settle-refund.test.ts",
    patches: [
      {
        file: SETTLE,
        find: "if (refund.askedAt !== null && verdict.askedAt < refund.askedAt) {",
        replace: "if (refund.askedAt !== null && verdict.askedAt < 0) {",
      },
    ],
  },
  {
    name: "overlooks that the channel speaks of another amount",
    why: "a refund of another sum is booked as ours",
    layers: ["L0", "L2"],
    slow: true,
    test: "test/domain/settle-refund.test.ts",
    patches: [
      {
        file: SETTLE,
        find: "if (verdict.amount !== null && verdict.amount !== refund.amount) return",
        replace: "if (verdict.amount !== null && verdict.amount < 0) return",
      },
    ],
  },
  {
    name: "takes a connector's word about another number",
    why: "somebody else's refund ends ours",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DRIVE,
        find: "return verdict.number === facts.number",
        replace: "return verdict.number !== ''",
      },
    ],
  },
  {
    name: "gives back money that no longer fits, and does not freeze the charge",
    why: "more has moved than was paid, and the next refund adds to it",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DRIVER,
        find: 'freeze: book.cover.freeze ?? "conflict" });',
        replace: "freeze: book.cover.freeze });",
      },
    ],
  },
  {
    name: "books a success that no longer fits",
    why: "the books show more than was paid, and nobody looks",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: SETTLE,
        find: "if (at.fits) return changed(refund, success);",
        replace: "if (at.now > 0) return changed(refund, success);",
      },
    ],
  },
  {
    name: "stores a verdict and its event in two transactions",
    why: "a crash between them loses the notification for ever",
    layers: ["L2"],
    patches: [
      {
        file: DRIVER,
        find: "this.#books.addEvents(book, settled, settlement.events);\n      this.#books.arm();\n    });",
        replace: `told = { refund: settled, events: settlement.events };
      this.#books.arm();
    });
    if (told !== null) this.#books.write(() => this.#books.addEvents(this.#books.enter(), told.refund, told.events));`,
      },
      {
        file: DRIVER,
        find: '"submit" | "query" | "told", actor: Actor = CHANNEL): void {\n',
        replace: '"submit" | "query" | "told", actor: Actor = CHANNEL): void {\n    let told = null;\n',
      },
    ],
  },
  {
    name: "waits for the channel without end",
    why: "one silent answer stops everything",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: DRIVE,
        find: "within(ports.sleep, answer, CHANNEL_TIMEOUT_MS)",
        replace: "within(ports.sleep, answer, CHANNEL_TIMEOUT_MS * 1e6)",
      },
    ],
  },
  {
    name: "waits for the account's budget without end",
    why: "a limiter that hangs stops everything",
    layers: ["L2"],
    patches: [
      {
        file: DRIVER,
        find: "within(this.#ports.sleep, mayCall, BUDGET_TIMEOUT_MS)",
        replace: "within(this.#ports.sleep, mayCall, BUDGET_TIMEOUT_MS * 1e6)",
      },
    ],
  },
  {
    name: "sends a live refund before its payment is confirmed",
    why: "a payment that was recorded wrongly is paid out",
    layers: ["L2"],
    patches: [
      {
        file: DRIVER,
        find: 'if (question === "query" || channel === null ||',
        replace: 'if (question !== "query" || channel === null ||',
      },
    ],
  },
  {
    name: "sends although the payment differs from what was recorded",
    why: "a payment that was recorded wrongly is paid out",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: VERIFY,
        find: 'if (check.kind === "mismatch") {',
        replace: 'if (check.kind === "mismatch" && askedAt < 0) {',
      },
    ],
  },
  {
    name: "lets two charges refund one payment",
    why: "two apps of one merchant pay it back twice",
    layers: ["L2"],
    slow: true,
    patches: [{ file: VERIFY, find: "if (!outcome.done) {", replace: "if (!outcome.done && askedAt < 0) {" }],
  },
  {
    name: "believes keys that do not see what was sent with others",
    why: "after a rotation everything open is not found, and is sent again",
    layers: ["L2"],
    patches: [
      {
        file: DRIVER,
        find: 'if (verdict.kind !== "notFound" && verdict.kind !== "declined") return verdict;',
        replace: "if (verdict.kind !== null) return verdict;",
      },
    ],
  },
  {
    name: "sends again with keys that may be another merchant's",
    why: "the other merchant pays",
    layers: ["L2 channels"],
    patches: [
      {
        file: DRIVER,
        find: 'const newest = question === "query" || refund.attempts <= 1 || this.#keysProve(charge, refund);',
        replace: "const newest = true;",
      },
    ],
  },
];
