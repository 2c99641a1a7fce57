import { database } from "../db/client.ts";
import { json, type Route, route } from "../http/registry.ts";
import { errorSchema } from "../http/wire.ts";
import { summarizeRefunds } from "./summarize-refunds.ts";
import { summaryQuery, summaryRequestOf, summarySchema } from "./summary-schema.ts";

export const refundSummaryRoutes: Route[] = [
  route({
    method: "GET",
    path: "/v1/refunds/summary",
    scope: "refunds:read",
    summary: "Count and add up refunds by status, channel, currency and calendar day of a time zone",
    own: true,
    query: summaryQuery,
    answers: { 200: summarySchema, 400: errorSchema },
    async handler({ c, query }) {
      const { app, livemode } = c.var.principal;
      const request = summaryRequestOf(query, Math.floor(Date.now() / 1000));
      return json(await summarizeRefunds(database(c.env, app, livemode), app, livemode, request));
    },
  }),
];
