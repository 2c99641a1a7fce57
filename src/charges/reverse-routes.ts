import * as z from "zod";
import { jsonText, type Route, route } from "../http/registry.ts";
import { errorSchema, metadataSchema, plainText } from "../http/wire.ts";
import { readRefundRequest } from "../refunds/refund-request.ts";
import { REVERSAL, reverseCharge } from "./reverse-charge.ts";
import { chargeSchema } from "./schema.ts";

export const reverseRoutes: Route[] = [
  route({
    method: "POST",
    path: "/v1/charges/:charge/reverse",
    scope: "refunds:write",
    summary: "Reverse a charge: the whole payment goes back; refused if anything of it is held",
    params: z.object({ charge: z.string() }),
    body: z.strictObject({ description: plainText(1, 255).default(REVERSAL), metadata: metadataSchema }),
    answers: { 200: chargeSchema, 400: errorSchema, 402: errorSchema, 404: errorSchema },
    async handler({ c, params: { charge }, body }) {
      const request = readRefundRequest(c, charge, { ...body, extra: {} });
      const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
      const reversed = await reverseCharge(c.env, c.var.principal, request, random);
      return jsonText(reversed.charge, reversed.replayed ? { "Idempotent-Replayed": "true" } : {});
    },
  }),
];
