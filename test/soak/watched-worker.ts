// The Worker as it is, with a way in for whoever watches it: the cron that the local runtime lacks, rows of D1, and how
// often a ledger came into memory. What is asked for under the companion's path is no part of the load.
import type { Env } from "../../src/env.ts";
import worker, { ChargeLedger as Ledger, RefundBudget } from "../../src/index.ts";

/** Ledgers that came into memory, repeats counted. */
let opened = 0;

export class ChargeLedger extends Ledger {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    opened++;
  }
}

export { RefundBudget };

export default {
  async fetch(request, env, ctx) {
    switch (new URL(request.url).pathname) {
      case "/chaos/cron": {
        const controller = { cron: "* * * * *", scheduledTime: Date.now(), noRetry() {}, type: "scheduled" };
        await worker.scheduled(controller as never, env);
        return Response.json({ ok: true });
      }
      case "/chaos/sql": {
        const statements: string[] = await request.json();
        const answers = await env.DB.batch(statements.map((statement) => env.DB.prepare(statement)));
        return Response.json(answers.map(({ results }) => results));
      }
      case "/chaos/opened":
        return Response.json(opened);
      case "/chaos/look": {
        const answer = await env.DB.prepare(await request.json()).all();
        return Response.json({ bytes: answer.meta.size_after, row: answer.results[0] });
      }
      default:
        return worker.fetch(request as never, env, ctx);
    }
  },
  queue: (batch, env) => worker.queue(batch, env),
  scheduled: (controller, env) => worker.scheduled(controller, env),
} satisfies ExportedHandler<Env, unknown>;
