// Disputes of a charge, told by the merchant; those that a channel tells by itself take the same way.
import * as z from "zod";
import { isChargeId } from "../charges/charge.ts";
import { ProblemError } from "../http/problem.ts";
import { json, type Route, route } from "../http/registry.ts";
import { errorSchema } from "../http/wire.ts";
import { DISPUTE_STATUSES } from "./dispute.ts";
import { recordDispute } from "./record-dispute.ts";

/** The channel's id of the dispute. */
const disputeId = z.string().regex(/^[\x21-\x7e]{1,64}$/);

const disputeSchema = z.strictObject({
  id: disputeId,
  status: z.enum(DISPUTE_STATUSES),
  /** May be left out of one that is known. */
  amount: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
});

export const disputeObjectSchema = z.object({
  id: z.string(),
  object: z.literal("dispute"),
  charge: z.string(),
  status: z.enum(DISPUTE_STATUSES),
  amount: z.int(),
  updated: z.int(),
  amount_refundable: z.int(),
});

export const disputeRoutes: Route[] = [
  route({
    method: "POST",
    path: "/v1/charges/:charge/disputes",
    scope: "charges:write",
    summary: "Tell that a charge is disputed, or how a dispute ended",
    own: true,
    params: z.object({ charge: z.string() }),
    body: disputeSchema,
    answers: { 200: disputeObjectSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { charge }, body }) {
      const { app, livemode } = c.var.principal;
      const known = isChargeId(charge) ? await recordDispute(c.env, { app, livemode, charge }, body) : null;
      if (known === null) throw new ProblemError({ code: "not_found", object: "charge", id: charge });
      const { dispute, refundable } = known;
      return json({
        id: body.id,
        object: "dispute",
        charge,
        status: dispute.status,
        amount: dispute.amount,
        updated: dispute.at,
        amount_refundable: refundable,
      });
    },
  }),
];
