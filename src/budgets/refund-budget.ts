// The Durable Object around an app's budget: a shell that gives the logic its storage, its timers and its way to D1.
import { DurableObject } from "cloudflare:workers";
import { database } from "../db/client.ts";
import { sleep } from "../deadline.ts";
import type { Env } from "../env.ts";
import { Budget } from "./budget.ts";
import type { BookCall, BudgetSurface, LeaseCall, ReportCall, UnbookCall } from "./budget-calls.ts";
import { readUsage } from "./usage.ts";

export class RefundBudget extends DurableObject<Env> implements BudgetSurface {
  readonly #budget: Budget;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { storage } = ctx;
    this.#budget = new Budget({
      storage: { sql: storage.sql, transactionSync: (work) => storage.transactionSync(work) },
      now: () => Date.now(),
      sleep,
      usage: (owner, since, refunds) =>
        readUsage(database(this.env, owner.app, owner.livemode), owner, since, refunds),
    });
  }

  lease(call: LeaseCall) {
    return this.#budget.lease(call);
  }

  book(call: BookCall) {
    return this.#budget.book(call);
  }

  unbook(call: UnbookCall) {
    return this.#budget.unbook(call);
  }

  report(call: ReportCall) {
    return this.#budget.report(call);
  }

  used(call: ReportCall) {
    return this.#budget.used(call);
  }
}
