// Refunds across all charges of an app and mode: searched, and retrieved by their id alone.
import * as z from "zod";
import { database } from "../db/client.ts";
import { cutPage, pageOf, pageQuery, positionOf } from "../http/pagination.ts";
import { json, jsonText, type Route, route } from "../http/registry.ts";
import { errorSchema, listObject } from "../http/wire.ts";
import { foundListSchema, includeQuery, sortOf, sortQuery, wantsTotal } from "../search/query.ts";
import { totalOf } from "../search/search.ts";
import { readRefundById } from "./read-refund.ts";
import { refundObject, refundSchema } from "./schema.ts";
import { findRefundPosition, findRefunds, planRefunds } from "./search.ts";
import { refundFilterOf, refundFilterQuery } from "./search-query.ts";

export const refundSearchRoutes: Route[] = [
  route({
    method: "GET",
    path: "/v1/refunds",
    scope: "refunds:read",
    summary: "Search refunds across charges",
    own: true,
    query: z.object({ ...pageQuery(100, 10), ...refundFilterQuery, ...sortQuery, ...includeQuery }),
    answers: { 200: foundListSchema(refundSchema), 400: errorSchema },
    async handler({ c, query }) {
      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      const page = pageOf(query);
      const filter = refundFilterOf(query, c.req.queries());
      const cursor = await positionOf(page, (id) => findRefundPosition(db, app, livemode, id));
      const plan = await planRefunds(db, app, livemode, filter, sortOf(query));
      const { items, hasMore } = cutPage(await findRefunds(db, app, plan, page, cursor), page);
      const objects = items.map(({ refund, charge }) => refundObject(refund, charge));
      const total = wantsTotal(query) ? await totalOf(db, plan) : {};
      return json({ ...listObject("/v1/refunds", objects, hasMore), ...total });
    },
  }),
  route({
    method: "GET",
    path: "/v1/refunds/:refund",
    scope: "refunds:read",
    summary: "Retrieve a refund by its id alone",
    own: true,
    params: z.object({ refund: z.string() }),
    answers: { 200: refundSchema, 404: errorSchema },
    async handler({ c, params: { refund } }) {
      return jsonText(await readRefundById(c.env, c.var.principal, refund));
    },
  }),
];
