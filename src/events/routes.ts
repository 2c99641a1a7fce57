// Events as they happened: retrieved one by one, as Ping++ has it, and listed.
import * as z from "zod";
import { database } from "../db/client.ts";
import { createdRangeOf, cutPage, pageOf, positionOf } from "../http/pagination.ts";
import { ProblemError } from "../http/problem.ts";
import { jsonText, type Route, route } from "../http/registry.ts";
import { errorSchema } from "../http/wire.ts";
import { isId } from "../ids.ts";
import { foundListSchema, wantsTotal } from "../search/query.ts";
import { totalOf } from "../search/search.ts";
import { findEvent, findEventPosition, findEvents, planEvents } from "./repository.ts";
import { eventListQuery, eventListText, eventSchema, eventText } from "./schema.ts";

export const eventRoutes: Route[] = [
  route({
    method: "GET",
    path: "/v1/events/:event",
    scope: "refunds:read",
    summary: "Retrieve an event",
    params: z.object({ event: z.string() }),
    answers: { 200: eventSchema, 404: errorSchema },
    async handler({ c, params: { event: id } }) {
      const { app, livemode } = c.var.principal;
      // A guess is refused before it costs a query.
      const event = isId("event", id)
        ? await findEvent(database(c.env, app, livemode), app, livemode, id)
        : null;
      if (event === null) throw new ProblemError({ code: "not_found", object: "event", id });
      return jsonText(eventText(event));
    },
  }),
  route({
    method: "GET",
    path: "/v1/events",
    scope: "refunds:read",
    summary: "List events, newest first; with delivery_status those of which a delivery is in that state",
    own: true,
    query: eventListQuery,
    answers: { 200: foundListSchema(eventSchema), 400: errorSchema },
    async handler({ c, query }) {
      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      const page = pageOf(query);
      const cursor = await positionOf(page, (id) => findEventPosition(db, app, livemode, id));
      const plan = await planEvents(db, app, livemode, {
        types: [...new Set([...(query.type ?? []), ...(query["type[]"] ?? [])])],
        charge: query.charge ?? null,
        refund: query.refund ?? null,
        batch: query.batch ?? null,
        deliveryStatus: query.delivery_status ?? null,
        created: createdRangeOf(query),
      });
      const { items, hasMore } = cutPage(await findEvents(db, plan, page, cursor), page);
      return jsonText(eventListText(items, hasMore, wantsTotal(query) ? await totalOf(db, plan) : null));
    },
  }),
];
