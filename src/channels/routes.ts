// The merchant's accounts at channels, in live mode alone: in test mode every channel is the sandbox. Credentials are
// write-only. An account's keys are rotated by a new revision; refunds stay with the revision they were sent with.
import * as z from "zod";
import { forgetKey } from "../auth/authenticate.ts";
import { database } from "../db/client.ts";
import { sleep, within } from "../deadline.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { json, type Route, type RouteContext, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema } from "../http/wire.ts";
import { isId, mintId } from "../ids.ts";
import { seal } from "../sealing/sealing.ts";
import { type AccountCheck, type AccountFacts, CredentialsError } from "./channel.ts";
import { connectorOf, wholeChannel } from "./channels.ts";
import { credentialsContext } from "./connector-ports.ts";
import { notifyUrl } from "./notify-url.ts";
import {
  type AccountRow,
  addAccount,
  addRevision,
  changeAccount,
  findAccountById,
  listAccounts,
  retireAccount,
} from "./repository.ts";
import {
  type AccountObject,
  accountCheckSchema,
  accountObject,
  accountSchema,
  createAccountSchema,
  updateAccountSchema,
} from "./schema.ts";

const PATH = "/v1/channel_accounts";
const params = z.object({ account: z.string() });
const CHECK_TIMEOUT_MS = 15_000;

type Context = RouteContext<unknown, unknown, unknown>["c"];

const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
const seconds = () => Math.floor(Date.now() / 1000);

function mustBeLive(livemode: boolean): void {
  if (!livemode) {
    throw invalid(
      "livemode",
      "测试模式只使用沙箱，不需要渠道账号，请使用 live 密钥",
      "test mode has the sandbox and no accounts; use a live key",
    );
  }
}

async function getAccount(c: Context, id: string): Promise<AccountRow> {
  const { app, livemode } = c.var.principal;
  // A guess is refused before it costs a query.
  const account = isId("channelAccount", id)
    ? await findAccountById(database(c.env, app, livemode), app, livemode, id)
    : null;
  if (account === null) throw new ProblemError({ code: "not_found", object: "channel_account", id });
  return account;
}

async function rendered(c: Context, account: AccountRow): Promise<AccountObject> {
  // The others are told an address with every refund.
  const takesOne = connectorOf(account.channel) === "stripe" && c.env.PUBLIC_URL !== undefined;
  const url = takesOne ? await notifyUrl(c.env.MASTER_KEYS, c.env.PUBLIC_URL ?? "", account, null) : null;
  return accountObject(account, url);
}

/** What the channel's connector finds in the credentials. Throws the problem with them. */
async function factsOf(c: Context, channel: string, credentials: unknown): Promise<AccountFacts> {
  const connector = await wholeChannel(channel, true, c.env);
  if (connector?.readCredentials === undefined) {
    throw invalid("channel", "没有支持该渠道的连接器", "no connector supports this channel");
  }
  try {
    return await connector.readCredentials(credentials);
  } catch (error) {
    if (error instanceof CredentialsError) throw invalid(`credentials[${error.field}]`, ...error.reason);
    throw error;
  }
}

async function sealed(
  c: Context,
  place: Omit<AccountRow, "credentials">,
  credentials: unknown,
): Promise<string> {
  return await seal(c.env.MASTER_KEYS, credentialsContext(place), JSON.stringify(credentials));
}

export const channelAccountRoutes: Route[] = [
  route({
    method: "POST",
    path: PATH,
    scope: "channels",
    summary: "Add an account at a channel; its credentials are never shown",
    own: true,
    body: createAccountSchema,
    answers: { 200: accountSchema, 400: errorSchema },
    async handler({ c, body }) {
      const { app, livemode } = c.var.principal;
      mustBeLive(livemode);
      const { channel, credentials } = body;
      const facts = await factsOf(c, channel, credentials);
      const place = {
        id: mintId("channelAccount", random),
        revision: 1,
        app,
        livemode,
        channel,
        ...facts,
        description: body.description ?? null,
        created: seconds(),
        retiredAt: null,
      };
      const account = { ...place, credentials: await sealed(c, place, credentials) };
      if (!(await addAccount(database(c.env, app, livemode), account))) {
        throw new ProblemError({ code: "channel_account_exists", channel });
      }
      await forgetKey(c.req.raw);
      return json(await rendered(c, account));
    },
  }),
  route({
    method: "GET",
    path: PATH,
    scope: "channels",
    summary: "List the accounts at channels, newest first, retired ones included",
    own: true,
    answers: { 200: listSchema(accountSchema) },
    async handler({ c }) {
      const { app, livemode } = c.var.principal;
      const accounts = await listAccounts(database(c.env, app, livemode), app, livemode);
      const objects = await Promise.all(accounts.map((account) => rendered(c, account)));
      return json(listObject(PATH, objects, false));
    },
  }),
  route({
    method: "GET",
    path: `${PATH}/:account`,
    scope: "channels",
    summary: "Retrieve an account at a channel",
    own: true,
    params,
    answers: { 200: accountSchema, 404: errorSchema },
    async handler({ c, params: { account } }) {
      return json(await rendered(c, await getAccount(c, account)));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/:account`,
    scope: "channels",
    summary: "Rotate an account's credentials: the same merchant, a new revision",
    own: true,
    params,
    body: updateAccountSchema,
    answers: { 200: accountSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { account: id }, body }) {
      const before = await getAccount(c, id);
      if (body.channel !== undefined && body.channel !== before.channel) {
        throw invalid("channel", "账号的渠道不能更改", "the channel of an account never changes");
      }
      if (before.retiredAt !== null) throw new ProblemError({ code: "channel_account_retired", account: id });
      const db = database(c.env, before.app, before.livemode);
      const description = body.description === undefined ? before.description : body.description;
      if (body.credentials === undefined) {
        await changeAccount(db, before, description);
        return json(await rendered(c, { ...before, description }));
      }
      const facts = await factsOf(c, before.channel, body.credentials);
      if (facts.merchant !== before.merchant) {
        throw new ProblemError({ code: "channel_account_merchant", merchant: before.merchant });
      }
      const place = { ...before, ...facts, description, revision: before.revision + 1, created: seconds() };
      const account = { ...place, credentials: await sealed(c, place, body.credentials) };
      if (!(await addRevision(db, before, account))) {
        throw new ProblemError({ code: "unavailable", retryAfterSeconds: 1 });
      }
      await forgetKey(c.req.raw);
      return json(await rendered(c, account));
    },
  }),
  route({
    method: "DELETE",
    path: `${PATH}/:account`,
    scope: "channels",
    summary: "Retire an account: no new refunds go through it, open ones are still asked about",
    own: true,
    params,
    body: z.strictObject({}),
    answers: { 200: accountSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { account: id } }) {
      const account = await getAccount(c, id);
      const { app, livemode } = account;
      await retireAccount(database(c.env, app, livemode), app, livemode, id, seconds());
      await forgetKey(c.req.raw);
      return json(await rendered(c, await getAccount(c, id)));
    },
  }),
  route({
    method: "POST",
    path: `${PATH}/:account/check`,
    scope: "channels",
    summary: "Prove the credentials at the channel without moving money",
    own: true,
    params,
    body: z.strictObject({}),
    answers: { 200: accountCheckSchema, 400: errorSchema, 404: errorSchema },
    async handler({ c, params: { account: id } }) {
      const account = await getAccount(c, id);
      const check = await checkAccount(c, account);
      return json({
        object: "channel_account_check",
        account: id,
        status: check.kind,
        code: check.kind === "refused" ? check.code : null,
        message: check.kind === "refused" || check.kind === "unknown" ? check.words : null,
      });
    },
  }),
];

async function checkAccount(
  c: Context,
  account: AccountRow,
): Promise<AccountCheck | { kind: "unsupported" }> {
  const connector = await wholeChannel(account.channel, account.livemode, c.env);
  if (connector?.check === undefined) return { kind: "unsupported" };
  const signal = new AbortController();
  const outcome = await within(sleep, connector.check(account, Date.now(), signal.signal), CHECK_TIMEOUT_MS);
  if (outcome !== "late") return outcome.done;
  signal.abort();
  return { kind: "unknown", words: "the channel did not answer in time" };
}
