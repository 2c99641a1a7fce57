// The Worker itself, in a world that fails: D1, the queues and the way to the ledgers throw before or after they did
// what they were asked, hang, are slow or are away, as the binding CHAOS says for this life of the runtime. The code
// between is the product's own. Beside the API it answers the storm's companion: the cron, what was injected, rows of
// D1 and whole ledgers, none of which fails.
import { withMethods } from "../../bench/with-methods.ts";
import type { Charge } from "../../src/charges/charge.ts";
import { CALL, type LedgerSurface } from "../../src/charges/ledger-calls.ts";
import type { Env } from "../../src/env.ts";
import worker, { ChargeLedger as Ledger, RefundBudget } from "../../src/index.ts";
import { Dice } from "../emulators/dice.ts";
import type { Life } from "./faults.ts";

interface ChaosEnv extends Env {
  /** JSON of a `Life`. */
  CHAOS: string;
}

const HANG_MS = 60_000;

let life: { faults: Life; dice: Dice; since: number } | null = null;
const injected = { d1: 0, queue: 0, ledger: 0 };

/** One for Worker and ledgers, which share an isolate on one machine. */
function lifeOf(env: ChaosEnv): NonNullable<typeof life> {
  if (life === null) {
    const faults: Life = JSON.parse(env.CHAOS);
    life = { faults, dice: new Dice(faults.seed), since: Date.now() };
  }
  return life;
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function throughD1<Result>(env: ChaosEnv, run: () => Promise<Result>): Promise<Result> {
  const { faults, dice, since } = lifeOf(env);
  const { before, after, slow, slowMs, downAfterMs } = faults.d1;
  const lost = () => {
    injected.d1++;
    return new Error("D1_ERROR: Network connection lost.");
  };
  if (downAfterMs !== null && Date.now() - since >= downAfterMs) {
    // An outage looks both ways: some calls are refused, some never come back.
    if (dice.chance(0.3)) await sleep(HANG_MS);
    throw lost();
  }
  if (dice.chance(before)) throw lost();
  if (dice.chance(slow)) {
    injected.d1++;
    await sleep(dice.between(1, slowMs));
  }
  const result = await run();
  if (dice.chance(after)) throw lost();
  return result;
}

const bare = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

function faultyStatement(env: ChaosEnv, statement: D1PreparedStatement): D1PreparedStatement {
  const faulty = withMethods(statement, {
    bind: (...values: unknown[]) => faultyStatement(env, statement.bind(...values)),
    all: () => throughD1(env, () => statement.all()),
    run: () => throughD1(env, () => statement.run()),
    first: (...column: [string]) => throughD1(env, () => statement.first(...column)),
    raw: (...options: [{ columnNames: true }]) => throughD1(env, () => statement.raw(...options)),
  });
  bare.set(faulty, statement);
  return faulty;
}

function faultyDatabase(env: ChaosEnv): D1Database {
  const { DB: db } = env;
  return withMethods(db, {
    prepare: (query: string) => faultyStatement(env, db.prepare(query)),
    batch: (statements: D1PreparedStatement[]) =>
      throughD1(env, () => db.batch(statements.map((statement) => bare.get(statement) ?? statement))),
  });
}

function faultyQueue<Message>(env: ChaosEnv, queue: Queue<Message>): Queue<Message> {
  const through = async <Result>(send: () => Promise<Result>): Promise<Result> => {
    const { faults, dice } = lifeOf(env);
    const { before, after, hang } = faults.queue;
    const fails = (chance: number) => {
      if (!dice.chance(chance)) return false;
      injected.queue++;
      return true;
    };
    if (fails(before)) throw new Error("Queue send failed: Internal Server Error");
    if (fails(hang)) await sleep(HANG_MS);
    const result = await send();
    if (fails(after)) throw new Error("Queue send failed: Internal Server Error");
    return result;
  };
  return withMethods(queue, {
    send: (...args: Parameters<Queue<Message>["send"]>) => through(() => queue.send(...args)),
    sendBatch: (...args: Parameters<Queue<Message>["sendBatch"]>) => through(() => queue.sendBatch(...args)),
  });
}

/** Calls of ledgers that are lost on the way there or on the way back. */
function faultyLedgers(env: ChaosEnv): Env["LEDGERS"] {
  const { LEDGERS } = env;
  const through = async (call: () => Promise<unknown>): Promise<unknown> => {
    const { faults, dice } = lifeOf(env);
    const lost = () => {
      injected.ledger++;
      return new Error("Network connection lost.");
    };
    if (dice.chance(faults.ledger.before)) throw lost();
    const answer = await call();
    if (dice.chance(faults.ledger.after)) throw lost();
    return answer;
  };
  return withMethods(LEDGERS, {
    getByName: (...args: Parameters<Env["LEDGERS"]["getByName"]>) => {
      const stub = LEDGERS.getByName(...args) as unknown as LedgerSurface;
      return new Proxy(stub, {
        get(_, name: keyof LedgerSurface) {
          return (call: never) => through(() => (stub[name] as (call: never) => Promise<unknown>)(call));
        },
      });
    },
  });
}

const seen = new WeakMap<ChaosEnv, Env>();

/** One per environment: the Worker keeps what belongs to a binding by its identity. */
function faultyEnv(env: ChaosEnv): Env {
  const known = seen.get(env);
  if (known !== undefined) return known;
  lifeOf(env);
  const faulty: Env = {
    ...env,
    DB: faultyDatabase(env),
    LEDGERS: faultyLedgers(env),
    DELIVERIES: faultyQueue(env, env.DELIVERIES),
    DELIVERIES_SLOW: faultyQueue(env, env.DELIVERIES_SLOW),
    COMMANDS: faultyQueue(env, env.COMMANDS),
  };
  seen.set(env, faulty);
  return faulty;
}

export class ChargeLedger extends Ledger {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, faultyEnv(env as ChaosEnv));
  }
}

export { RefundBudget };

async function companion(request: Request, env: ChaosEnv, ctx: ExecutionContext): Promise<Response> {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/chaos/cron": {
      const controller = { cron: "* * * * *", scheduledTime: Date.now(), noRetry() {}, type: "scheduled" };
      // A run that fails is made good by the next one.
      await Promise.resolve(worker.scheduled(controller as never, faultyEnv(env))).catch(() => {});
      return Response.json(injected);
    }
    case "/chaos/injected":
      return Response.json(injected);
    case "/chaos/sql": {
      const statements: string[] = await request.json();
      const answers = await env.DB.batch(statements.map((statement) => env.DB.prepare(statement)));
      return Response.json(answers.map(({ results }) => results));
    }
    case "/chaos/ledgers": {
      const references: Pick<Charge, "app" | "livemode" | "id">[] = await request.json();
      const exports = references.map(({ app, livemode, id }) => {
        const name = `${app}/${livemode ? "live" : "test"}/${id}`;
        return (env.LEDGERS.getByName(name) as unknown as LedgerSurface).export(CALL);
      });
      return Response.json(await Promise.all(exports));
    }
    default:
      return worker.fetch(request as never, faultyEnv(env), ctx);
  }
}

export default {
  fetch: (request, env, ctx) => companion(request, env, ctx),
  queue: (batch, env) => worker.queue(batch, faultyEnv(env)),
  scheduled: (controller, env) => worker.scheduled(controller, faultyEnv(env)),
} satisfies ExportedHandler<ChaosEnv, unknown>;
