// The Worker itself, with a count of the rows that D1 read for it: `GET /rows-read` tells it, beside the number of
// statements, and starts again at zero. A statement whose answer comes without figures is run a second time for them.
import type { Env } from "../src/env.ts";
import worker from "../src/index.ts";
import { withMethods } from "./with-methods.ts";

export * from "../src/index.ts";

/** What `/rows-read` tells. */
export interface RowsRead {
  rows: number;
  statements: number;
}

const read: RowsRead = { rows: 0, statements: 0 };

function add<Result extends { meta: { rows_read?: number } }>(result: Result): Result {
  read.rows += result.meta.rows_read ?? 0;
  read.statements++;
  return result;
}

const bare = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

function countedStatement(statement: D1PreparedStatement): D1PreparedStatement {
  const counted = withMethods(statement, {
    bind: (...values: unknown[]) => countedStatement(statement.bind(...values)),
    all: async () => add(await statement.all()),
    run: async () => add(await statement.run()),
    raw: async (options: { columnNames: true }) => {
      add(await statement.all());
      return await statement.raw(options);
    },
  });
  bare.set(counted, statement);
  return counted;
}

function countedDatabase(db: D1Database): D1Database {
  return withMethods(db, {
    prepare: (query: string) => countedStatement(db.prepare(query)),
    batch: async (statements: D1PreparedStatement[]) =>
      (await db.batch(statements.map((statement) => bare.get(statement) ?? statement))).map(add),
  });
}

const seen = new WeakMap<Env, Env>();

/** One per environment: the Worker keeps what belongs to a binding by its identity. */
function countedEnv(env: Env): Env {
  let counted = seen.get(env);
  if (counted === undefined) {
    counted = { ...env, DB: countedDatabase(env.DB) };
    seen.set(env, counted);
  }
  return counted;
}

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/rows-read") return worker.fetch(request, countedEnv(env), ctx);
    const told = { ...read };
    Object.assign(read, { rows: 0, statements: 0 });
    return Response.json(told);
  },
} satisfies ExportedHandler<Env, unknown>;
