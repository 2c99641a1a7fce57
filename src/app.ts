// The HTTP API: every route of the registry behind the same admission, and one place where errors become answers.
import { DrizzleQueryError } from "drizzle-orm";
import { type Context, Hono } from "hono";
import { appRoutes } from "./apps/routes.ts";
import { keyRoutes } from "./auth/key-routes.ts";
import { publicKeyRoutes } from "./auth/public-keys-route.ts";
import { batchRoutes } from "./batches/routes.ts";
import { limitRoutes } from "./budgets/routes.ts";
import { noticeRoutes } from "./channels/notice-routes.ts";
import { orphanRoutes } from "./channels/orphan-routes.ts";
import { channelAccountRoutes } from "./channels/routes.ts";
import { ledgerRoutes } from "./charges/ledger-routes.ts";
import { reverseRoutes } from "./charges/reverse-routes.ts";
import { chargeRoutes } from "./charges/routes.ts";
import { DatabaseError } from "./db/client.ts";
import { disputeRoutes } from "./disputes/routes.ts";
import { eventRoutes } from "./events/routes.ts";
import { admit } from "./http/admit.ts";
import { preferredLanguage } from "./http/language.ts";
import { type Problem, ProblemError, renderProblem } from "./http/problem.ts";
import { type AppEnv, jsonText, type Route } from "./http/registry.ts";
import { respond } from "./http/respond.ts";
import { validate, validateBody } from "./http/validate.ts";
import { mintId } from "./ids.ts";
import { log } from "./log.ts";
import { healthRoutes } from "./operation/health-routes.ts";
import { metricsRoutes } from "./operation/metrics-route.ts";
import { refundControlRoutes } from "./refunds/control-routes.ts";
import { refundExportRoutes } from "./refunds/export-routes.ts";
import { refundOperationRoutes } from "./refunds/operation-routes.ts";
import { refundRoutes } from "./refunds/routes.ts";
import { refundSearchRoutes } from "./refunds/search-routes.ts";
import { refundSummaryRoutes } from "./refunds/summary-routes.ts";
import { testHelperRoutes } from "./refunds/test-helper-routes.ts";
import { webhookActionRoutes } from "./webhooks/action-routes.ts";
import { deadLetterRoutes } from "./webhooks/dead-letter-routes.ts";
import { deliveryRoutes } from "./webhooks/delivery-routes.ts";
import { webhookRoutes } from "./webhooks/routes.ts";
import { statsRoutes } from "./webhooks/stats-route.ts";

/** Every route of the API. */
export const routes: readonly Route[] = [
  ...chargeRoutes,
  ...reverseRoutes,
  ...ledgerRoutes,
  ...refundRoutes,
  ...refundControlRoutes,
  ...refundOperationRoutes,
  ...batchRoutes,
  ...refundSummaryRoutes,
  ...refundExportRoutes,
  // Behind those whose paths could be taken for the id of a refund.
  ...refundSearchRoutes,
  ...disputeRoutes,
  ...testHelperRoutes,
  ...eventRoutes,
  ...channelAccountRoutes,
  ...orphanRoutes,
  ...webhookRoutes,
  ...webhookActionRoutes,
  ...statsRoutes,
  ...deliveryRoutes,
  ...deadLetterRoutes,
  ...publicKeyRoutes,
  ...appRoutes,
  ...keyRoutes,
  ...limitRoutes,
  ...metricsRoutes,
];

export const app = new Hono<AppEnv>();

app.use((c, next) => {
  c.set("startedAt", Date.now());
  c.set("requestId", mintId("request", (count) => crypto.getRandomValues(new Uint8Array(count))));
  c.set("language", preferredLanguage(c.req.raw.headers.get("Accept-Language"), "zh"));
  return next();
});

app.route("/", healthRoutes);

app.route("/notify", noticeRoutes);

for (const route of routes) {
  const { params, query, body, handler } = route;
  const steps = [admit(route)];
  if (params !== undefined) steps.push(validate("param", params));
  if (query !== undefined) steps.push(validate("query", query));
  if (body !== undefined) steps.push(validateBody(body));
  app.on([route.method], [route.path], ...steps, async (c) => {
    const answer = await handler({
      c,
      params: c.req.valid("param" as never),
      query: c.req.valid("query" as never),
      body: c.req.valid("json" as never),
    } as never);
    return respond(c, answer);
  });
}

app.notFound((c) => {
  const path = c.req.path;
  const allow = [
    ...new Set(routes.filter((route) => matches(route.path, path)).map((route) => route.method)),
  ];
  if (allow.length === 0) return answer(c, { code: "no_such_route", path });
  if (allow.includes("GET")) allow.push("HEAD" as never);
  return answer(c, { code: "method_not_allowed", method: c.req.method, allow });
});

app.onError((error, c) => {
  if (error instanceof ProblemError) return answer(c, error.problem);
  // D1 answers with an error while it is overloaded, reset or down; its message may carry parameters, so only its kind
  // is written down.
  const isDatabase = error instanceof DrizzleQueryError || error instanceof DatabaseError;
  if (isDatabase || error.message.startsWith("D1_")) {
    log("error", { request: c.get("requestId"), failure: "d1" });
    return answer(c, { code: "unavailable", retryAfterSeconds: 5 });
  }
  log("error", { request: c.get("requestId"), failure: error.name, at: placeOf(error) });
  return answer(c, { code: "internal" });
});

/** Where an error was thrown. Its message, which may hold what the client sent, comes first in the stack and is left out. */
function placeOf({ stack = "", message }: Error): string | undefined {
  const frames = stack.slice(stack.indexOf(message) + message.length);
  return frames.split("\n").find((line) => line.startsWith("    at "));
}

function answer(c: Context<AppEnv>, problem: Problem): Response | Promise<Response> {
  const { status, body, headers } = renderProblem(problem, c.get("language"));
  return respond(c, { ...jsonText(body, headers), status });
}

/** Whether a path is one of a route's: `:name` stands for one segment. */
function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  return (
    wanted.length === given.length &&
    wanted.every((part, i) => (part.startsWith(":") ? given[i] !== "" : part === given[i]))
  );
}
