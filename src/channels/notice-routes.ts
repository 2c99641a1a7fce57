// Where channels reach us. No key: the tag in the address keeps guesses cheap, and the signature decides.
import { Hono } from "hono";
import { readBody } from "../http/decode-body.ts";
import { ProblemError } from "../http/problem.ts";
import type { AppEnv } from "../http/registry.ts";
import { respond } from "../http/respond.ts";

const MODES: Readonly<Record<string, boolean>> = { live: true, test: false };

export const noticeRoutes = new Hono<AppEnv>();

noticeRoutes.on("POST", ["/:channel/:app/:mode/:charge/:tag", "/:channel/:app/:mode/:tag"], async (c) => {
  const { channel = "", app = "", mode = "", charge, tag = "" } = c.req.param() as Record<string, string>;
  const livemode = Object.hasOwn(MODES, mode) ? MODES[mode] : undefined;
  const nowhere = () => new ProblemError({ code: "no_such_route", path: c.req.path });
  if (livemode === undefined) throw nowhere();
  const body = await readBody(c.req.raw);
  const notice = { headers: c.req.raw.headers, body };
  const path = { channel, app, livemode, ...(charge === undefined ? {} : { charge }) };
  const { receiveNotice } = await import("./receive-notice.ts");
  const answer = await receiveNotice(c.env, path, tag, notice, Date.now());
  if (answer === null) throw nowhere();
  const { status, body: text, contentType = "application/json" } = answer;
  return respond(c, { body: text, status, headers: text === null ? {} : { "Content-Type": contentType } });
});
