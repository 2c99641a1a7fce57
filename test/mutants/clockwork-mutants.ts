// Ledgers whose alarm, projection or hydration goes wrong.
import type { Mutant } from "./mutant.ts";

const LEDGER = "src/charges/ledger.ts";
const PROJECTOR = "src/charges/projector.ts";
const RESERVATIONS = "src/charges/reservations.ts";
const FLUSH = "src/charges/flush.ts";
const HYDRATE = "src/charges/hydrate.ts";

export const CLOCKWORK_MUTANTS: Mutant[] = [
  {
    name: "throws out of its alarm",
    why: "the platform tries a few times, then the alarm is gone for good",
    layers: ["L2"],
    patches: [
      {
        file: LEDGER,
        find: 'this.#driver.pause();\n      this.#ports.alert("alarm_failed", { error: nameOf(error) });',
        replace: "throw error;",
      },
    ],
  },
  {
    name: "sets no dead-man alarm before it works",
    why: "a run that dies is the last one",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: LEDGER,
        find: "        this.#alarm.set(this.#ports.now() + DEAD_MAN_MS);\n",
        replace: "        void DEAD_MAN_MS;\n",
      },
    ],
  },
  {
    name: "does not arm again after its alarm",
    why: "what is left is forgotten",
    layers: ["L2"],
    patches: [
      {
        file: LEDGER,
        find: "if (this.#enter({ alarm: true }) !== null) this.#alarm.settle();",
        replace: "this.#enter({ alarm: true });",
      },
    ],
  },
  {
    name: "overwrites an earlier alarm with a later one",
    why: "whoever keeps asking for refunds keeps the others from ending",
    layers: ["L2"],
    patches: [
      {
        file: RESERVATIONS,
        find: "this.#books.arm();\n      started = refund;",
        replace:
          "this.#ports.storage.setAlarm(Math.max(refund.dueAt ?? 0, refund.leaseUntil ?? 0));\n      started = refund;",
      },
    ],
  },
  {
    name: "does not notice that the platform has lost its alarm",
    why: "work is left and nothing wakes it",
    layers: ["L2"],
    patches: [
      {
        file: LEDGER,
        find: "if (!entered || this.#alarm.isLate()) this.#alarm.armExactly();",
        replace: "void entered;",
      },
    ],
  },
  {
    name: "drops its events before D1 has them",
    why: "a notification is lost with the first failing write",
    layers: ["L2", "L3"],
    patches: [
      {
        file: PROJECTOR,
        find: "        if (batch === null) return;\n",
        replace:
          "        if (batch === null) return;\n        this.#books.write(() => this.#books.enter()?.dropEvents(batch.outbox));\n",
      },
    ],
  },
  {
    name: "drops its events when D1 fails",
    why: "a notification is lost with the first failing write",
    layers: ["L2"],
    patches: [
      {
        file: PROJECTOR,
        find: "await this.#inTime(this.#ports.flush(batch.flush));",
        replace:
          "await this.#inTime(this.#ports.flush(batch.flush)).catch((error) => { this.#books.write(() => this.#books.enter()?.dropEvents(batch.outbox)); throw error; });",
      },
    ],
  },
  {
    name: "keeps events that D1 has",
    why: "the ledger grows for ever and tells everything again each time",
    layers: ["L1", "L2"],
    test: "test/worker/ledger-crashes.test.ts",
    patches: [{ file: PROJECTOR, find: "book.dropEvents(batch.outbox);", replace: "void batch.outbox;" }],
  },
  {
    name: "tells every event twice, each with an id of its own",
    why: "receivers cannot recognise the repeat and act twice",
    layers: ["L2"],
    patches: [
      {
        file: LEDGER,
        find: "    for (const type of types) {\n",
        replace: "    for (const type of [...types, ...types]) {\n",
      },
    ],
  },
  {
    name: "writes an event without its deliveries",
    why: "nobody hears of it",
    layers: ["L2"],
    patches: [{ file: FLUSH, find: "    ...inserts,\n    ...deliveries,\n", replace: "    ...inserts,\n" }],
  },
  {
    name: "writes an event and its deliveries one after the other",
    why: "a crash between them loses the notification: the repeat finds the event",
    layers: ["L2"],
    patches: [
      {
        file: FLUSH,
        find: "  const results = await batchOf(db, [",
        replace: `  if (inserts.length > 0) {
    const told = await db.$client.batch(inserts);
    if (told.some(({ meta }) => meta.changes > 0)) await batchOf(db, deliveries);
  }
  const results = await batchOf(db, [`,
      },
      { file: FLUSH, find: "    ...inserts,\n    ...deliveries,\n", replace: "" },
    ],
  },
  {
    name: "overwrites D1's row of a refund with an older one",
    why: "a late batch takes back what happened since",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: FLUSH,
        find: '"dueAt", "doc"],\n      ]),\n      setWhere: sql`excluded.version >=',
        replace: '"dueAt", "doc"],\n      ]),\n      setWhere: sql`1 or 0 =',
      },
    ],
  },
  {
    name: "overwrites D1's row of a charge with an older one",
    why: "a late batch takes back what happened since",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: FLUSH,
        find: "excluded.ledger_opened_at)`,\n      },\n      setWhere: sql`excluded.version >=",
        replace: "excluded.ledger_opened_at)`,\n      },\n      setWhere: sql`1 or 0 =",
      },
    ],
  },
  {
    name: "holds what changed during a flush for told",
    why: "D1 keeps the older version until something else happens",
    layers: ["L0"],
    test: "test/domain/hydrate.test.ts",
    patches: [
      {
        file: PROJECTOR,
        find: "book.save({ ...refund, synced: sent.version, syncDueAt }, null);",
        replace: "book.save({ ...refund, synced: refund.version, syncDueAt: null }, null);",
      },
    ],
  },
  {
    name: "waits for D1 without end",
    why: "one hanging batch and D1 never hears anything again",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: PROJECTOR,
        find: "const outcome = await within(this.#ports.sleep, work, TIMEOUT_MS);",
        replace: "const outcome = await within(this.#ports.sleep, work, TIMEOUT_MS * 1e6);",
      },
    ],
  },
  {
    name: "lets a hydration overwrite newer facts",
    why: "a stale copy takes back a dispute that was acknowledged, or turns paid into unpaid",
    layers: ["L0"],
    test: "test/domain/hydrate.test.ts",
    patches: [
      {
        file: LEDGER,
        find: "    if (this.#book === null && hydration !== null) {",
        replace:
          "    if (this.#book !== null && hydration !== null) {\n      this.#book.saveCover({ ...this.#book.cover, charge: hydration.charge });\n    }\n    if (this.#book === null && hydration !== null) {",
      },
    ],
  },
  {
    name: "begins anew when it was lost",
    why: "everything refunded before can be refunded again",
    layers: ["L1", "L2"],
    test: "test/worker/ledger-crashes.test.ts",
    patches: [
      {
        file: HYDRATE,
        find: "if (!hydration.opened) return book;",
        replace: "if (hydration.charge) return book;",
      },
    ],
  },
  {
    name: "goes on in live mode after it was lost, as if nothing had been",
    why: "what D1 had not heard of yet may be refunded again",
    layers: ["L1", "L2"],
    test: "test/worker/ledger-crashes.test.ts",
    patches: [
      {
        file: HYDRATE,
        find: '(projection.charge.livemode ? "lost" : null)',
        replace: "null",
      },
    ],
  },
  {
    name: "does not notice that it was rolled back",
    why: "refunds that D1 knows of are forgotten and their money is free again",
    layers: ["L1", "L2"],
    slow: true,
    test: "test/worker/ledger-crashes.test.ts",
    patches: [
      {
        file: PROJECTOR,
        find: "if (isBehind(batch, receipt)) await",
        replace: "if (receipt.version < 0) await",
      },
    ],
  },
  {
    name: "forgets that it was rolled back when D1 fails next",
    why: "what D1 knows of is refunded again",
    layers: ["L0"],
    test: "test/domain/hydrate.test.ts",
    patches: [
      {
        file: PROJECTOR,
        find: "        if (isBehind(batch, receipt)) await this.#catchUp();\n        this.#markSynced(batch);\n",
        replace:
          "        this.#markSynced(batch);\n        if (isBehind(batch, receipt)) await this.#catchUp();\n",
      },
    ],
  },
  {
    name: "lets what the charge has gained make up for what a refund has lost",
    why: "a ledger that was rolled back goes on as if nothing had been",
    layers: ["L0"],
    test: "test/domain/flush-told.test.ts",
    patches: [{ file: PROJECTOR, find: " || held.versions > known", replace: "" }],
  },
  {
    name: "does not look whether D1 has what it was told",
    why: "a D1 that was put back never has the rest again",
    layers: ["L2"],
    slow: true,
    patches: [
      {
        file: PROJECTOR,
        find: "if (receipt.versions < batch.told && !retold)",
        replace: "if (receipt.versions < 0 && !retold)",
      },
    ],
  },
  {
    name: "takes its alarm back while work is left",
    why: "a refund stays pending until somebody happens to ask",
    layers: ["L2"],
    patches: [
      {
        file: "src/charges/alarm-clock.ts",
        find: "this.#armedAt === null || this.#nextDue() !== null) return;",
        replace: "this.#armedAt === null) return;",
      },
    ],
  },
  {
    name: "takes D1 for restored before it has told it",
    why: "an operator makes keys anew for nothing",
    layers: ["L0"],
    test: "test/domain/hydrate.test.ts",
    patches: [
      {
        file: PROJECTOR,
        find: "version > synced || (dueAt !== null && dueAt <= now);",
        replace: "version < synced && (dueAt ?? 0) > now;",
      },
    ],
  },
  {
    name: "never tells a restored D1 again",
    why: "refunds that have ended stay open in every list",
    layers: ["L0"],
    test: "test/domain/hydrate.test.ts",
    patches: [
      {
        file: PROJECTOR,
        find: "if (!book.refunds.some(isBusy)) this.retell();",
        replace: "if (book.refunds.some(isBusy)) return;",
      },
    ],
  },
  {
    name: "believes D1 about the state of refunds that it takes over",
    why: "what was sent since is sent as new, or never asked about",
    layers: ["L0"],
    test: "test/domain/hydrate.test.ts",
    patches: [
      { file: HYDRATE, find: "if (!open || isDelayed) return next;", replace: "if (next) return next;" },
    ],
  },
];
