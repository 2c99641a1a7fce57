// The Worker: gives each kind of call to the part that knows it, and decides nothing itself.
import { patient } from "./db/patience.ts";
import type { Env } from "./env.ts";
import { isLocalDevelopment, queueRole } from "./env.ts";
import { mintId } from "./ids.ts";
import { api, commands, deliveries, sweeper } from "./parts.ts";
import type { CommandMessage } from "./reconciliation/command.ts";

export { RefundBudget } from "./budgets/refund-budget.ts";
export { ChargeLedger } from "./charges/charge-ledger.ts";

export default {
  fetch(request, env, ctx) {
    // The development flag lets requests go to loopback addresses; a deployed Worker must never run with it.
    if (isLocalDevelopment(env) && !isLoopback(new URL(request.url).hostname)) {
      return refuseToRun();
    }
    return api.use(({ app }) => app.fetch(request, patient(env), ctx));
  },

  async queue(batch, env) {
    switch (queueRole(batch.queue, env.ENVIRONMENT)) {
      case "webhook-deliveries":
      case "webhook-deliveries-slow":
        return deliveries.use(({ consumeDeliveries }) => consumeDeliveries(batch, patient(env)));
      case "ledger-commands":
        return commands.use(({ consumeCommands }) =>
          consumeCommands(batch as MessageBatch<CommandMessage>, patient(env)),
        );
      case "dead-letters":
        return deliveries.use(({ consumeDeadLetters }) => consumeDeadLetters(batch, patient(env)));
      default:
        throw new Error(`unknown queue: ${batch.queue}`);
    }
  },

  async scheduled(controller, env) {
    await sweeper.use(({ sweep }) => sweep(controller.cron, patient(env), controller.scheduledTime));
  },
} satisfies ExportedHandler<Env, unknown>;

/** Before the app, which would have said all of this itself. */
function refuseToRun(): Response {
  const message = "LOCAL_DEV is set on a deployed Worker; it refuses to run.";
  return new Response(JSON.stringify({ error: { type: "api_error", message } }), {
    status: 503,
    headers: {
      "Content-Type": "application/json; charset=utf-8",
      "Request-Id": mintId("request", (count) => crypto.getRandomValues(new Uint8Array(count))),
      "Retry-After": "60",
      "Cache-Control": "no-store",
    },
  });
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
