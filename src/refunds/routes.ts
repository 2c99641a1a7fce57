import * as z from "zod";
import { readCharge } from "../charges/read-charge.ts";
import { pageOf, pageQuery, unknownCursor } from "../http/pagination.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { jsonText, type Route, route } from "../http/registry.ts";
import { errorSchema, listSchema } from "../http/wire.ts";
import { createRefund } from "./create-refund.ts";
import { readRefund } from "./read-refund.ts";
import { ATTENTIONS } from "./refund.ts";
import { readRefundRequest } from "./refund-request.ts";
import { createRefundSchema, refundSchema } from "./schema.ts";

const ofCharge = z.object({ charge: z.string() });
const ofRefund = z.object({ charge: z.string(), refund: z.string() });
const KNOWN_FIELDS = new Set(Object.keys(createRefundSchema.shape));

export const refundRoutes: Route[] = [
  route({
    method: "POST",
    path: "/v1/charges/:charge/refunds",
    scope: "refunds:write",
    summary: "Create a refund",
    params: ofCharge,
    body: createRefundSchema,
    answers: { 200: refundSchema, 400: errorSchema, 402: errorSchema, 404: errorSchema },
    async handler({ c, params: { charge }, body }) {
      if (body.amount === undefined) refuseUnknownFields(c.get("body"));
      const request = readRefundRequest(c, charge, body);
      const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
      const { refund, replayed } = await createRefund(c.env, c.get("principal"), request, random);
      return jsonText(refund, replayed === false ? {} : { "Idempotent-Replayed": String(replayed) });
    },
  }),
  route({
    method: "GET",
    path: "/v1/charges/:charge/refunds",
    scope: "refunds:read",
    summary: "List the refunds of a charge, newest first",
    params: ofCharge,
    // The app's setting is the maximum that counts; it is known when the handler runs.
    query: z.object({ ...pageQuery(999_999_999, 10), attention: z.enum(["any", ...ATTENTIONS]).optional() }),
    answers: { 200: listSchema(refundSchema), 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { charge }, query }) {
      const max = c.get("principal").settings.list_limit_max;
      // A smaller maximum than the default must not refuse whoever asks for no limit.
      const limit = c.req.query("limit") === undefined ? Math.min(query.limit, max) : query.limit;
      if (limit > max) throw invalid("limit", `不能大于 ${max}`, `it must be at most ${max}`);
      const { attention } = query;
      const page = { ...pageOf({ ...query, limit }), ...(attention === undefined ? {} : { attention }) };
      const answer = await readCharge(c.env, c.get("principal"), charge, { kind: "page", page });
      if ("ok" in answer) return jsonText(answer.ok);
      const cursor = answer.missing === "ending_before" ? page.endingBefore : page.startingAfter;
      throw unknownCursor(answer.missing, cursor ?? "");
    },
  }),
  route({
    method: "GET",
    path: "/v1/charges/:charge/refunds/:refund",
    scope: "refunds:read",
    summary: "Retrieve a refund",
    params: ofRefund,
    answers: { 200: refundSchema, 404: errorSchema },
    async handler({ c, params }) {
      return jsonText(await readRefund(c.env, c.get("principal"), params));
    },
  }),
];

/** Without an amount a misspelt `amout` would refund everything. */
function refuseUnknownFields(body: Record<string, unknown>): void {
  const unknown = Object.keys(body).find((field) => !KNOWN_FIELDS.has(field));
  if (unknown !== undefined) throw new ProblemError({ code: "unknown_parameter", param: unknown });
}
