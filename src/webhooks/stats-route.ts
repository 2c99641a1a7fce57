// How an endpoint is doing.
import * as z from "zod";
import { database } from "../db/client.ts";
import { ProblemError } from "../http/problem.ts";
import { json, type Route, route } from "../http/registry.ts";
import { errorSchema } from "../http/wire.ts";
import { isId } from "../ids.ts";
import { findStats } from "./stats.ts";
import { periodOf, statsQuery, statsSchema } from "./stats-schema.ts";

export const statsRoutes: Route[] = [
  route({
    method: "GET",
    path: "/v1/webhook_endpoints/:endpoint/stats",
    scope: "webhooks",
    summary:
      "Count the deliveries of a period and their attempts: the last 24 hours, or any of the last 30 days",
    own: true,
    params: z.object({ endpoint: z.string() }),
    query: statsQuery,
    answers: { 200: statsSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { endpoint: id }, query }) {
      const { app, livemode } = c.var.principal;
      const period = periodOf(query, Math.floor(Date.now() / 1000));
      const stats = isId("endpoint", id)
        ? await findStats(database(c.env, app, livemode), app, livemode, id, period)
        : null;
      if (stats === null) throw new ProblemError({ code: "not_found", object: "webhook_endpoint", id });
      return json(stats);
    },
  }),
];
