// The Durable Object around an app's budget: a shell that gives the logic its storage, its timers and its way to D1.
import { DurableObject } from "cloudflare:workers";
import type { Env } from "../env.ts";
import { budgets } from "../parts.ts";
import type { Budget } from "./budget.ts";
import type { BookCall, BudgetSurface, LeaseCall, ReportCall, UnbookCall } from "./budget-calls.ts";

export class RefundBudget extends DurableObject<Env> implements BudgetSurface {
  #budget!: Budget;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const opened = budgets.use(({ openBudget }) => {
      this.#budget = openBudget(ctx, () => this.env);
    });
    // No call reaches it before.
    if (opened !== undefined) ctx.blockConcurrencyWhile(() => opened);
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
