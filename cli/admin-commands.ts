// apps, keys and settings, with an admin key. The first one comes from `npm run keys -- create-key`.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { type Context, segment, wholeNumber } from "./context.ts";
import { UsageError } from "./outcome.ts";
import { isoTime, type Json, printList, printObject } from "./output.ts";

const APP = ["id", "name", "parent", "created"];
const KEY = [
  "id",
  "livemode",
  "name",
  "created",
  "expires_at",
  "revoked_at",
  "last_used_at",
  "allowed_ips",
  "scopes",
];
const PAGE_MAX = "100";

interface App extends Json {
  settings: Json;
}
type List = Json & { data: Json[] };

const appPath = (app: string) => `/v1/apps/${segment(app)}`;
const keyPath = (app: string, key = "") => `${appPath(app)}/keys${key === "" ? "" : `/${segment(key)}`}`;
const words = (list: string) => list.split(",").map((word) => word.trim());

export function addAdminCommands(program: Command, context: Context): void {
  addApps(program.command("apps").description("apps: list, create, get (admin key)"), context);
  addKeys(program.command("keys").description("API keys: list, create, rotate, revoke (admin key)"), context);
  addSettings(program.command("settings").description("an app's settings: get, set (admin key)"), context);
}

function addApps(apps: Command, context: Context): void {
  apps
    .command("list")
    .description("your app and those it made")
    .option("--starting-after <app>", "the page after this one")
    .action(async ({ startingAfter: starting_after }: { startingAfter?: string }) => {
      const query = { limit: PAGE_MAX, starting_after };
      const list = await context.client().call<List>({ path: "/v1/apps", query });
      printList(context.isJson(), list, list.data, APP);
    });
  apps
    .command("create <name>")
    .description("a new app with a test key and a live key, shown this once")
    .action(async (name: string) => {
      const call = {
        method: "POST",
        path: "/v1/apps",
        body: { name },
        whenLost: { lookWith: "apps list" },
      } as const;
      const app = await context.client().call<Json>(call);
      const [test, live] = [app.test_key as Json, app.live_key as Json];
      if (context.isJson()) printObject(true, app);
      else
        printObject(false, { ...app, test_key: test.key, live_key: live.key }, [
          ...APP,
          "test_key",
          "live_key",
        ]);
    });
  apps
    .command("get <app>")
    .description("an app")
    .action(async (app: string) => {
      printObject(context.isJson(), await context.client().call<Json>({ path: appPath(app) }), APP);
    });
}

interface NewKey {
  name: string;
  scopes: string;
  mode?: string;
  expiresAt?: number;
  allowedIps?: string;
}

function addKeys(keys: Command, context: Context): void {
  keys
    .command("list <app>")
    .description("the keys of an app")
    .option("--starting-after <key>", "the page after this one")
    .action(async (app: string, { startingAfter: starting_after }: { startingAfter?: string }) => {
      const query = { limit: PAGE_MAX, starting_after };
      const list = await context.client().call<List>({ path: keyPath(app), query });
      printList(context.isJson(), list, list.data, KEY);
    });
  keys
    .command("create <app>")
    .description("a new key, shown this once; it can do no more than the key that makes it")
    .requiredOption("--name <text>", "what it is for")
    .requiredOption("--scopes <scopes>", "with commas, such as refunds:read,refunds:write")
    .option("--mode <mode>", "test or live; by default the mode of your key")
    .option("--expires-at <seconds>", "Unix seconds", wholeNumber("--expires-at", 1, 253_402_300_799))
    .option("--allowed-ips <ranges>", "addresses and ranges it may be used from, with commas")
    .action(async (app: string, options: NewKey) => {
      const { name, scopes, mode, expiresAt: expires_at, allowedIps } = options;
      if (mode !== undefined && mode !== "test" && mode !== "live")
        throw new UsageError("--mode: test or live");
      const body = {
        name,
        scopes: words(scopes),
        livemode: mode === undefined ? undefined : mode === "live",
        expires_at,
        allowed_ips: allowedIps === undefined ? undefined : words(allowedIps),
      };
      const whenLost = { lookWith: `keys list ${app}` };
      const call = { method: "POST", path: keyPath(app), body, whenLost } as const;
      const key = await context.client().call<Json>(call);
      printObject(context.isJson(), key, ["key", ...KEY]);
    });
  keys
    .command("rotate <app> <key>")
    .description("a new key in place of another, which goes on for a while")
    .option(
      "--expires-in <seconds>",
      "how long the old key goes on",
      wholeNumber("--expires-in", 0, 2_592_000),
    )
    .action(async (app: string, key: string, { expiresIn: expires_in }: { expiresIn?: number }) => {
      const path = `${keyPath(app, key)}/rotate`;
      const whenLost = { lookWith: `keys list ${app}` };
      const call = { method: "POST", path, body: { expires_in }, whenLost } as const;
      printObject(context.isJson(), await context.client().call<Json>(call), ["key", ...KEY]);
      // The new key is shown whatever comes of this question.
      const old = await context
        .client()
        .call<Json>({ path: keyPath(app, key) })
        .catch(() => null);
      const until = isoTime(old?.expires_at);
      process.stderr.write(
        until === null ? `keys list ${app} says until when ${key} works\n` : `${key} works until ${until}\n`,
      );
    });
  keys
    .command("revoke <app> <key>")
    .description("end a key; running servers follow within 33 seconds")
    .action(async (app: string, key: string) => {
      const call = { method: "DELETE", path: keyPath(app, key) } as const;
      printObject(context.isJson(), await context.client().call<Json>(call), KEY);
    });
}

function addSettings(settings: Command, context: Context): void {
  settings
    .command("get <app>")
    .description("all settings of an app")
    .action(async (app: string) => {
      const found = await context.client().call<App>({ path: appPath(app) });
      printObject(context.isJson(), found.settings);
    });
  settings
    .command("set <app> <name> <value>")
    .description("VALUE is JSON, text, or @FILE; null is the default again")
    .action(async (app: string, name: string, value: string) => {
      const body = { settings: { [name]: settingOf(value) } };
      const call = { method: "POST", path: appPath(app), body, whenLost: "repeat" } as const;
      const changed = await context.client().call<App>(call);
      printObject(context.isJson(), changed.settings);
    });
}

/** JSON where it is JSON, else the text itself. */
function settingOf(value: string): unknown {
  if (value.startsWith("@")) {
    try {
      return readFileSync(value.slice(1), "utf8");
    } catch (error) {
      throw new UsageError(
        `${value.slice(1)} cannot be read: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
