// Apps, administered with a key: its own app, and those it makes, whose keys and settings it then administers. What
// they own (charges, refunds, endpoints) is theirs alone.
import * as z from "zod";
import { getAdministered, requireLiveKey } from "../auth/administer.ts";
import { forgetHashes } from "../auth/authenticate.ts";
import { hashesOf } from "../auth/key-repository.ts";
import { mintApp } from "../auth/mint.ts";
import { importPublicKey } from "../auth/request-signature.ts";
import { keyDatabase } from "../db/client.ts";
import { cutPage, pageOf, positionOf } from "../http/pagination.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { json, type Route, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema } from "../http/wire.ts";
import {
  appListQuery,
  appObject,
  appSchema,
  createAppSchema,
  createdAppObject,
  createdAppSchema,
  updateAppSchema,
} from "./app-schema.ts";
import { addApp, changeApp, findAdministered, listAdministered } from "./repository.ts";
import { DEFAULT_SETTINGS } from "./schema.ts";

const PATH = "/v1/apps";
const params = z.object({ app: z.string() });

const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));

export const appRoutes: Route[] = [
  route({
    method: "GET",
    path: PATH,
    scope: "admin",
    summary: "List this app and the apps it has made, newest first",
    own: true,
    query: appListQuery,
    answers: { 200: listSchema(appSchema), 400: errorSchema },
    async handler({ c, query }) {
      const { app } = c.var.principal;
      const db = keyDatabase(c.env);
      const page = pageOf(query);
      const position = await positionOf(page, (id) => findAdministered(db, app, id));
      const { items, hasMore } = cutPage(await listAdministered(db, app, page, position), page);
      return json(listObject(PATH, items.map(appObject), hasMore));
    },
  }),
  route({
    method: "POST",
    path: PATH,
    scope: "admin",
    summary: "Create an app; its first keys are shown in this answer only",
    own: true,
    body: createAppSchema,
    answers: { 200: createdAppSchema, 400: errorSchema, 401: errorSchema },
    async handler({ c, body }) {
      const { principal } = c.var;
      requireLiveKey(principal);
      await checkPublicKey(body.settings);
      const firstKeys = {
        scopes: principal.scopes,
        expiresAt: principal.expiresAt,
        allowedIps: principal.allowedIps,
        createdBy: principal.apiKey,
      };
      const now = Math.floor(Date.now() / 1000);
      const minted = await mintApp(
        { name: body.name, settings: onlyChanges(body.settings), parent: principal.app },
        firstKeys,
        c.env.MASTER_KEYS,
        { random, now },
      );
      await addApp(keyDatabase(c.env), minted);
      return json(createdAppObject(minted));
    },
  }),
  route({
    method: "GET",
    path: `${PATH}/:app`,
    scope: "admin",
    summary: "Retrieve an app with all its settings, defaults filled in",
    own: true,
    params,
    answers: { 200: appSchema, 404: errorSchema },
    async handler({ c, params }) {
      return json(appObject(await getAdministered(c.env, c.var.principal, params.app)));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/:app`,
    scope: "admin",
    summary: "Update an app's name and settings in both modes; a setting of null goes back to its default",
    own: true,
    params,
    body: updateAppSchema,
    answers: { 200: appSchema, 400: errorSchema, 401: errorSchema, 404: errorSchema },
    async handler({ c, params, body }) {
      const { id } = await getAdministered(c.env, c.var.principal, params.app);
      requireLiveKey(c.var.principal);
      await checkPublicKey(body.settings);
      const db = keyDatabase(c.env);
      const changed = await changeApp(db, id, body.name, body.settings);
      if (changed === null) throw new ProblemError({ code: "not_found", object: "app", id });
      forgetHashes(await hashesOf(db, id));
      return json(appObject(changed));
    },
  }),
];

/** An unreadable key on file would let no request pass, the one that mends it included. */
async function checkPublicKey({ public_key: pem }: Record<string, unknown>): Promise<void> {
  if (typeof pem !== "string") return;
  try {
    await importPublicKey(pem);
  } catch {
    throw invalid(
      "public_key",
      "必须是以 BEGIN PUBLIC KEY 开头的 PEM 格式 RSA 公钥",
      "it must be an RSA public key in PEM that begins with BEGIN PUBLIC KEY",
    );
  }
}

/** What differs from the defaults, which is all that is stored. */
function onlyChanges(settings: Readonly<Record<string, unknown>>): Record<string, never> {
  const changes = Object.entries(settings).filter(
    ([name, value]) =>
      value !== null && JSON.stringify(value) !== JSON.stringify(DEFAULT_SETTINGS[name as never]),
  );
  return Object.fromEntries(changes) as Record<string, never>;
}
