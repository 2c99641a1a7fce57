// The floor Workers (see floor-worker.ts) under the same loads as the Worker itself.
import type { Bundle } from "./bundle.ts";
import type { Prepared } from "./cases.ts";
import type { LoadOutcome, LoadRequest } from "./load.ts";
import { sendJudged } from "./measure.ts";
import { bodyOf, type Pace } from "./merchant.ts";
import { untilIdle } from "./process-time.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

export const FLOORS = {
  noop: "JSON",
  ledger: "a row in an object, of many objects",
  "ledger-hot": "fifty rows in an object, one object after the other",
  safe: "what a refund must store before its answer: a row, its outcome, two events, an alarm",
  full: "as ledger, then a row in D1 and a message in a queue",
  "full-hot": "as ledger-hot, then a row in D1 and a message in a queue",
  page: "ten rows from D1 by an index",
} as const;
export type FloorName = keyof typeof FLOORS;

/** The tables of the floor's D1. */
export const FLOOR_TABLES = [
  "CREATE TABLE deliveries (id TEXT PRIMARY KEY, status TEXT NOT NULL)",
  "CREATE TABLE told (id TEXT PRIMARY KEY, notebook TEXT NOT NULL, text TEXT NOT NULL)",
  "CREATE TABLE pages (id INTEGER PRIMARY KEY, page TEXT NOT NULL, text TEXT NOT NULL)",
  "CREATE INDEX pages_by_page ON pages (page, id DESC)",
];

/** In a burst on one object or charge. */
export const BURST = 50;
const PAGES = 100;
const PAGE_ROWS = 10;
/** As much as a refund's row in a ledger, and as a refund in a list. */
const ROW = "x".repeat(1_000);
const LISTED = "x".repeat(500);
/** A message waits so long for others to its batch. */
const BATCH_MS = 1_100;
const OPENING = 16;

export class FloorSite {
  readonly runtime: Runtime;
  /** How many rows each object was given. */
  readonly #rows = new Map<string, number>();
  #told = 0;
  #lastToldAt = 0;

  private constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  static async open(bundle: Bundle, state: string): Promise<FloorSite> {
    const runtime = await startRuntime(bundle, { state });
    try {
      const db = await runtime.database("DB");
      const pages = Array.from({ length: PAGES * PAGE_ROWS }, (_, i) => `p${i % PAGES}`);
      const insert = "INSERT INTO pages (page, text) SELECT value, ? FROM json_each(?)";
      await db.batch([
        ...FLOOR_TABLES.map((statement) => db.prepare(statement)),
        db.prepare(insert).bind(LISTED, JSON.stringify(pages)),
      ]);
      return new FloorSite(runtime);
    } catch (error) {
      await runtime.stop();
      throw error;
    }
  }

  async prepare(name: FloorName, count: number): Promise<Prepared> {
    switch (name) {
      case "noop":
        return {
          requests: repeat(count, { method: "GET", path: "/noop" }),
          judge: (a) => bodyOf(a).ok === true,
        };
      case "page": {
        const page = (i: number): LoadRequest => ({ method: "GET", path: `/page/p${i % PAGES}` });
        return {
          requests: Array.from({ length: count }, (_, i) => page(i)),
          judge: (answer) => {
            const { data } = bodyOf(answer);
            return (
              Array.isArray(data) && data.length === PAGE_ROWS && data.every((row) => row.text === LISTED)
            );
          },
        };
      }
      case "ledger":
      case "safe":
      case "full":
        return await this.#inserts(name, count, (i) => `many${i}`);
      case "ledger-hot":
      case "full-hot":
        return await this.#inserts(name.replace("-hot", ""), count, (i) => `hot${Math.floor(i / BURST)}`);
    }
  }

  async #inserts(what: string, count: number, notebookOf: (i: number) => string): Promise<Prepared> {
    const insert = (path: string, notebook: string): LoadRequest => ({
      method: "POST",
      path: `/${path}/${notebook}`,
      body: ROW,
    });
    const notebooks = Array.from({ length: count }, (_, i) => notebookOf(i));
    // Each object has its table and its first row before, as a ledger has its charge.
    const unopened = [...new Set(notebooks)].filter((notebook) => !this.#rows.has(notebook));
    for (const notebook of unopened) this.#rows.set(notebook, 1);
    if (unopened.length > 0) {
      const requests = unopened.map((notebook) => insert("ledger", notebook));
      await this.send({ requests, judge: (answer) => bodyOf(answer).row === 1 }, { concurrency: OPENING });
    }
    const seen = new Set<string>();
    return {
      requests: notebooks.map((notebook) => insert(what, notebook)),
      // Those for one object may overtake each other.
      judge: (answer, i) => {
        const notebook = notebooks[i] ?? "";
        const row = `${notebook}#${bodyOf(answer).row}`;
        if (seen.has(row)) return false;
        seen.add(row);
        this.#rows.set(notebook, (this.#rows.get(notebook) ?? 0) + 1);
        return true;
      },
    };
  }

  async send({ requests, judge }: Prepared, { concurrency = 1 }: Pace): Promise<LoadOutcome> {
    const outcome = await sendJudged({ url: this.runtime.url, headers: {}, concurrency, requests }, judge);
    const told = requests.filter(({ path }) => path.startsWith("/full/")).length;
    this.#told += told;
    if (told > 0) this.#lastToldAt = Date.now();
    return outcome;
  }

  async rest(): Promise<void> {
    await untilIdle(this.runtime.pid, this.#lastToldAt + BATCH_MS - Date.now());
  }

  /** Throws when a row is missing. */
  async verify(): Promise<void> {
    const db = await this.runtime.database("DB");
    const row = await db.prepare("SELECT count(*) AS told FROM told").first<{ told: number }>();
    if (row?.told !== this.#told) throw new Error(`the floor's D1 has ${row?.told} of ${this.#told} rows`);
    const rows = [...this.#rows];
    const requests = rows.map(
      ([notebook]): LoadRequest => ({
        method: "POST",
        path: `/ledger/${notebook}`,
        body: ROW,
      }),
    );
    await this.send(
      { requests, judge: (answer, i) => bodyOf(answer).row === (rows[i]?.[1] ?? 0) + 1 },
      { concurrency: OPENING },
    );
  }
}

function repeat(count: number, request: LoadRequest): LoadRequest[] {
  return Array.from({ length: count }, () => request);
}
