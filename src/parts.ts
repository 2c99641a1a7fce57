// The parts of the Worker, each of which is loaded by the first call that needs it: an instance that holds ledgers has no
// use for the routes, nor the other way round.
import { Lazy } from "./lazy.ts";

export const api = new Lazy(() => import("./app.ts"));
export const ledgers = new Lazy(() => import("./charges/ledger-platform.ts"));
export const budgets = new Lazy(() => import("./budgets/budget-platform.ts"));
export const deliveries = new Lazy(() => import("./webhooks/queue-consumer.ts"));
export const commands = new Lazy(() => import("./reconciliation/sweep-commands.ts"));
/** The live connectors, by name. */
export const alipay = new Lazy(async () => (await import("./channels/alipay/client.ts")).alipay);
export const stripe = new Lazy(async () => (await import("./channels/stripe/stripe.ts")).stripe);
export const wechatpay = new Lazy(async () => (await import("./channels/wechatpay/client.ts")).wechatpay);
export const sweeper = new Lazy(() => import("./reconciliation/scheduled.ts"));
