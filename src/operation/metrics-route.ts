// The figures of the key's own app and mode, for Prometheus and whatever else reads its format.
import * as z from "zod";
import { database } from "../db/client.ts";
import { type Route, route } from "../http/registry.ts";
import { errorSchema } from "../http/wire.ts";
import { readMetrics } from "./metrics.ts";
import { MEDIA_TYPE, renderMetrics } from "./prometheus.ts";

export const metricsRoutes: Route[] = [
  route({
    method: "GET",
    path: "/metrics",
    scope: "admin",
    summary: "Figures of the key's app and mode, in Prometheus' text format",
    own: true,
    // A text of lines, and not JSON.
    answers: { 200: z.string(), 401: errorSchema },
    async handler({ c }) {
      const { app, livemode } = c.var.principal;
      const metrics = await readMetrics(database(c.env, app, livemode), app, livemode, Date.now());
      return { body: renderMetrics(metrics), headers: { "Content-Type": MEDIA_TYPE } };
    },
  }),
];
