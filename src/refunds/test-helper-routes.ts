import * as z from "zod";
import { FORCED_MOVES, type ForcedMove } from "../channels/sandbox/behaviour.ts";
import { jsonText, type Route, route } from "../http/registry.ts";
import { errorSchema } from "../http/wire.ts";
import { moveRefund } from "./move-refund.ts";
import { refundSchema } from "./schema.ts";

const SUMMARIES: Record<ForcedMove, string> = {
  succeed: "Make a test refund succeed",
  fail: "Make a pending test refund fail",
  reverse: "Make a succeeded test refund fail after all",
  abnormal: "Make a pending test refund need a person",
};

export const testHelperRoutes: Route[] = FORCED_MOVES.map((move) =>
  route({
    method: "POST",
    path: `/v1/test_helpers/refunds/:refund/${move}`,
    scope: "refunds:write",
    summary: SUMMARIES[move],
    own: true,
    params: z.object({ refund: z.string() }),
    body: z.strictObject({}),
    answers: { 200: refundSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { refund } }) {
      return jsonText(await moveRefund(c.env, c.var.principal, refund, move));
    },
  }),
);
