// The Worker: gives each kind of call to the part that knows it, and decides nothing itself.
import { app } from "./app.ts";
import { patient } from "./db/patience.ts";
import type { Env } from "./env.ts";
import { isLocalDevelopment } from "./env.ts";
import type { CommandMessage } from "./reconciliation/command.ts";
import { sweep } from "./reconciliation/scheduled.ts";
import { consumeCommands } from "./reconciliation/sweep-commands.ts";
import { consumeDeadLetters, consumeDeliveries } from "./webhooks/queue-consumer.ts";

export { RefundBudget } from "./budgets/refund-budget.ts";
export { ChargeLedger } from "./charges/charge-ledger.ts";

export default {
  fetch(request, env, ctx) {
    // The development flag lets requests go to loopback addresses; a deployed Worker must never run with it.
    if (isLocalDevelopment(env) && !isLoopback(new URL(request.url).hostname)) {
      return Response.json(
        {
          error: { type: "api_error", message: "LOCAL_DEV is set on a deployed Worker; it refuses to run." },
        },
        { status: 503, headers: { "Retry-After": "60", "Cache-Control": "no-store" } },
      );
    }
    return app.fetch(request, patient(env), ctx);
  },

  async queue(batch, env) {
    switch (batch.queue) {
      case "webhook-deliveries":
      case "webhook-deliveries-slow":
        return consumeDeliveries(batch, patient(env));
      case "ledger-commands":
        return consumeCommands(batch as MessageBatch<CommandMessage>, patient(env));
      case "dead-letters":
        return consumeDeadLetters(batch, patient(env));
      default:
        throw new Error(`unknown queue: ${batch.queue}`);
    }
  },

  async scheduled(controller, env) {
    await sweep(controller.cron, patient(env), controller.scheduledTime);
  },
} satisfies ExportedHandler<Env, unknown>;

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
