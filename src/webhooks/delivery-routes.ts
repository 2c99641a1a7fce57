// What became of deliveries: listed, retrieved, and the attempts that were made.
import * as z from "zod";
import { database } from "../db/client.ts";
import { createdRangeOf, cursorOf, cutPage, pageOf, unknownCursor } from "../http/pagination.ts";
import { ProblemError } from "../http/problem.ts";
import { json, type Route, type RouteContext, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema } from "../http/wire.ts";
import { isId } from "../ids.ts";
import {
  findDelivery,
  findDeliveryPosition,
  hasAttempt,
  listAttempts,
  listDeliveries,
} from "./delivery-log.ts";
import {
  attemptListQuery,
  attemptObject,
  attemptSchema,
  deliveryListQuery,
  deliveryObject,
  deliverySchema,
  type StoredDelivery,
} from "./delivery-schema.ts";

const PATH = "/v1/deliveries";
const deliveryParams = z.object({ delivery: z.string() });

async function getDelivery(
  c: RouteContext<never, never, never>["c"],
  { delivery: id }: z.output<typeof deliveryParams>,
): Promise<StoredDelivery> {
  const { app, livemode } = c.var.principal;
  // A guess is refused before it costs a query.
  const delivery = isId("delivery", id)
    ? await findDelivery(database(c.env, app, livemode), app, livemode, id)
    : null;
  if (delivery === null) throw new ProblemError({ code: "not_found", object: "webhook_delivery", id });
  return delivery;
}

export const deliveryRoutes: Route[] = [
  route({
    method: "GET",
    path: PATH,
    scope: "webhooks",
    summary: "List webhook deliveries, newest first",
    own: true,
    query: deliveryListQuery,
    answers: { 200: listSchema(deliverySchema), 400: errorSchema },
    async handler({ c, query }) {
      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      const page = pageOf(query);
      const cursor = cursorOf(page);
      const position = cursor === null ? null : await findDeliveryPosition(db, app, livemode, cursor.id);
      if (cursor !== null && position === null) throw unknownCursor(cursor.param, cursor.id);
      const { event = null, endpoint = null, status = null } = query;
      const filter = { event, endpoint, status, created: createdRangeOf(query) };
      const nearest = await listDeliveries(db, app, livemode, filter, page, position);
      const { items, hasMore } = cutPage(nearest, page);
      return json(listObject(PATH, items.map(deliveryObject), hasMore));
    },
  }),
  route({
    method: "GET",
    path: `${PATH}/:delivery`,
    scope: "webhooks",
    summary: "Retrieve a webhook delivery and its newest attempt",
    own: true,
    params: deliveryParams,
    answers: { 200: deliverySchema, 404: errorSchema },
    async handler({ c, params }) {
      return json(deliveryObject(await getDelivery(c, params)));
    },
  }),
  route({
    method: "GET",
    path: `${PATH}/:delivery/attempts`,
    scope: "webhooks",
    summary: "List the attempts of a webhook delivery, the first one first; kept for 30 days",
    own: true,
    params: deliveryParams,
    query: attemptListQuery,
    answers: { 200: listSchema(attemptSchema), 400: errorSchema, 404: errorSchema },
    async handler({ c, params, query }) {
      const { id } = await getDelivery(c, params);
      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      const page = pageOf(query);
      const cursor = cursorOf(page);
      if (cursor !== null && !(await hasAttempt(db, id, Number(cursor.id)))) {
        throw unknownCursor(cursor.param, cursor.id);
      }
      const { items, hasMore } = cutPage(await listAttempts(db, id, page), page);
      return json(listObject(`${PATH}/${id}/attempts`, items.map(attemptObject), hasMore));
    },
  }),
];
