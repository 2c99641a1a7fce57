// The HTTP API: every route of the registry behind the same admission, and one place where errors become answers.
import { DrizzleQueryError } from "drizzle-orm/errors";
import { type Context, Hono } from "hono";
import { noticeRoutes } from "./channels/notice-routes.ts";
import { DatabaseError } from "./db/database-error.ts";
import { preferredLanguage } from "./http/language.ts";
import { type Problem, ProblemError, renderProblem } from "./http/problem.ts";
import { type AppEnv, jsonText, type Method } from "./http/registry.ts";
import { respond } from "./http/respond.ts";
import { mintId } from "./ids.ts";
import { Lazy } from "./lazy.ts";
import { log } from "./log.ts";
import { healthRoutes } from "./operation/health-routes.ts";
import { routeFiles } from "./route-files.ts";

export const app = new Hono<AppEnv>();

app.use((c, next) => {
  c.set("startedAt", Date.now());
  c.set(
    "requestId",
    mintId("request", (count) => crypto.getRandomValues(new Uint8Array(count))),
  );
  c.set("language", preferredLanguage(c.req.raw.headers.get("Accept-Language"), "zh"));
  return next();
});

app.route("/", healthRoutes);

app.route("/notify", noticeRoutes);

const endpoints = routeFiles.flatMap((file) =>
  file.endpoints.map((endpoint) => {
    const [method, path] = endpoint.split(" ") as [Method, string];
    return { method, path, file };
  }),
);

const served = endpoints.map(({ method, path, file }) => {
  const route = new Lazy(async () => {
    const [{ serving }, routes] = await Promise.all([import("./http/serve.ts"), file.load()]);
    const found = routes.find((one) => one.method === method && one.path === path);
    if (found === undefined) throw new Error(`${method} ${path} is not in its file`);
    return serving(found);
  });
  app.on([method], [path], (c) => route.use((serve) => serve(c)));
  return route;
});

/** Loads every route now: for a simulation, whose clock does not wait for code. */
export async function loadRoutes(): Promise<void> {
  await Promise.all(served.map((route) => route.use(() => undefined)));
}

app.notFound((c) => {
  const path = c.req.path;
  const allow = [...new Set(endpoints.filter((one) => matches(one.path, path)).map(({ method }) => method))];
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
