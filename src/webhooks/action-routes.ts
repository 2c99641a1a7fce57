// What can be done with a webhook endpoint and with an event besides editing: pinging, enabling and disabling, rolling
// the secret, and sending again what did not arrive.
import * as z from "zod";
import { database } from "../db/client.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { type Answer, json, type Route, type RouteContext, route } from "../http/registry.ts";
import { errorSchema } from "../http/wire.ts";
import { isId } from "../ids.ts";
import { attemptDelivery } from "./attempt-delivery.ts";
import { deliveryIdOf } from "./delivery.ts";
import { findDelivery } from "./delivery-log.ts";
import { deliveryRepository } from "./delivery-repository.ts";
import { deliveryObject, deliverySchema } from "./delivery-schema.ts";
import { RECOVERY_MS } from "./endpoint.ts";
import { pingEvent } from "./endpoint-event.ts";
import { rollSecret } from "./roll-secret.ts";
import { change, ENDPOINTS_PATH, endpointNotFound, endpointParams, getEndpoint, random } from "./routes.ts";
import {
  type EndpointRow,
  endpointObject,
  endpointSchema,
  recoverSchema,
  recoverySchema,
  resendSchema,
  rollSecretSchema,
} from "./schema.ts";
import { addPing, findOpenPing, findSubject, recoverDeliveries, resendEvent } from "./send-again.ts";
import { wakeDeliveries } from "./wake.ts";

type Context = RouteContext<unknown, unknown, unknown>["c"];

/** What is woken at once after a recovery; the cron wakes the rest. */
const WOKEN_MAX = 500;
/** Rolls that race for the same endpoint are made one after the other. */
const ROLL_TRIES = 5;

const noBody = z.strictObject({});

function mustBeOn(endpoint: EndpointRow): void {
  if (endpoint.status === "disabled") {
    throw new ProblemError({ code: "endpoint_disabled", endpoint: endpoint.id });
  }
}

async function deliveryAnswer(c: Context, id: string): Promise<Answer> {
  const { app, livemode } = c.var.principal;
  const delivery = await findDelivery(database(c.env, app, livemode), app, livemode, id);
  if (delivery === null) throw new ProblemError({ code: "not_found", object: "webhook_delivery", id });
  return json(deliveryObject(delivery));
}

export const webhookActionRoutes: Route[] = [
  route({
    method: "POST",
    path: `${ENDPOINTS_PATH}/:endpoint/roll_secret`,
    scope: "webhooks",
    summary: "Roll the secret; the new one is shown in this answer only, the earlier ones sign for a while",
    own: true,
    params: endpointParams,
    body: rollSecretSchema,
    answers: { 200: endpointSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params, body }) {
      const overlapMs = body.expires_in * 1000;
      for (let tries = 0; tries < ROLL_TRIES; tries++) {
        const endpoint = await getEndpoint(c, params.endpoint);
        const db = database(c.env, endpoint.app, endpoint.livemode);
        const secret = await rollSecret(db, c.env.MASTER_KEYS, endpoint, overlapMs, Date.now(), random);
        if (secret !== null) return json({ ...endpointObject(endpoint), secret });
      }
      throw new ProblemError({ code: "unavailable", retryAfterSeconds: 1 });
    },
  }),
  route({
    method: "POST",
    path: `${ENDPOINTS_PATH}/:endpoint/ping`,
    scope: "webhooks",
    summary: "Ping a webhook endpoint now; answers with the delivery and its attempt",
    own: true,
    params: endpointParams,
    body: noBody,
    answers: { 200: deliverySchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params }) {
      const endpoint = await getEndpoint(c, params.endpoint);
      mustBeOn(endpoint);
      const { app, livemode } = endpoint;
      const db = database(c.env, app, livemode);
      const now = Date.now();
      // At most one ping is on its way: the one whose next attempt is due later is tried now.
      let event = await findOpenPing(db, endpoint);
      if (event !== null) await resendEvent(db, endpoint, event, true, now);
      else {
        event = await addPing(db, endpoint, pingEvent(endpoint, now, random), now);
        if (event === null) throw endpointNotFound(endpoint.id);
      }
      const delivery = deliveryIdOf(event, endpoint.id);
      await attemptDelivery({ delivery, app, livemode }, null, c.env);
      return await deliveryAnswer(c, delivery);
    },
  }),
  route({
    method: "POST",
    path: `${ENDPOINTS_PATH}/:endpoint/enable`,
    scope: "webhooks",
    summary: "Enable a webhook endpoint: it is pinged, and gets events once it has answered",
    own: true,
    params: endpointParams,
    body: noBody,
    answers: { 200: endpointSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params }) {
      const endpoint = await getEndpoint(c, params.endpoint);
      return json(endpointObject(await change(c, endpoint, { status: "enabled" })));
    },
  }),
  route({
    method: "POST",
    path: `${ENDPOINTS_PATH}/:endpoint/disable`,
    scope: "webhooks",
    summary:
      "Disable a webhook endpoint: what was on its way and what happens meanwhile is recorded as skipped",
    own: true,
    params: endpointParams,
    body: noBody,
    answers: { 200: endpointSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params }) {
      const endpoint = await getEndpoint(c, params.endpoint);
      return json(endpointObject(await change(c, endpoint, { status: "disabled" })));
    },
  }),
  route({
    method: "POST",
    path: `${ENDPOINTS_PATH}/:endpoint/recover`,
    scope: "webhooks",
    summary: "Send again what was exhausted or skipped in a period of at most 14 days",
    own: true,
    params: endpointParams,
    body: recoverSchema,
    answers: { 200: recoverySchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params, body }) {
      const now = Date.now();
      const { since, until = Math.floor(now / 1000) } = body;
      if (since > until) throw invalid("since", "必须早于 until", "it must not be after until");
      if ((until - since) * 1000 > RECOVERY_MS) {
        throw invalid("since", "时间段不能超过 14 天", "the period must not be longer than 14 days");
      }
      const endpoint = await getEndpoint(c, params.endpoint);
      mustBeOn(endpoint);
      const db = database(c.env, endpoint.app, endpoint.livemode);
      const recovered = await recoverDeliveries(db, endpoint, since * 1000, until * 1000 + 999, now);
      const due = await deliveryRepository(db).listReleased(endpoint, now, WOKEN_MAX);
      c.executionCtx.waitUntil(wakeDeliveries(c.env, due));
      return json({ object: "webhook_endpoint_recovery", endpoint: endpoint.id, since, until, recovered });
    },
  }),
  route({
    method: "POST",
    path: "/v1/events/:event/resend",
    scope: "webhooks",
    summary: "Send an event to an endpoint again",
    own: true,
    params: z.object({ event: z.string() }),
    body: resendSchema,
    answers: { 200: deliverySchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { event }, body }) {
      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      const subject = isId("event", event) ? await findSubject(db, { app, livemode }, event) : null;
      if (subject === null) throw new ProblemError({ code: "not_found", object: "event", id: event });
      const endpoint = await getEndpoint(c, body.endpoint);
      if (subject.type === "webhook_endpoint.ping" && subject.endpoint !== endpoint.id) {
        throw invalid(
          "endpoint",
          "该事件只属于另一个 webhook endpoint",
          "the event is another endpoint's own ping",
        );
      }
      mustBeOn(endpoint);
      const now = Date.now();
      const id = deliveryIdOf(event, endpoint.id);
      const hindrance = await resendEvent(db, endpoint, event, body.force, now);
      if (hindrance !== null) {
        throw new ProblemError({ code: "delivery_not_resendable", delivery: id, status: hindrance });
      }
      c.executionCtx.waitUntil(wakeDeliveries(c.env, [{ id, app, livemode, lane: endpoint.lane }]));
      return await deliveryAnswer(c, id);
    },
  }),
];
