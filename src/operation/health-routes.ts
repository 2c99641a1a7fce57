// What a load balancer or a probe asks, without a key. `/healthz`: this Worker runs, and of which environment it is; nothing
// else was asked.
// `/readyz`: it can serve.
import { Hono } from "hono";
import { type AppEnv, json } from "../http/registry.ts";
import { respond } from "../http/respond.ts";

const RETRY_SECONDS = "5";

export const healthRoutes = new Hono<AppEnv>();

healthRoutes.get("/healthz", (c) => {
  const { ENVIRONMENT: environment } = c.env;
  return respond(c, json({ status: "ok", ...(environment === undefined ? {} : { environment }) }));
});

healthRoutes.get("/readyz", async (c) => {
  const { findFailing } = await import("./readiness.ts");
  const failing = await findFailing(c.env);
  if (failing.length === 0) return respond(c, json({ status: "ready" }));
  const unavailable = json({ status: "unavailable", failing }, { "Retry-After": RETRY_SECONDS });
  return respond(c, { ...unavailable, status: 503 });
});
