import type { RefundBudget } from "./budgets/refund-budget.ts";
import type { ChargeLedger } from "./charges/charge-ledger.ts";
import type { CommandMessage } from "./reconciliation/command.ts";
import type { DeliveryMessage } from "./webhooks/delivery.ts";

/** What the Worker is bound to (wrangler.toml). */
export interface Env {
  DB: D1Database;
  LEDGERS: DurableObjectNamespace<ChargeLedger>;
  BUDGETS: DurableObjectNamespace<RefundBudget>;
  DELIVERIES: Queue<DeliveryMessage>;
  DELIVERIES_SLOW: Queue<DeliveryMessage>;
  COMMANDS: Queue<CommandMessage>;
  /** JSON: key id → base64 of 32 bytes, newest first. Seals secrets in D1. */
  MASTER_KEYS: string;
  /** "true" in local development only: allows loopback addresses. With it every request that is not addressed to loopback is refused. */
  LOCAL_DEV?: string;
  /** Loopback address of the HTTP sandbox; with LOCAL_DEV only. */
  SANDBOX_URL?: string;
  /** Calls to a channel per account, and repeated questions per account: approximate, and separate for each location. */
  CHANNEL_CALLS?: RateLimit;
  CHANNEL_RETRIES?: RateLimit;
  /** Where channels reach this service: `https://refunds.example.com`. Without it they send no notices and are polled. */
  PUBLIC_URL?: string;
  /** Loopback addresses of channel emulators; with LOCAL_DEV only. */
  ALIPAY_URL?: string;
  STRIPE_URL?: string;
  WECHATPAY_URL?: string;
  /** Host names this service answers under, separated by commas: no webhook may point back at it. */
  OWN_HOSTS?: string;
  /** The name of this deployment, as `npm run deploy` sets it. */
  ENVIRONMENT?: string;
  /** Where alerts go: an operator's HTTPS webhook, and the secret that signs them. */
  ALERT_URL?: string;
  ALERT_SECRET?: string;
  /** Multiplies every delay of the webhook schedules; for tests. */
  RETRY_SCALE?: string;
}

/** Whether this Worker runs on a developer's machine. */
export function isLocalDevelopment(env: Pick<Env, "LOCAL_DEV">): boolean {
  return env.LOCAL_DEV === "true";
}

/** What wrangler.toml calls a queue: an environment may end the names of its own with its name (npm run deploy). */
export function queueRole(queue: string, environment: string | undefined): string {
  const suffix = `-${environment}`;
  return queue.endsWith(suffix) ? queue.slice(0, -suffix.length) : queue;
}
