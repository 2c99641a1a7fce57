// What can be done with a refund once it exists: the channel is asked now, a person takes it in hand, a person ends it.
import * as z from "zod";
import { jsonText, type Route, route } from "../http/registry.ts";
import { errorSchema, plainText } from "../http/wire.ts";
import { claimRefund, resolveRefund, syncRefund } from "./operate-refund.ts";
import { refundSchema } from "./schema.ts";

const PATH = "/v1/charges/:charge/refunds/:refund";
const params = z.object({ charge: z.string(), refund: z.string() });

/** Who takes it in hand, and who had it so far if it is handed over. */
const claimSchema = z.strictObject({ by: plainText(1, 64), from: plainText(1, 64).optional() });
const resolveSchema = z.strictObject({
  outcome: z.enum(["succeeded", "failed"]),
  by: plainText(1, 64),
  reason: plainText(1, 255),
  transaction_no: plainText(1, 64).optional(),
});

export const refundOperationRoutes: Route[] = [
  route({
    method: "POST",
    path: `${PATH}/sync`,
    scope: "refunds:write",
    summary: "Ask the channel about a refund now, also about one that has ended",
    own: true,
    params,
    body: z.strictObject({}),
    answers: { 200: refundSchema, 404: errorSchema },
    async handler({ c, params: reference }) {
      return jsonText(await syncRefund(c.env, c.var.principal, reference));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/claim`,
    scope: "refunds:resolve",
    summary: "Take a refund that needs a person in hand",
    own: true,
    params,
    body: claimSchema,
    answers: { 200: refundSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: reference, body }) {
      return jsonText(await claimRefund(c.env, c.var.principal, reference, body.by, body.from));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/resolve`,
    scope: "refunds:resolve",
    summary: "End a refund that its channel left to a person; the channel is asked once more before",
    own: true,
    params,
    body: resolveSchema,
    answers: { 200: refundSchema, 400: errorSchema, 404: errorSchema, 503: errorSchema },
    async handler({ c, params: reference, body }) {
      const { outcome, by, reason, transaction_no = null } = body;
      return jsonText(
        await resolveRefund(c.env, c.var.principal, reference, { outcome, by, reason }, transaction_no),
      );
    },
  }),
];
