// The keys of an app, administered with a key: made, listed, retrieved, changed, rotated, revoked.
// No key makes, changes or rotates one that is more than itself; revoking is open to every admin key of the mode.
import * as z from "zod";
import { keyDatabase } from "../db/client.ts";
import { cutPage, pageOf, positionOf } from "../http/pagination.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { json, type Route, type RouteContext, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema } from "../http/wire.ts";
import { isId } from "../ids.ts";
import { isListWithin } from "./addresses.ts";
import { getAdministered, refuseBroader, refuseStronger } from "./administer.ts";
import { forgetHashes } from "./authenticate.ts";
import {
  addKeyRow,
  changeKeyRow,
  findKeyRow,
  KEYS_MAX,
  type KeyChange,
  listKeyRows,
  replaceKeyRow,
  revokeKeyRow,
} from "./key-repository.ts";
import {
  createKeySchema,
  keyListQuery,
  keyObject,
  keySchema,
  rotateKeySchema,
  updateKeySchema,
} from "./key-schema.ts";
import { type KeyRow, mintKeyRow } from "./mint.ts";
import { SCOPES } from "./scope.ts";

const PATH = "/v1/apps/:app/keys";
const appParams = z.object({ app: z.string() });
const keyParams = z.object({ app: z.string(), key: z.string() });

type Context = RouteContext<unknown, unknown, unknown>["c"];

const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
const seconds = () => Math.floor(Date.now() / 1000);

export const keyRoutes: Route[] = [
  route({
    method: "GET",
    path: PATH,
    scope: "admin",
    summary: "List an app's API keys, newest first; a test key sees the test keys",
    own: true,
    params: appParams,
    query: keyListQuery,
    answers: { 200: listSchema(keySchema), 400: errorSchema, 404: errorSchema },
    async handler({ c, params, query }) {
      const { principal } = c.var;
      const { id: app } = await getAdministered(c.env, principal, params.app);
      const db = keyDatabase(c.env);
      const page = pageOf(query);
      const position = await positionOf(page, (id) => findKeyRow(db, app, principal.livemode, id));
      const { items, hasMore } = cutPage(
        await listKeyRows(db, app, principal.livemode, page, position),
        page,
      );
      const objects = items.map((row) => keyObject(row));
      return json(listObject(`/v1/apps/${app}/keys`, objects, hasMore));
    },
  }),
  route({
    method: "POST",
    path: PATH,
    scope: "admin",
    summary: "Create an API key; the key itself is shown in this answer only",
    own: true,
    params: appParams,
    body: createKeySchema,
    answers: { 200: keySchema, 400: errorSchema, 401: errorSchema, 404: errorSchema },
    async handler({ c, params, body }) {
      const { principal } = c.var;
      const { id: app } = await getAdministered(c.env, principal, params.app);
      const now = seconds();
      const wish = {
        name: body.name,
        livemode: body.livemode ?? principal.livemode,
        scopes: SCOPES.filter((scope) => body.scopes.includes(scope)),
        expiresAt: body.expires_at ?? principal.expiresAt,
        allowedIps: body.allowed_ips ?? (principal.allowedIps === null ? null : [...principal.allowedIps]),
        createdBy: principal.apiKey,
      };
      refuseBroader(principal, wish);
      if (wish.expiresAt !== null && wish.expiresAt <= now) throw isPast();
      const { key, row } = await mintKeyRow(app, wish, { random, now });
      if (!(await addKeyRow(keyDatabase(c.env), row, now))) throw isFull();
      return json(keyObject(row, key));
    },
  }),
  route({
    method: "GET",
    path: `${PATH}/:key`,
    scope: "admin",
    summary: "Retrieve an API key, without the key itself",
    own: true,
    params: keyParams,
    answers: { 200: keySchema, 404: errorSchema },
    async handler({ c, params }) {
      return json(keyObject(await getKey(c, params)));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/:key`,
    scope: "admin",
    summary: "Update an API key: its name, where it may be used from, or an earlier end",
    own: true,
    params: keyParams,
    body: updateKeySchema,
    answers: { 200: keySchema, 400: errorSchema, 401: errorSchema, 404: errorSchema },
    async handler({ c, params, body }) {
      const { principal } = c.var;
      const key = await getKey(c, params);
      refuseStronger(principal, key);
      const { name, expires_at: expiresAt, allowed_ips: allowedIps } = body;
      if (allowedIps !== undefined) {
        // To close one that lasts longer is no more than to revoke it; to open it is.
        const opens = !isListWithin(allowedIps, key.allowedIps);
        const lasts = opens ? (expiresAt ?? key.expiresAt) : principal.expiresAt;
        refuseBroader(principal, { ...key, expiresAt: lasts, allowedIps });
      }
      const now = seconds();
      if (expiresAt !== undefined && expiresAt <= now) throw isPast();
      if (expiresAt !== undefined && key.expiresAt !== null && expiresAt > key.expiresAt) {
        throw invalid("expires_at", "只能提前，不能推迟", "it can only become earlier");
      }
      const change: KeyChange = {
        ...(name === undefined ? {} : { name }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
        ...(allowedIps === undefined ? {} : { allowedIps }),
      };
      const changed = await changeKeyRow(keyDatabase(c.env), key, change, now);
      if (changed === null) throw new ProblemError({ code: "key_ended", key: key.id });
      forgetHashes([key.hash]);
      return json(keyObject(changed));
    },
  }),
  route({
    method: "DELETE",
    path: `${PATH}/:key`,
    scope: "admin",
    summary: "Revoke an API key, which ends within 33 seconds everywhere",
    own: true,
    params: keyParams,
    body: z.strictObject({}),
    answers: { 200: keySchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params }) {
      const key = await getKey(c, params);
      const revoked = await revokeKeyRow(keyDatabase(c.env), key, seconds());
      if (revoked === null) throw notFound(key.id);
      forgetHashes([key.hash]);
      return json(keyObject(revoked));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/:key/rotate`,
    scope: "admin",
    summary: "Replace an API key by a new one like it; the old one works for a while yet",
    own: true,
    params: keyParams,
    body: rotateKeySchema,
    answers: { 200: keySchema, 400: errorSchema, 401: errorSchema, 404: errorSchema },
    async handler({ c, params, body }) {
      const { principal } = c.var;
      const old = await getKey(c, params);
      refuseBroader(principal, old);
      const now = seconds();
      const minted = await mintKeyRow(old.app, { ...old, createdBy: principal.apiKey }, { random, now });
      const outcome = await replaceKeyRow(keyDatabase(c.env), old, minted.row, now + body.expires_in, now);
      if (outcome === "ended") throw new ProblemError({ code: "key_ended", key: old.id });
      if (outcome === "full") throw isFull();
      forgetHashes([old.hash]);
      return json(keyObject(minted.row, minted.key));
    },
  }),
];

/** The key that a path names. Throws the problem that there is none, also for a live key when a test key asks. */
async function getKey(c: Context, params: { app: string; key: string }): Promise<KeyRow> {
  const { principal } = c.var;
  const { id: app } = await getAdministered(c.env, principal, params.app);
  const key = isId("apiKey", params.key)
    ? await findKeyRow(keyDatabase(c.env), app, principal.livemode, params.key)
    : null;
  if (key === null) throw notFound(params.key);
  return key;
}

const notFound = (id: string) => new ProblemError({ code: "not_found", object: "api_key", id });
const isFull = () => new ProblemError({ code: "key_limit", limit: KEYS_MAX });
const isPast = () => invalid("expires_at", "必须晚于现在", "it must be in the future");
