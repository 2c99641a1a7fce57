// Sends one request after the other and holds each against the rules: the judge's for its answer, the watch's for what it
// left behind, and for what was accepted that it is kept as it was sent. A refused request after which something has
// changed is sent again until it is sure that the change was its own.
import { env, exports } from "cloudflare:workers";
import { ledgerName } from "../../src/charges/charge.ts";
import { BASE } from "../harness.ts";
import { type Caller, curlOf, type HostileRequest, requestOf } from "./draft.ts";
import { type GivenAnswer, judge, type Violation } from "./judge.ts";
import { type Plan, planOf } from "./plan.ts";
import { changedOnTheWay, isSame } from "./round-trip.ts";
import type { Marks, Watch } from "./watch.ts";
import type { World } from "./world.ts";

export type Send = (request: HostileRequest) => Promise<GivenAnswer>;

export interface Finding extends Violation {
  index: number;
  /** What was broken; those alone that matter. */
  breaks: string[];
  curl: string;
}

export interface Report {
  seed: number;
  requests: number;
  /** What the platform's own Request cannot carry: for the wire's tests. */
  unsayable: number;
  /** Requests that were accepted and changed something. */
  accepted: number;
  statuses: Record<string, number>;
  findings: Finding[];
}

type Json = Record<string, unknown>;

/** Ledgers that nobody made are looked for this often. */
const LEDGERS_EVERY = 500;
const FINDINGS_MAX = 20;
const ANSWER_MS = 5000;
/** What goes on by itself for a while after an accepted request. */
const LATE =
  /^(INSERT|UPDATE) (charges|refunds|events|deliveries|delivery_attempts)$|^UPDATE webhook_endpoints$/;

/** The platform's own Request cannot carry it. */
class Unsayable extends Error {}

export const throughTheWorker: Send = async ({ method, target, headers, body }) => {
  let request: Request;
  try {
    request = new Request(`${BASE}${target}`, { method, headers: new Headers(headers), body });
  } catch {
    throw new Unsayable();
  }
  const response = await exports.default.fetch(request);
  return { status: response.status, headers: response.headers, text: await response.text() };
};

export class Fuzzer {
  readonly #world: World;
  readonly #watch: Watch;
  readonly #send: Send;
  readonly #foreignIds: Record<Caller, string[]>;
  /** What had been written after the last request that could write. */
  #marks: Marks = { d1: {}, messages: 0, calls: 0 };
  /** Charges that were named since ledgers were last looked for. */
  #named: { index: number; caller: Caller; charge: string }[] = [];

  constructor(world: World, watch: Watch, send: Send = throughTheWorker) {
    this.#world = world;
    this.#watch = watch;
    this.#send = send;
    this.#foreignIds = { test: world.allForeignIds("test"), live: world.allForeignIds("live") };
  }

  /** Sends the requests `first` … `first + count - 1` of a seed; stops early once there is enough to mend. */
  async run(seed: number, count: number, first = 0): Promise<Report> {
    const report: Report = { seed, requests: 0, unsayable: 0, accepted: 0, statuses: {}, findings: [] };
    await this.#watch.settle();
    this.#marks = await this.#watch.marks();
    for (let index = first; index < first + count && report.findings.length < FINDINGS_MAX; index++) {
      const plan = planOf(seed, index);
      const request = requestOf(plan.draft(this.#world));
      const violations = await this.#examine(request, index, report);
      for (const violation of violations) {
        const breaks = await this.#needed(plan, violation, report);
        report.findings.push({ ...violation, index, breaks, curl: curlOf(request) });
      }
      if (index % LEDGERS_EVERY === LEDGERS_EVERY - 1) report.findings.push(...(await this.#ghosts()));
    }
    report.findings.push(...(await this.#ghosts()), ...(await this.#overdrawn()));
    return report;
  }

  async #examine(request: HostileRequest, index: number, report: Report): Promise<Violation[]> {
    const { caller } = request;
    const before = this.#marks;
    const attempts = this.#watch.attempts;
    const charge = /ch_[0-9A-Za-z]{24}/.exec(request.target)?.[0];
    if (charge !== undefined) this.#named.push({ index, caller, charge });
    const begun = performance.now();
    let answer: GivenAnswer;
    try {
      answer = await this.#send(request);
    } catch (error) {
      if (error instanceof Unsayable) {
        report.unsayable++;
        return [];
      }
      return [{ rule: "an answer", detail: String(error) }];
    }
    report.requests++;
    report.statuses[answer.status] = (report.statuses[answer.status] ?? 0) + 1;
    const violations = judge(request, answer, {
      forbidden: this.#world.forbidden(caller),
      foreignIds: this.#foreignIds[caller],
      secrets: this.#world.secrets,
    });
    const took = performance.now() - begun;
    if (took > ANSWER_MS) violations.push({ rule: "an answer in time", detail: `${Math.round(took)} ms` });
    const isRead = /^(GET|HEAD)$/i.test(request.method);
    if (answer.status >= 400 || isRead) {
      const left = await this.#leftBehind(request, before, attempts, charge);
      if (left !== null) violations.push({ rule: "a refusal stores nothing", detail: left });
    } else {
      report.accepted++;
      violations.push(...(await this.#accepted(request, answer, before)));
    }
    return violations;
  }

  /** What a refused request or a read left behind; null for nothing. */
  async #leftBehind(
    request: HostileRequest,
    before: Marks,
    attempts: number,
    charge: string | undefined,
  ): Promise<string | null> {
    const { caller } = request;
    let since = before;
    for (let tries = 1; ; tries++) {
      const ledger = charge !== undefined && (await this.#watch.hasLedgerChanged(caller, charge));
      if (!ledger && this.#watch.attempts === attempts) return null;
      const now = await this.#watch.marks();
      this.#marks = now;
      const written = grown(since, now);
      const changed = [
        ...written,
        ...(now.messages === since.messages ? [] : ["a queue message"]),
        ...(now.calls === since.calls ? [] : ["a call to a channel"]),
        ...(ledger ? ["rows of its ledger"] : []),
      ];
      if (changed.length === 0) return null;
      // Something accepted earlier may have been at work still: only what happens each time is the request's own.
      if (tries === 3 || written.some((what) => !LATE.test(what))) return changed.join(", ");
      await this.#watch.settle();
      since = await this.#watch.marks();
      this.#marks = since;
      await this.#send(request);
    }
  }

  async #accepted(request: HostileRequest, answer: GivenAnswer, before: Marks): Promise<Violation[]> {
    const { caller } = request;
    const object = parsed(answer.text);
    const charge = object?.object === "charge" ? object.id : object?.charge;
    const known = typeof charge === "string" ? charge : undefined;
    if (known !== undefined) this.#watch.expectLedger(caller, known);
    // What a person has to end is told to D1 a while later: nobody waits for it here.
    const isPending = object?.status === "pending";
    await this.#watch.settle(caller, isPending ? undefined : known);
    this.#marks = await this.#watch.marks();
    const made = grown(before, this.#marks);
    const isNew = (table: string) => made.includes(`INSERT ${table}`);
    if (object === null) return [];
    switch (object.object) {
      case "charge":
        if (!isNew("charges")) return [];
        this.#world.recent[caller].push(String(object.id));
        return [
          ...changedOnTheWay(request, object),
          ...(await this.#readBack(caller, `/v1/charges/${object.id}`, object)),
          ...(await this.#inD1("charges", object)),
        ];
      case "refund": {
        const balance = await this.#balanceOf(caller, String(object.charge));
        if (!isNew("refunds")) return balance;
        const path = `/v1/charges/${object.charge}/refunds/${object.id}`;
        return [
          ...balance,
          ...changedOnTheWay(request, object),
          ...(isPending ? [] : await this.#readBack(caller, path, object)),
          ...(isPending ? [] : await this.#inD1("refunds", object)),
        ];
      }
      case "webhook_endpoint":
        return isNew("webhook_endpoints") ? changedOnTheWay(request, object) : [];
      default:
        return [];
    }
  }

  async #get(caller: Caller, target: string): Promise<Json | null> {
    const headers: [string, string][] = [["Authorization", `Bearer ${this.#world.keyOf(caller)}`]];
    const request = { method: "GET", target, headers, body: null, caller, route: null };
    return parsed((await throughTheWorker(request)).text);
  }

  async #readBack(caller: Caller, target: string, object: Json): Promise<Violation[]> {
    const read = await this.#get(caller, target);
    if (isSame(read, object)) return [];
    const detail = `${JSON.stringify(object).slice(0, 300)} read as ${JSON.stringify(read).slice(0, 300)}`;
    return [{ rule: "what is read is what was answered", detail }];
  }

  async #inD1(table: "charges" | "refunds", object: Json): Promise<Violation[]> {
    const query = env.DB.prepare(`SELECT doc FROM ${table} WHERE id = ? AND app = ?`);
    const doc = parsed((await query.bind(object.id, this.#world.owner.id).first<string>("doc")) ?? "null");
    return ["description", "metadata"]
      .filter((field) => !isSame(doc?.[field], object[field]))
      .map((field) => ({ rule: "D1 keeps what the ledger keeps", detail: `${field} of ${object.id}` }));
  }

  async #balanceOf(caller: Caller, charge: string): Promise<Violation[]> {
    const read = await this.#get(caller, `/v1/charges/${charge}`);
    const [amount, refunded, pending, left] = [
      read?.amount,
      read?.amount_refunded,
      read?.amount_pending_refund,
      read?.amount_refundable,
    ].map(Number) as [number, number, number, number];
    const isSound = refunded >= 0 && pending >= 0 && left >= 0 && refunded + pending + left <= amount;
    if (isSound) return [];
    // What the channel paid beyond the amount stands in the book once a person has adopted the charge, and nothing is left.
    const ledger = await this.#get(caller, `/v1/charges/${charge}/ledger`);
    const isAdopted = Array.isArray(ledger?.adoptions) && ledger.adoptions.length > 0;
    if (isAdopted && left === 0 && pending === 0) return [];
    const sums = { refunded, pending, left, adoptions: ledger?.adoptions, freeze: ledger?.freeze };
    return [{ rule: "never more than was paid", detail: `${JSON.stringify(sums)} ${JSON.stringify(read)}` }];
  }

  /** Charges that hold or refunded more than was paid. */
  async #overdrawn(): Promise<Finding[]> {
    const found: Finding[] = [];
    for (const caller of ["test", "live"] as const) {
      const charges = [...(this.#world.own[caller].charge ?? []), ...this.#world.recent[caller].slice(-100)];
      for (const charge of charges) {
        for (const violation of await this.#balanceOf(caller, charge)) {
          found.push({ ...violation, index: -1, breaks: [], curl: "" });
        }
      }
    }
    return found;
  }

  /** Ledgers that hold something and that no accepted request made (S3). */
  async #ghosts(): Promise<Finding[]> {
    const ghosts = new Set(await this.#watch.unexpectedLedgers());
    const { owner } = this.#world;
    const found = [...ghosts].map((id): Finding => {
      const by = this.#named.find(({ caller, charge }) => {
        return env.LEDGERS.idFromName(ledgerName(owner.id, caller === "live", charge)).toString() === id;
      });
      const detail = by === undefined ? id : `charge ${by.charge}`;
      return { rule: "a guess leaves no ledger", detail, index: by?.index ?? -1, breaks: [], curl: "" };
    });
    this.#named = [];
    return found;
  }

  /** The names of the breaks without which the rule holds. */
  async #needed(plan: Plan, violation: Violation, report: Report): Promise<string[]> {
    const without = new Set<number>();
    for (const i of plan.breaks.keys()) {
      const fewer = new Set([...without, i]);
      const request = requestOf(plan.draft(this.#world, fewer));
      const again = await this.#examine(request, plan.index, report);
      if (again.some(({ rule }) => rule === violation.rule)) without.add(i);
    }
    return plan.breaks.filter((_, i) => !without.has(i)).map(({ name }) => name);
  }
}

/** The kinds of writes that happened between two looks; a row that came and went again is none. */
function grown(before: Marks, after: Marks): string[] {
  const count = (what: string) => (after.d1[what] ?? 0) - (before.d1[what] ?? 0);
  return Object.keys(after.d1).filter((what) => {
    const [operation, table] = what.split(" ");
    const undone = operation === "INSERT" && count(what) === count(`DELETE ${table}`);
    const undoing = operation === "DELETE" && count(what) === count(`INSERT ${table}`);
    return count(what) !== 0 && !undone && !undoing;
  });
}

function parsed(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Json) : null;
  } catch {
    return null;
  }
}

/** The report as lines for people. */
export function linesOf(report: Report, seconds: number): string[] {
  const { seed, requests, unsayable, accepted, statuses, findings } = report;
  const counts = Object.entries(statuses).map(([status, count]) => `${status}: ${count}`);
  return [
    `seed ${seed}: ${requests} requests in ${seconds.toFixed(1)} s (${counts.join(", ")}; ${accepted} changed something; ${unsayable} not sayable)`,
    `violations: ${findings.length}`,
    ...findings.flatMap(({ rule, detail, index, breaks, curl }) => [
      `  ${rule} (seed ${seed}, index ${index}: ${breaks.join(" + ")})`,
      `    ${detail}`,
      `    ${curl}`,
    ]),
  ];
}
