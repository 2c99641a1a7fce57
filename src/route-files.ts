// The routes of the API by the file that declares them. Method and path are known without any of those files: the app
// routes by them and answers 404 and 405. A file, with its schemas and all that it alone needs, is loaded when the first
// request for one of its routes comes.
import type { Route } from "./http/registry.ts";

export interface RouteFile {
  /** In Hono's notation, in the order of the file. */
  endpoints: readonly `${Route["method"]} /${string}`[];
  load(): Promise<readonly Route[]>;
}

export const routeFiles: readonly RouteFile[] = [
  {
    load: async () => (await import("./charges/routes.ts")).chargeRoutes,
    endpoints: ["POST /v1/charges", "GET /v1/charges", "GET /v1/charges/:charge", "POST /v1/charges/:charge"],
  },
  {
    load: async () => (await import("./charges/reverse-routes.ts")).reverseRoutes,
    endpoints: ["POST /v1/charges/:charge/reverse"],
  },
  {
    load: async () => (await import("./charges/ledger-routes.ts")).ledgerRoutes,
    endpoints: [
      "POST /v1/charges/:charge/adopt",
      "GET /v1/charges/:charge/ledger",
      "POST /v1/ledgers/adopt",
      "POST /v1/ledgers/rebuild",
    ],
  },
  {
    load: async () => (await import("./refunds/routes.ts")).refundRoutes,
    endpoints: [
      "POST /v1/charges/:charge/refunds",
      "GET /v1/charges/:charge/refunds",
      "GET /v1/charges/:charge/refunds/:refund",
    ],
  },
  {
    load: async () => (await import("./refunds/control-routes.ts")).refundControlRoutes,
    endpoints: [
      "POST /v1/charges/:charge/refunds/:refund",
      "POST /v1/charges/:charge/refunds/:refund/cancel",
      "POST /v1/charges/:charge/refunds/:refund/approve",
      "POST /v1/charges/:charge/refunds/:refund/reject",
      "GET /v1/charges/:charge/refunds/:refund/timeline",
    ],
  },
  {
    load: async () => (await import("./refunds/operation-routes.ts")).refundOperationRoutes,
    endpoints: [
      "POST /v1/charges/:charge/refunds/:refund/sync",
      "POST /v1/charges/:charge/refunds/:refund/claim",
      "POST /v1/charges/:charge/refunds/:refund/resolve",
    ],
  },
  {
    load: async () => (await import("./batches/routes.ts")).batchRoutes,
    endpoints: ["POST /v1/batch_refunds", "GET /v1/batch_refunds/:batch", "GET /v1/batch_refunds"],
  },
  {
    load: async () => (await import("./refunds/summary-routes.ts")).refundSummaryRoutes,
    endpoints: ["GET /v1/refunds/summary"],
  },
  {
    load: async () => (await import("./refunds/export-routes.ts")).refundExportRoutes,
    endpoints: ["GET /v1/refunds/export"],
  },
  {
    load: async () => (await import("./refunds/search-routes.ts")).refundSearchRoutes,
    endpoints: ["GET /v1/refunds", "GET /v1/refunds/:refund"],
  },
  {
    load: async () => (await import("./disputes/routes.ts")).disputeRoutes,
    endpoints: ["POST /v1/charges/:charge/disputes"],
  },
  {
    load: async () => (await import("./refunds/test-helper-routes.ts")).testHelperRoutes,
    endpoints: [
      "POST /v1/test_helpers/refunds/:refund/succeed",
      "POST /v1/test_helpers/refunds/:refund/fail",
      "POST /v1/test_helpers/refunds/:refund/reverse",
      "POST /v1/test_helpers/refunds/:refund/abnormal",
    ],
  },
  {
    load: async () => (await import("./events/routes.ts")).eventRoutes,
    endpoints: ["GET /v1/events/:event", "GET /v1/events"],
  },
  {
    load: async () => (await import("./channels/routes.ts")).channelAccountRoutes,
    endpoints: [
      "POST /v1/channel_accounts",
      "GET /v1/channel_accounts",
      "GET /v1/channel_accounts/:account",
      "POST /v1/channel_accounts/:account",
      "DELETE /v1/channel_accounts/:account",
      "POST /v1/channel_accounts/:account/check",
    ],
  },
  {
    load: async () => (await import("./channels/orphan-routes.ts")).orphanRoutes,
    endpoints: ["GET /v1/orphan_notices"],
  },
  {
    load: async () => (await import("./webhooks/routes.ts")).webhookRoutes,
    endpoints: [
      "POST /v1/webhook_endpoints",
      "GET /v1/webhook_endpoints",
      "GET /v1/webhook_endpoints/:endpoint",
      "POST /v1/webhook_endpoints/:endpoint",
      "DELETE /v1/webhook_endpoints/:endpoint",
    ],
  },
  {
    load: async () => (await import("./webhooks/action-routes.ts")).webhookActionRoutes,
    endpoints: [
      "POST /v1/webhook_endpoints/:endpoint/roll_secret",
      "POST /v1/webhook_endpoints/:endpoint/ping",
      "POST /v1/webhook_endpoints/:endpoint/enable",
      "POST /v1/webhook_endpoints/:endpoint/disable",
      "POST /v1/webhook_endpoints/:endpoint/recover",
      "POST /v1/events/:event/resend",
    ],
  },
  {
    load: async () => (await import("./webhooks/stats-route.ts")).statsRoutes,
    endpoints: ["GET /v1/webhook_endpoints/:endpoint/stats"],
  },
  {
    load: async () => (await import("./webhooks/delivery-routes.ts")).deliveryRoutes,
    endpoints: [
      "GET /v1/deliveries",
      "GET /v1/deliveries/:delivery",
      "GET /v1/deliveries/:delivery/attempts",
    ],
  },
  {
    load: async () => (await import("./webhooks/dead-letter-routes.ts")).deadLetterRoutes,
    endpoints: ["GET /v1/dead_letters", "POST /v1/dead_letters/:dead_letter/redrive"],
  },
  {
    load: async () => (await import("./auth/public-keys-route.ts")).publicKeyRoutes,
    endpoints: ["GET /v1/public_keys"],
  },
  {
    load: async () => (await import("./apps/routes.ts")).appRoutes,
    endpoints: ["GET /v1/apps", "POST /v1/apps", "GET /v1/apps/:app", "POST /v1/apps/:app"],
  },
  {
    load: async () => (await import("./auth/key-routes.ts")).keyRoutes,
    endpoints: [
      "GET /v1/apps/:app/keys",
      "POST /v1/apps/:app/keys",
      "GET /v1/apps/:app/keys/:key",
      "POST /v1/apps/:app/keys/:key",
      "DELETE /v1/apps/:app/keys/:key",
      "POST /v1/apps/:app/keys/:key/rotate",
    ],
  },
  {
    load: async () => (await import("./budgets/routes.ts")).limitRoutes,
    endpoints: ["GET /v1/limits"],
  },
  {
    load: async () => (await import("./operation/metrics-route.ts")).metricsRoutes,
    endpoints: ["GET /metrics"],
  },
];
