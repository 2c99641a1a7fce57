// What a merchant decides about a refund that has been asked for: to cancel it, to let it go out or not, to say something
// else of it; and what happened to it so far.
import * as z from "zod";
import { waitMsOf } from "../http/prefer.ts";
import { jsonText, type Route, route } from "../http/registry.ts";
import { errorSchema, givenMetadataSchema, listSchema, plainText } from "../http/wire.ts";
import { decideRefund, updateRefund } from "./operate-refund.ts";
import { readTimeline } from "./read-timeline.ts";
import { refundSchema, timelineEntrySchema } from "./schema.ts";

const PATH = "/v1/charges/:charge/refunds/:refund";
const params = z.object({ charge: z.string(), refund: z.string() });
const answers = { 200: refundSchema, 400: errorSchema, 404: errorSchema };
const person = plainText(1, 64);
const reason = plainText(1, 255);

export const refundControlRoutes: Route[] = [
  route({
    method: "POST",
    path: PATH,
    scope: "refunds:write",
    summary:
      "Change a refund's metadata or description; its channel hears of it only before the refund is sent",
    own: true,
    params,
    body: z.strictObject({ metadata: givenMetadataSchema, description: plainText(1, 255).optional() }),
    answers,
    async handler({ c, params: reference, body }) {
      return jsonText(await updateRefund(c.env, c.var.principal, reference, body));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/cancel`,
    scope: "refunds:write",
    summary: "Cancel a refund that has not been sent to its channel",
    own: true,
    params,
    body: z.strictObject({ by: person.optional(), reason: reason.optional() }),
    answers,
    async handler({ c, params: reference, body: { by = null, reason = null } }) {
      const decision = { decision: "cancel", by, reason } as const;
      return jsonText(await decideRefund(c.env, c.var.principal, reference, decision, 0));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/approve`,
    scope: "refunds:approve",
    summary: "Let a refund above the app's limit go out; not with the key that created it",
    own: true,
    params,
    body: z.strictObject({ by: person, reason: reason.optional() }),
    answers: { ...answers, 402: errorSchema },
    async handler({ c, params: reference, body: { by, reason = null } }) {
      const decision = { decision: "approve", by, reason } as const;
      const waitMs = waitMsOf(c.req.header("Prefer"));
      return jsonText(await decideRefund(c.env, c.var.principal, reference, decision, waitMs));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/reject`,
    scope: "refunds:approve",
    summary: "End a refund above the app's limit without sending it; not with the key that created it",
    own: true,
    params,
    body: z.strictObject({ by: person, reason }),
    answers,
    async handler({ c, params: reference, body: { by, reason } }) {
      const decision = { decision: "reject", by, reason } as const;
      return jsonText(await decideRefund(c.env, c.var.principal, reference, decision, 0));
    },
  }),
  route({
    method: "GET",
    path: `${PATH}/timeline`,
    scope: "refunds:read",
    summary: "List what happened to a refund, oldest first",
    own: true,
    params,
    answers: { 200: listSchema(timelineEntrySchema), 404: errorSchema },
    async handler({ c, params: reference }) {
      return jsonText(await readTimeline(c.env, c.var.principal, reference));
    },
  }),
];
