// Webhook endpoints of an app and mode: created, listed, retrieved, changed, deleted.
import * as z from "zod";
import { database } from "../db/client.ts";
import { type Env, isLocalDevelopment } from "../env.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { json, type Route, type RouteContext, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema } from "../http/wire.ts";
import { isId, mintId } from "../ids.ts";
import { seal } from "../sealing/sealing.ts";
import { ownHostsOf } from "./attempt-delivery.ts";
import { changeEndpoint, type EndpointWish, pingToWake } from "./change-endpoint.ts";
import { ENDPOINTS_MAX } from "./endpoint.ts";
import { pingEvent } from "./endpoint-event.ts";
import { addEndpoint, deleteEndpoint, findEndpoint, listEndpoints } from "./repository.ts";
import {
  createEndpointSchema,
  deletedEndpointSchema,
  type EndpointRow,
  endpointObject,
  endpointSchema,
  updateEndpointSchema,
} from "./schema.ts";
import { newSecret } from "./signature.ts";
import { refuseUrl } from "./url-guard.ts";
import { wakeDeliveries } from "./wake.ts";

export const ENDPOINTS_PATH = "/v1/webhook_endpoints";
export const endpointParams = z.object({ endpoint: z.string() });

type Context = RouteContext<unknown, unknown, unknown>["c"];

export const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

export function endpointNotFound(id: string): ProblemError {
  return new ProblemError({ code: "not_found", object: "webhook_endpoint", id });
}

/** The endpoint a path or body names. Throws the problem that there is none. */
export async function getEndpoint(c: Context, id: string): Promise<EndpointRow> {
  const { app, livemode } = c.var.principal;
  // A guess is refused before it costs a query.
  const endpoint = isId("endpoint", id)
    ? await findEndpoint(database(c.env, app, livemode), app, livemode, id)
    : null;
  if (endpoint === null) throw endpointNotFound(id);
  return endpoint;
}

/** Makes a change and wakes the ping that it may need. */
export async function change(c: Context, endpoint: EndpointRow, wish: EndpointWish): Promise<EndpointRow> {
  const db = database(c.env, endpoint.app, endpoint.livemode);
  const changed = await changeEndpoint(db, endpoint, wish, Date.now(), random);
  if (changed === null) throw endpointNotFound(endpoint.id);
  if (changed.ping !== null) c.executionCtx.waitUntil(wakeDeliveries(c.env, [changed.ping]));
  return changed.endpoint;
}

/** Throws the problem with an address. The name this service was just called by is one of its own, too. */
function checkUrl(c: Context, url: string): void {
  const env: Env = c.env;
  const refused = refuseUrl(url, {
    livemode: c.var.principal.livemode,
    localDevelopment: isLocalDevelopment(env),
    ownHosts: [new URL(c.req.url).host, ...ownHostsOf(env)],
  });
  if (refused !== null) throw invalid("url", ...refused);
}

export const webhookRoutes: Route[] = [
  route({
    method: "POST",
    path: ENDPOINTS_PATH,
    scope: "webhooks",
    summary: "Create a webhook endpoint and ping it; its secret is shown in this answer only",
    own: true,
    body: createEndpointSchema,
    answers: { 200: endpointSchema, 400: errorSchema },
    async handler({ c, body }) {
      const { app, livemode } = c.var.principal;
      checkUrl(c, body.url);
      const now = Date.now();
      const created = Math.floor(now / 1000);
      const id = mintId("endpoint", random);
      const secret = newSecret(random);
      const place = { table: "webhook_endpoints", row: id, app, livemode, field: "secrets" };
      const disabled = body.status === "disabled";
      const endpoint: EndpointRow = {
        id,
        app,
        livemode,
        url: body.url,
        enabledEvents: body.enabled_events,
        status: disabled ? "disabled" : "pending",
        schedule: body.schedule,
        secrets: [{ sealed: await seal(c.env.MASTER_KEYS, place, secret), createdAt: now, expiresAt: null }],
        description: body.description ?? null,
        metadata: body.metadata,
        rateLimit: body.rate_limit,
        lane: "fast",
        nextSlotAt: null,
        created,
        firstFailureAt: null,
        disabledAt: disabled ? created : null,
        disabledReason: disabled ? "by_request" : null,
        deletedAt: null,
      };
      const ping = disabled ? null : pingEvent(endpoint, now, random);
      if (!(await addEndpoint(database(c.env, app, livemode), endpoint, ping, now))) {
        throw new ProblemError({ code: "endpoint_limit", limit: ENDPOINTS_MAX });
      }
      if (ping !== null) {
        c.executionCtx.waitUntil(wakeDeliveries(c.env, [pingToWake(endpoint, ping.id)]));
      }
      return json({ ...endpointObject(endpoint), secret });
    },
  }),
  route({
    method: "GET",
    path: ENDPOINTS_PATH,
    scope: "webhooks",
    summary: "List all webhook endpoints, newest first",
    own: true,
    answers: { 200: listSchema(endpointSchema) },
    async handler({ c }) {
      const { app, livemode } = c.var.principal;
      const endpoints = await listEndpoints(database(c.env, app, livemode), app, livemode);
      return json(listObject(ENDPOINTS_PATH, endpoints.map(endpointObject), false));
    },
  }),
  route({
    method: "GET",
    path: `${ENDPOINTS_PATH}/:endpoint`,
    scope: "webhooks",
    summary: "Retrieve a webhook endpoint",
    own: true,
    params: endpointParams,
    answers: { 200: endpointSchema, 404: errorSchema },
    async handler({ c, params }) {
      return json(endpointObject(await getEndpoint(c, params.endpoint)));
    },
  }),
  route({
    method: "POST",
    path: `${ENDPOINTS_PATH}/:endpoint`,
    scope: "webhooks",
    summary: "Update a webhook endpoint; another address is pinged before it gets anything",
    own: true,
    params: endpointParams,
    body: updateEndpointSchema,
    answers: { 200: endpointSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params, body }) {
      const endpoint = await getEndpoint(c, params.endpoint);
      if (body.url !== undefined) checkUrl(c, body.url);
      return json(endpointObject(await change(c, endpoint, wishOf(body))));
    },
  }),
  route({
    method: "DELETE",
    path: `${ENDPOINTS_PATH}/:endpoint`,
    scope: "webhooks",
    summary: "Delete a webhook endpoint; what was on its way to it is skipped",
    own: true,
    params: endpointParams,
    body: z.strictObject({}),
    answers: { 200: deletedEndpointSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { endpoint: id } }) {
      const { app, livemode } = c.var.principal;
      if (!isId("endpoint", id)) throw endpointNotFound(id);
      const db = database(c.env, app, livemode);
      if (!(await deleteEndpoint(db, { app, livemode, id }, Date.now()))) throw endpointNotFound(id);
      return json({ id, object: "webhook_endpoint", deleted: true });
    },
  }),
];

/** What a body asks for: what it leaves out stays. */
function wishOf(body: z.output<typeof updateEndpointSchema>): EndpointWish {
  const { url, enabled_events, description, metadata, schedule, rate_limit, status } = body;
  return {
    ...(url === undefined ? {} : { url }),
    ...(enabled_events === undefined ? {} : { enabledEvents: enabled_events }),
    ...(description === undefined ? {} : { description }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(rate_limit === undefined ? {} : { rateLimit: rate_limit }),
    ...(status === undefined ? {} : { status }),
  };
}
