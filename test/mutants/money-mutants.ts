// Ledgers that count, promise or recognise wrongly when a refund is asked for.
import type { Mutant } from "./mutant.ts";

const LEDGER = "src/charges/ledger.ts";
const RESERVATIONS = "src/charges/reservations.ts";
const BALANCE = "src/charges/balance.ts";
const RESERVE = "src/refunds/reserve-refund.ts";
const REFUND = "src/refunds/refund.ts";

/** Else the refund's id, which follows from the key, would find it all the same. */
const MINTS_ALWAYS = {
  file: "src/refunds/refund-command.ts",
  find: "      fingerprint === null\n        ? mintId",
  replace: "      fingerprint !== undefined\n        ? mintId",
};

export const MONEY_MUTANTS: Mutant[] = [
  {
    name: "counts only succeeded refunds as taken",
    why: "two refunds under way together exceed the payment",
    layers: ["L0", "L2", "L3"],
    test: "test/domain/balance.test.ts",
    patches: [{ file: BALANCE, find: "    else pending += refund.amount;\n", replace: "" }],
  },
  {
    name: "forgets what was refunded elsewhere",
    why: "the payer gets more than was paid",
    layers: ["L0", "L2"],
    test: "test/domain/balance.test.ts",
    patches: [
      {
        file: BALANCE,
        find: "let refunded = charge.refundedElsewhere;",
        replace: "let refunded = 0 * charge.refundedElsewhere;",
      },
    ],
  },
  {
    name: "refunds what is disputed",
    why: "the payer gets it from the merchant and from the bank",
    layers: ["L0", "L2"],
    test: "test/domain/balance.test.ts",
    patches: [
      {
        file: BALANCE,
        find: "refunded - pending - charge.disputed)",
        replace: "refunded - pending - 0 * charge.disputed)",
      },
    ],
  },
  {
    name: "does not hold the money of an unknown outcome",
    why: "a time-out is taken for a no",
    layers: ["L2"],
    patches: [
      {
        file: REFUND,
        find: 'return refund.state !== "failed";',
        replace: 'return refund.state !== "failed" && refund.state !== "unknown";',
      },
    ],
  },
  {
    name: "does not give back the money of a refund that failed",
    why: "what may be refunded is refused",
    layers: ["L2"],
    patches: [
      { file: REFUND, find: 'return refund.state !== "failed";', replace: "return refund.id !== null;" },
    ],
  },
  {
    name: "compares an amount with the whole charge instead of what is left",
    why: "the classic over-refund",
    layers: ["L0", "L2"],
    test: "test/domain/reserve-refund.test.ts",
    patches: [
      {
        file: RESERVE,
        find: "|| amount > balance.refundable;",
        replace: "|| amount > charge.amount;",
      },
    ],
  },
  {
    name: "awaits something between check and write",
    why: "a Durable Object serializes nothing across an await: ten racing refunds pass the same check",
    layers: ["L1", "L2"],
    test: "test/worker/ledger-races.test.ts",
    patches: [
      {
        file: LEDGER,
        find: "const reserved = this.#reservations.reserve(call);",
        replace:
          "const seen = this.#enter()?.refunds; await this.#ports.sleep(5); const reserved = this.#reservations.reserve(call, seen);",
      },
      {
        file: RESERVATIONS,
        find: "reserve(call: CreateCall):",
        replace: "reserve(call: CreateCall, seen?: Refund[]):",
      },
      {
        file: RESERVATIONS,
        find: "reserveRefund(command, this.situation(book, command.description));",
        replace:
          "reserveRefund(command, { ...this.situation(book, command.description), refunds: seen ?? book.refunds });",
      },
      {
        file: RESERVATIONS,
        find: 'book.save(refund, this.#noteOf("created", command));',
        replace: 'book.save({ ...refund, seq: book.nextSeq }, this.#noteOf("created", command));',
      },
    ],
  },
  {
    name: "stores a refund and its event in two transactions",
    why: "a crash between them loses the notification for ever",
    layers: ["L2"],
    patches: [
      {
        file: RESERVATIONS,
        find: 'this.#books.addEvents(book, refund, ["refund.created"]);\n      this.#books.arm();\n      started',
        replace: "this.#books.arm();\n      started",
      },
      {
        file: RESERVATIONS,
        find: "if (started !== null) this.#begin(started, command);",
        replace: `if (started !== null) {
          const made = started;
          this.#books.write(() => this.#books.addEvents(this.#books.enter() as Book, made, ["refund.created"]));
          this.#begin(made, command);
        }`,
      },
    ],
  },
  {
    name: "sets the alarm after the transaction that makes a refund",
    why: "a crash between them leaves a refund that nobody drives",
    layers: ["L2"],
    patches: [
      {
        file: RESERVATIONS,
        find: "this.#books.arm();\n      started = refund;",
        replace: "void this.#ports.sleep(1).then(() => this.#books.arm());\n      started = refund;",
      },
    ],
  },
  {
    name: "asks the channel before the refund is stored",
    why: "a crash leaves money that moved and nobody knows of",
    layers: ["L2"],
    patches: [
      {
        file: RESERVATIONS,
        find: "      if (book === null) return { unhydrated: true } as const;\n",
        replace:
          "      if (book === null) return { unhydrated: true } as const;\n      this.#sendFirst(book, command);\n",
      },
      {
        file: RESERVATIONS,
        find: "  /** The client was told `pending` before",
        replace: `  #sendFirst(book: Book, command: CreateCommand) {
    if (book.find(command.refund) !== undefined) return;
    const number = command.refund.slice(3);
    const { charge } = book;
    const order = { number, amount: command.amount ?? charge.amount, currency: charge.currency, chargeAmount: charge.amount,
      charge: charge.id, chargeOrderNo: charge.orderNo, transactionNo: charge.transactionNo, channel: charge.channel,
      livemode: charge.livemode, description: command.description, fundingSource: null, attempt: 1,
      submittedAt: this.#ports.now(), created: Math.floor(this.#ports.now() / 1000), memory: null };
    void this.#ports.channel(charge.channel, charge.livemode)?.refund(order, accountFor(command, charge.channel) ?? null,
      this.#ports.now(), new AbortController().signal).catch(() => {});
  }

  /** The client was told \`pending\` before`,
      },
    ],
  },
  {
    name: "does not find a refund by its Idempotency-Key",
    why: "a client's repeat is answered with something else than the first time",
    layers: ["L2"],
    patches: [
      {
        file: RESERVE,
        find: "const hit = byKey || byNumber || own;",
        replace: "const hit = null as unknown as Refund | undefined;",
      },
      MINTS_ALWAYS,
    ],
  },
  {
    name: "ignores the fingerprint of a key that is used again",
    why: "another request is answered with a refund of another amount",
    layers: ["L0", "L2"],
    test: "test/domain/reserve-refund.test.ts",
    patches: [
      {
        file: RESERVE,
        find: "const isSame = hit.fingerprint === command.fingerprint &&",
        replace: "const isSame = hit.fingerprint !== null &&",
      },
    ],
  },
  {
    name: "makes a new refund of an SDK's own repeat",
    why: "Ping++'s SDKs repeat POSTs: the payer is refunded twice",
    layers: ["L2"],
    patches: [
      {
        file: RESERVE,
        find: "return repeated === undefined ? null :",
        replace: "return repeated === undefined || repeated.id !== command.refund ? null :",
      },
    ],
  },
  {
    name: "takes an equal-looking request for a repeat",
    why: "a refund that was meant is never made",
    layers: ["L0", "L2"],
    test: "test/domain/reserve-refund.test.ts",
    patches: [
      {
        file: RESERVE,
        find: "now.apiKey !== then.apiKey || now.body !== then.body) return false;",
        replace: "now.apiKey !== then.apiKey) return false;",
      },
    ],
  },
  {
    name: "lets an SDK's repeat join however late it comes",
    why: "a second, intended refund is never made",
    layers: ["L0"],
    test: "test/domain/reserve-refund.test.ts",
    patches: [
      {
        file: RESERVE,
        find: "return command.requestedAt - answeredBy <= windowMs;",
        replace: "return command.requestedAt - answeredBy <= windowMs * 1e6;",
      },
    ],
  },
  {
    name: "gives two refunds of a charge one place in the list",
    why: "lists lose refunds, and no further one can be made",
    layers: ["L0", "L2"],
    test: "test/domain/reserve-refund.test.ts",
    patches: [
      {
        file: RESERVE,
        find: "return Math.max(0, ...refunds.map(({ seq }) => seq)) + 1;",
        replace: "return refunds.filter(holdsMoney).length + 1;",
      },
    ],
  },
  {
    name: "pages its list by time instead of place",
    why: "refunds of the same second are left out or shown twice",
    layers: ["L0", "L2"],
    test: "test/domain/refund-page.test.ts",
    patches: [
      {
        file: "src/refunds/refund-page.ts",
        find: "older = wanted.filter((refund) => refund.seq < cursor);",
        replace:
          "const at = newestFirst.find(({ seq }) => seq === cursor)?.created ?? 0;\n    older = wanted.filter((refund) => refund.created < at);",
      },
    ],
  },
  {
    name: "sends two refunds of a charge closer together than the channel allows",
    why: "channels turn the second away, some for good",
    layers: ["L0", "L2"],
    slow: true,
    test: "test/domain/reserve-refund.test.ts",
    patches: [
      {
        file: RESERVE,
        find: "Math.max(now, spacedAfter(refunds, facts?.spacingMs ?? 0, now), delayed.notBefore ?? 0);",
        replace: "Math.max(now, delayed.notBefore ?? 0);",
      },
    ],
  },
];
