// Notices that channels signed and that no refund here fits, for a person to look at.
import * as z from "zod";
import { database } from "../db/client.ts";
import { cursorOf, cutPage, pageOf, pageQuery, unknownCursor } from "../http/pagination.ts";
import { json, type Route, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema } from "../http/wire.ts";
import { findOrphanPosition, listOrphans } from "./repository.ts";
import { orphanObject, orphanSchema } from "./schema.ts";

const PATH = "/v1/orphan_notices";

export const orphanRoutes: Route[] = [
  route({
    method: "GET",
    path: PATH,
    scope: "channels",
    summary: "List the channels' notices about refunds that nobody here knows, newest first",
    own: true,
    query: z.object({ ...pageQuery(100, 10) }),
    answers: { 200: listSchema(orphanSchema), 400: errorSchema },
    async handler({ c, query }) {
      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      const page = pageOf(query);
      const cursor = cursorOf(page);
      const position = cursor === null ? null : await findOrphanPosition(db, app, livemode, cursor.id);
      if (cursor !== null && position === null) throw unknownCursor(cursor.param, cursor.id);
      const { items, hasMore } = cutPage(await listOrphans(db, app, livemode, page, position), page);
      return json(listObject(PATH, items.map(orphanObject), hasMore));
    },
  }),
];
