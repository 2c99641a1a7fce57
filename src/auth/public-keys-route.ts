// The public halves of the RSA pairs that sign this app's webhooks and answers, newest first.
import { and, desc, eq } from "drizzle-orm";
import * as z from "zod";
import { database } from "../db/client.ts";
import { json, type Route, route } from "../http/registry.ts";
import { listObject, listSchema } from "../http/wire.ts";
import { signingKeys } from "./table.ts";

export const publicKeySchema = z.object({
  id: z.string(),
  object: z.literal("public_key"),
  public_key: z.string(),
  livemode: z.boolean(),
  created: z.int(),
});

export const publicKeyRoutes: Route[] = [
  route({
    method: "GET",
    path: "/v1/public_keys",
    scope: "refunds:read",
    summary: "List the public keys that verify webhooks and answers",
    own: true,
    answers: { 200: listSchema(publicKeySchema) },
    async handler({ c }) {
      const { app, livemode } = c.var.principal;
      const keys = await database(c.env, app, livemode)
        .select()
        .from(signingKeys)
        .where(and(eq(signingKeys.app, app), eq(signingKeys.livemode, livemode)))
        .orderBy(desc(signingKeys.created), desc(signingKeys.id));
      const objects = keys.map((key) => ({
        id: key.id,
        object: "public_key" as const,
        public_key: key.publicKey,
        livemode: key.livemode,
        created: key.created,
      }));
      return json(listObject("/v1/public_keys", objects, false));
    },
  }),
];
