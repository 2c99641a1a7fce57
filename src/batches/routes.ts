import * as z from "zod";
import { database } from "../db/client.ts";
import { createdRangeOf, cursorOf, cutPage, pageOf, unknownCursor } from "../http/pagination.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { json, type Route, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema } from "../http/wire.ts";
import { isId } from "../ids.ts";
import { wakeCommands } from "../reconciliation/wake-commands.ts";
import { BATCH_MAX } from "./batch.ts";
import { createBatch } from "./create-batch.ts";
import { findBatch, findMade, listBatches } from "./repository.ts";
import { batchListQuery, batchObject, batchSchema, createBatchSchema, LISTED_REFUNDS } from "./schema.ts";

const PATH = "/v1/batch_refunds";
const KNOWN_FIELDS = new Set(Object.keys(createBatchSchema.shape));

export const batchRoutes: Route[] = [
  route({
    method: "POST",
    path: PATH,
    scope: "refunds:write",
    summary: "Refund up to a hundred charges under one number",
    body: createBatchSchema,
    answers: { 200: batchSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, body }) {
      const { app, livemode } = c.var.principal;
      const givenApp = typeof body.app === "string" ? body.app : body.app?.id;
      if (givenApp !== undefined && givenApp !== app) {
        throw invalid("app", "与 API KEY 所属的应用不符", "it is not the app of this API key");
      }
      if (body.charges.some(({ amount }) => amount === undefined)) refuseUnknownFields(c.var.body);
      const { batch, replayed } = await createBatch(c.env, c.var.principal, {
        body,
        language: c.var.language,
        requestId: c.var.requestId,
        requestedAt: Date.now(),
      });
      if (!replayed) {
        const commands = batch.items.map(({ refund }) => ({ app, livemode, refund }));
        // Nobody waits for the queue: the cron finds what it does not wake.
        c.executionCtx.waitUntil(wakeCommands(c.env, commands));
        return json(batchObject(batch, []));
      }
      const made = await findMade(database(c.env, app, livemode), app, livemode, [batch], BATCH_MAX);
      return json(batchObject(batch, made.get(batch.id) ?? []), { "Idempotent-Replayed": "true" });
    },
  }),
  route({
    method: "GET",
    path: `${PATH}/:batch`,
    scope: "refunds:read",
    summary: "Retrieve a batch with all its refunds",
    params: z.object({ batch: z.string() }),
    answers: { 200: batchSchema, 404: errorSchema },
    async handler({ c, params: { batch: id } }) {
      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      // A guess is refused before it costs a query.
      const batch = isId("batch", id) ? await findBatch(db, { app, livemode, id }) : undefined;
      if (batch === undefined) throw new ProblemError({ code: "not_found", object: "batch_refund", id });
      const made = await findMade(db, app, livemode, [batch], BATCH_MAX);
      return json(batchObject(batch, made.get(id) ?? []));
    },
  }),
  route({
    method: "GET",
    path: PATH,
    scope: "refunds:read",
    summary:
      "List batches, newest first, each with its first refunds; by cursor, or by page as Ping++ counts them",
    query: batchListQuery,
    answers: { 200: listSchema(batchSchema), 400: errorSchema },
    async handler({ c, query }) {
      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      const page = pageOf({ ...query, limit: query.per_page ?? query.limit });
      const cursor = cursorOf(page);
      if (cursor !== null && query.page !== undefined) {
        throw invalid(
          "page",
          `不能与 ${cursor.param} 同时使用`,
          `give either page or ${cursor.param}, not both`,
        );
      }
      const position = cursor === null ? null : await findBatch(db, { app, livemode, id: cursor.id });
      if (cursor !== null && position == null) throw unknownCursor(cursor.param, cursor.id);
      const offset = ((query.page ?? 1) - 1) * page.limit;
      const range = createdRangeOf(query);
      const nearest = await listBatches(db, app, livemode, page, position ?? null, range, offset);
      const { items, hasMore } = cutPage(nearest, page);
      const made = await findMade(db, app, livemode, items, LISTED_REFUNDS);
      const objects = items.map((batch) => batchObject(batch, made.get(batch.id) ?? [], LISTED_REFUNDS));
      return json(listObject(PATH, objects, hasMore));
    },
  }),
];

/** Beside charges whose amount is left out, a misplaced `amount` would refund everything. */
function refuseUnknownFields(body: Record<string, unknown>): void {
  const unknown = Object.keys(body).find((field) => !KNOWN_FIELDS.has(field));
  if (unknown !== undefined) throw new ProblemError({ code: "unknown_parameter", param: unknown });
}
