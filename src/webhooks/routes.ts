// Webhook endpoints of an app and mode: created, listed, retrieved, deleted.
import * as z from "zod";
import { database } from "../db/client.ts";
import { type Env, isLocalDevelopment } from "../env.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { json, type Route, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema } from "../http/wire.ts";
import { isId, mintId } from "../ids.ts";
import { seal } from "../sealing/sealing.ts";
import { ENDPOINTS_MAX } from "./endpoint.ts";
import { addEndpoint, deleteEndpoint, findEndpoint, listEndpoints } from "./repository.ts";
import {
  createEndpointSchema,
  deletedEndpointSchema,
  type EndpointRow,
  endpointObject,
  endpointSchema,
} from "./schema.ts";
import { newSecret } from "./signature.ts";
import { refuseUrl } from "./url-guard.ts";

const PATH = "/v1/webhook_endpoints";
const endpointParams = z.object({ endpoint: z.string() });

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

function notFound(id: string): ProblemError {
  return new ProblemError({ code: "not_found", object: "webhook_endpoint", id });
}

/** The names this service answers under, as far as it can tell: the one it was just called by, and those it was given. */
function ownHosts(env: Env & { OWN_HOSTS?: string }, request: Request): string[] {
  return [new URL(request.url).host, ...(env.OWN_HOSTS?.split(",").map((name) => name.trim()) ?? [])];
}

export const webhookRoutes: Route[] = [
  route({
    method: "POST",
    path: PATH,
    scope: "webhooks",
    summary: "Create a webhook endpoint; its secret is shown in this answer only",
    own: true,
    body: createEndpointSchema,
    answers: { 200: endpointSchema, 400: errorSchema },
    async handler({ c, body }) {
      const { app, livemode } = c.var.principal;
      const refused = refuseUrl(body.url, {
        livemode,
        localDevelopment: isLocalDevelopment(c.env),
        ownHosts: ownHosts(c.env, c.req.raw),
      });
      if (refused !== null) throw invalid("url", ...refused);

      const now = Date.now();
      const id = mintId("endpoint", random);
      const secret = newSecret(random);
      const place = { table: "webhook_endpoints", row: id, app, livemode, field: "secrets" };
      const endpoint: EndpointRow = {
        id,
        app,
        livemode,
        url: body.url,
        enabledEvents: body.enabled_events,
        status: "enabled",
        schedule: body.schedule,
        secrets: [{ sealed: await seal(c.env.MASTER_KEYS, place, secret), createdAt: now, expiresAt: null }],
        description: body.description ?? null,
        metadata: body.metadata,
        rateLimit: null,
        lane: "fast",
        created: Math.floor(now / 1000),
        firstFailureAt: null,
        disabledAt: null,
        disabledReason: null,
        deletedAt: null,
      };
      if (!(await addEndpoint(database(c.env, app, livemode), endpoint))) {
        throw new ProblemError({ code: "endpoint_limit", limit: ENDPOINTS_MAX });
      }
      return json({ ...endpointObject(endpoint), secret });
    },
  }),
  route({
    method: "GET",
    path: PATH,
    scope: "webhooks",
    summary: "List all webhook endpoints, newest first",
    own: true,
    answers: { 200: listSchema(endpointSchema) },
    async handler({ c }) {
      const { app, livemode } = c.var.principal;
      const endpoints = await listEndpoints(database(c.env, app, livemode), app, livemode);
      return json(listObject(PATH, endpoints.map(endpointObject), false));
    },
  }),
  route({
    method: "GET",
    path: `${PATH}/:endpoint`,
    scope: "webhooks",
    summary: "Retrieve a webhook endpoint",
    own: true,
    params: endpointParams,
    answers: { 200: endpointSchema, 404: errorSchema },
    async handler({ c, params: { endpoint: id } }) {
      const { app, livemode } = c.var.principal;
      if (!isId("endpoint", id)) throw notFound(id);
      const endpoint = await findEndpoint(database(c.env, app, livemode), app, livemode, id);
      if (endpoint === null) throw notFound(id);
      return json(endpointObject(endpoint));
    },
  }),
  route({
    method: "DELETE",
    path: `${PATH}/:endpoint`,
    scope: "webhooks",
    summary: "Delete a webhook endpoint; what was on its way to it is skipped",
    own: true,
    params: endpointParams,
    body: z.strictObject({}),
    answers: { 200: deletedEndpointSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { endpoint: id } }) {
      const { app, livemode } = c.var.principal;
      if (!isId("endpoint", id)) throw notFound(id);
      const deleted = await deleteEndpoint(database(c.env, app, livemode), app, livemode, id, Date.now());
      if (!deleted) throw notFound(id);
      return json({ id, object: "webhook_endpoint", deleted: true });
    },
  }),
];
