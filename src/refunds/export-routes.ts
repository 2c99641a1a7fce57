// Exports are sent while they are made. What is wrong with one is said before it begins; what goes wrong later cuts the
// transfer off, so that a part is never taken for the whole.
import * as z from "zod";
import { database } from "../db/client.ts";
import { unknownCursor } from "../http/pagination.ts";
import { type Route, route } from "../http/registry.ts";
import { errorSchema } from "../http/wire.ts";
import { isId } from "../ids.ts";
import { log, nameOf } from "../log.ts";
import { sortOf } from "../search/query.ts";
import type { Format } from "./export-format.ts";
import { exportRefunds } from "./export-refunds.ts";
import { exportQuery, refuseUnknownNames } from "./export-schema.ts";
import { begun, streamOf } from "./export-stream.ts";
import { findRefundPosition, findRefundsBehind, planRefunds } from "./search.ts";
import { refundFilterOf } from "./search-query.ts";

const MEDIA_TYPES: Record<Format, string> = {
  ndjson: "application/x-ndjson; charset=utf-8",
  csv: "text/csv; charset=utf-8; header=present",
};

export const refundExportRoutes: Route[] = [
  route({
    method: "GET",
    path: "/v1/refunds/export",
    scope: "export",
    summary: "Export the refunds of a search as NDJSON or CSV, oldest first",
    own: true,
    query: exportQuery,
    // A text of lines, and not JSON.
    answers: { 200: z.string(), 400: errorSchema },
    async handler({ c, query }) {
      const raw = c.req.queries();
      refuseUnknownNames(raw);
      const filter = refundFilterOf(query, raw);
      const { format, limit, starting_after: cursor } = query;
      const headers = {
        "Content-Type": MEDIA_TYPES[format],
        "Content-Disposition": `attachment; filename="refunds-${stamp(Date.now())}.${format}"`,
      };
      if (c.req.raw.method === "HEAD") return { body: null, headers };

      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      const position =
        cursor !== undefined && isId("refund", cursor)
          ? await findRefundPosition(db, app, livemode, cursor)
          : null;
      if (cursor !== undefined && position === null) throw unknownCursor("starting_after", cursor);
      const sort = sortOf(query);
      const plan = await planRefunds(db, app, livemode, filter, sort);
      const pieces = exportRefunds((behind, most) => findRefundsBehind(db, app, plan, behind, most), {
        format,
        bom: query.bom === "true",
        limit,
        position,
      });
      const { requestId } = c.var;
      const body = streamOf(await begun(pieces), (error) => {
        log("error", { request: requestId, failure: "export", error: nameOf(error) });
      });
      return { body, headers };
    },
  }),
];

/** `20261123T070000Z`. */
function stamp(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d+/g, "");
}
