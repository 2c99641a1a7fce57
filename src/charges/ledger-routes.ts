// The routes of operators: for a ledger that was lost or contradicted, a database that belongs to other ledgers, and one
// that has forgotten what its ledgers know.
import * as z from "zod";
import { findAdministered } from "../apps/repository.ts";
import { forgetKey } from "../auth/authenticate.ts";
import { database, keyDatabase } from "../db/client.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { json, jsonText, type Route, route } from "../http/registry.ts";
import { errorSchema, listObject, listSchema, plainText } from "../http/wire.ts";
import { log } from "../log.ts";
import { ledgerFingerprint } from "./ledger-namespace.ts";
import { adoptCharge, exportLedger, rebuildCharges, rebuildLedgers } from "./operate-ledgers.ts";
import { adoptLedgerNamespace } from "./repository.ts";
import { chargeSchema } from "./schema.ts";

const params = z.object({ charge: z.string() });
const adoptSchema = z.strictObject({ by: plainText(1, 64), reason: plainText(1, 255) });

const namespaceSchema = z.object({
  object: z.literal("ledger_namespace"),
  fingerprint: z.string(),
  adopted: z.literal(true),
});
const ledgerSchema = z.object({
  object: z.literal("ledger"),
  source: z.enum(["ledger", "database"]),
  charge: z.looseObject({ id: z.string() }),
  freeze: z.enum(["conflict", "lost"]).nullable(),
  adoptions: z.array(z.looseObject({ by: z.string(), reason: z.string() })),
  refunds: z.array(z.looseObject({ id: z.string() })),
  undelivered: z.array(z.string()),
});
const rebuiltSchema = z.object({
  ledger: z.string().optional(),
  charge: z.string().nullable(),
  status: z.enum(["told", "not_found", "unavailable"]),
});

const named = z.array(z.string().max(64)).min(1).max(20).optional();
const rebuildSchema = z.strictObject({ charges: named, ledgers: named });

export const ledgerRoutes: Route[] = [
  route({
    method: "POST",
    path: "/v1/charges/:charge/adopt",
    scope: "admin",
    summary: "Lift the freeze of a charge whose ledger was lost, or whose channel contradicted it",
    own: true,
    params,
    body: adoptSchema,
    answers: { 200: chargeSchema, 400: errorSchema, 404: errorSchema, 503: errorSchema },
    async handler({ c, params: { charge }, body }) {
      return jsonText(
        await adoptCharge(c.env, c.var.principal, charge, { ...body, request: c.var.requestId }),
      );
    },
  }),
  route({
    method: "GET",
    path: "/v1/charges/:charge/ledger",
    scope: "admin",
    summary: "Read the whole book of a charge",
    own: true,
    params,
    answers: { 200: ledgerSchema, 404: errorSchema },
    async handler({ c, params: { charge } }) {
      return json(await exportLedger(c.env, c.var.principal, charge));
    },
  }),
  route({
    method: "POST",
    path: "/v1/ledgers/adopt",
    scope: "admin",
    summary: "Have this database belong to this deployment's ledgers, so that live money moves again",
    own: true,
    foreign: true,
    body: adoptSchema,
    answers: { 200: namespaceSchema, 400: errorSchema },
    async handler({ c, body: { by, reason } }) {
      const { app, livemode, apiKey } = c.var.principal;
      if (!livemode) {
        throw invalid(
          "livemode",
          "仅适用于 live 模式",
          "only live mode stops for another deployment's ledgers",
        );
      }
      if ((await findAdministered(keyDatabase(c.env), app, app))?.parent !== null) {
        throw invalid(
          "app",
          "仅适用于由运维人员创建的 app",
          "the database is every app's: only an app that an operator made may adopt it",
        );
      }
      const fingerprint = ledgerFingerprint(c.env);
      await adoptLedgerNamespace(database(c.env, app, livemode), fingerprint);
      log("warn", { alert: "namespace_adopted", app, apiKey, by, reason });
      await forgetKey(c.req.raw);
      return json({ object: "ledger_namespace", fingerprint, adopted: true });
    },
  }),
  route({
    method: "POST",
    path: "/v1/ledgers/rebuild",
    scope: "admin",
    summary: "Have ledgers tell the database everything again",
    own: true,
    body: rebuildSchema,
    answers: { 200: listSchema(rebuiltSchema), 400: errorSchema },
    async handler({ c, body: { charges, ledgers } }) {
      if ((charges === undefined) === (ledgers === undefined)) {
        throw invalid("charges", "charges 与 ledgers 必须且只能提供一个", "give either charges or ledgers");
      }
      const rebuilt =
        charges !== undefined
          ? await rebuildCharges(c.env, c.var.principal, charges)
          : await rebuildLedgers(c.env, c.var.principal, ledgers ?? []);
      if (rebuilt.every(({ status }) => status === "unavailable")) {
        throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
      }
      return json(listObject("/v1/ledgers/rebuild", rebuilt, false));
    },
  }),
];
