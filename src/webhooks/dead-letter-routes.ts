// Messages that a queue gave up on: listed, and sent again.
import * as z from "zod";
import { database } from "../db/client.ts";
import { cursorOf, cutPage, pageOf, unknownCursor } from "../http/pagination.ts";
import { ProblemError } from "../http/problem.ts";
import { json, type Route, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema } from "../http/wire.ts";
import { isId } from "../ids.ts";
import { findLetterPosition, listLetters } from "./dead-letter-repository.ts";
import { deadLetterListQuery, deadLetterObject, deadLetterSchema } from "./dead-letter-schema.ts";
import { redriveDeadLetter } from "./redrive-dead-letter.ts";

const PATH = "/v1/dead_letters";

export const deadLetterRoutes: Route[] = [
  route({
    method: "GET",
    path: PATH,
    scope: "webhooks",
    summary: "List the messages that a queue gave up on, newest first",
    own: true,
    query: deadLetterListQuery,
    answers: { 200: listSchema(deadLetterSchema), 400: errorSchema },
    async handler({ c, query }) {
      const { app, livemode } = c.var.principal;
      const db = database(c.env, app, livemode);
      const page = pageOf(query);
      const cursor = cursorOf(page);
      const position = cursor === null ? null : await findLetterPosition(db, app, livemode, cursor.id);
      if (cursor !== null && position === null) throw unknownCursor(cursor.param, cursor.id);
      const { items, hasMore } = cutPage(await listLetters(db, app, livemode, page, position), page);
      return json(listObject(PATH, items.map(deadLetterObject), hasMore));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/:dead_letter/redrive`,
    scope: "webhooks",
    summary: "Send the message of a dead letter again; a delivery that has ended stays as it is",
    own: true,
    params: z.object({ dead_letter: z.string() }),
    body: z.strictObject({}),
    answers: { 200: deadLetterSchema, 400: errorSchema, 404: errorSchema, 503: errorSchema },
    async handler({ c, params: { dead_letter: id } }) {
      const { app, livemode } = c.var.principal;
      const letter = isId("deadLetter", id)
        ? await redriveDeadLetter(c.env, app, livemode, id, Date.now())
        : null;
      if (letter === null) throw new ProblemError({ code: "not_found", object: "dead_letter", id });
      return json(deadLetterObject(letter));
    },
  }),
];
