import * as z from "zod";
import { database } from "../db/client.ts";
import { pageOf, pageQuery } from "../http/pagination.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { json, jsonText, type Route, route } from "../http/registry.ts";
import { errorSchema, listObject } from "../http/wire.ts";
import { foundListSchema, includeQuery, sortOf, sortQuery, wantsTotal } from "../search/query.ts";
import { listCharges } from "./list-charges.ts";
import { readCharge } from "./read-charge.ts";
import { recordCharge, updateCharge } from "./record-charge.ts";
import { chargeSchema, recordChargeSchema, updateChargeSchema } from "./schema.ts";
import { chargeFilterOf, chargeFilterQuery } from "./search-query.ts";

const params = z.object({ charge: z.string() });

const listQuery = z.object({
  ...pageQuery(100, 10),
  ...chargeFilterQuery,
  ...sortQuery,
  ...includeQuery,
  "app[id]": z.string().optional(),
});

export const chargeRoutes: Route[] = [
  route({
    method: "POST",
    path: "/v1/charges",
    scope: "charges:write",
    summary: "Record a charge that was collected elsewhere",
    body: recordChargeSchema,
    answers: { 200: chargeSchema, 400: errorSchema },
    async handler({ c, body }) {
      return jsonText(await recordCharge(c.env, c.get("principal"), body, Date.now()));
    },
  }),
  route({
    method: "GET",
    path: "/v1/charges",
    scope: "charges:read",
    summary: "Search charges; all of them, newest first, without a filter",
    query: listQuery,
    answers: { 200: foundListSchema(chargeSchema), 400: errorSchema },
    async handler({ c, query }) {
      const { app, livemode } = c.var.principal;
      if (query["app[id]"] !== undefined && query["app[id]"] !== app) {
        throw invalid("app[id]", "与 API KEY 所属的应用不符", "it is not the app of this API key");
      }
      const { items, hasMore, total } = await listCharges(database(c.env, app, livemode), {
        app,
        livemode,
        filter: chargeFilterOf(query, c.req.queries()),
        sort: sortOf(query),
        page: pageOf(query),
        counts: wantsTotal(query),
      });
      return json({ ...listObject("/v1/charges", items, hasMore), ...total });
    },
  }),
  route({
    method: "GET",
    path: "/v1/charges/:charge",
    scope: "charges:read",
    summary: "Retrieve a charge with its refunds",
    params,
    answers: { 200: chargeSchema, 404: errorSchema },
    async handler({ c, params: { charge } }) {
      const answer = await readCharge(c.env, c.get("principal"), charge, { kind: "charge" });
      if ("missing" in answer) throw new ProblemError({ code: "not_found", object: "charge", id: charge });
      return jsonText(answer.ok);
    },
  }),
  route({
    method: "POST",
    path: "/v1/charges/:charge",
    scope: "charges:write",
    summary: "Update a charge, or record that it was paid",
    own: true,
    params,
    body: updateChargeSchema,
    answers: { 200: chargeSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { charge }, body }) {
      return jsonText(await updateCharge(c.env, c.var.principal, charge, body, Date.now()));
    },
  }),
];
