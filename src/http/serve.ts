// A route as it is served: behind its admission and its validation.
import type { Context, MiddlewareHandler } from "hono";
import { admit } from "./admit.ts";
import type { AppEnv, Route } from "./registry.ts";
import { respond } from "./respond.ts";
import { validate, validateBody } from "./validate.ts";

type Serve = (c: Context<AppEnv>) => Promise<Response>;

export function serving(route: Route): Serve {
  const { params, query, body, handler } = route;
  const steps: MiddlewareHandler<AppEnv>[] = [admit(route)];
  if (params !== undefined) steps.push(validate("param", params));
  if (query !== undefined) steps.push(validate("query", query));
  if (body !== undefined) steps.push(validateBody(body));
  let pass = async (c: Context<AppEnv>): Promise<void> => {
    const answer = await handler({
      c,
      params: c.req.valid("param" as never),
      query: c.req.valid("query" as never),
      body: c.req.valid("json" as never),
    } as never);
    c.res = await respond(c, answer);
  };
  for (const step of steps.toReversed()) {
    const rest = pass;
    pass = (c) => step(c, () => rest(c)) as Promise<void>;
  }
  return async (c) => {
    await pass(c);
    return c.res;
  };
}
