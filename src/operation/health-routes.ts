// What a load balancer or a probe asks, without a key. `/healthz`: this Worker runs, and of which environment it is; nothing
// else was asked.
// `/readyz`: it can serve.
import { Hono } from "hono";
import { type AppEnv, json } from "../http/registry.ts";
import { findFailing } from "./readiness.ts";

const RETRY_SECONDS = "5";

export const healthRoutes = new Hono<AppEnv>();

healthRoutes.get("/healthz", (c) => {
  const { ENVIRONMENT: environment } = c.env;
  return json({ status: "ok", ...(environment === undefined ? {} : { environment }) });
});

healthRoutes.get("/readyz", async (c) => {
  const failing = await findFailing(c.env);
  if (failing.length === 0) return json({ status: "ready" });
  return new Response(JSON.stringify({ status: "unavailable", failing }), {
    status: 503,
    headers: { "Content-Type": "application/json; charset=utf-8", "Retry-After": RETRY_SECONDS },
  });
});
