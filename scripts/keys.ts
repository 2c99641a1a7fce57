// npm run keys -- …: apps, their API keys and settings, and the master key, in the local or the deployed database.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Mint } from "../src/auth/mint.ts";
import { storedSettings } from "../src/auth/repository.ts";
import { DEFAULT_SCOPES } from "../src/auth/scope.ts";
import {
  AdminError,
  changeSetting,
  findApp,
  listApps,
  listKeys,
  newApp,
  newKey,
  parseAddresses,
  parseDays,
  parseScopes,
  revokeKey,
} from "./admin-sql.ts";
import { execute, query, type Row, type Target } from "./d1.ts";
import { DEV_VARS } from "./dev-vars.ts";
import {
  dropOldMasterKeys,
  findMasterKeys,
  newMasterKey,
  type Place,
  printSealed,
  resealAll,
} from "./master-keys.ts";
import { expecting, print, UsageError } from "./terminal.ts";

/** How long an isolate goes on with what it remembers of a key (key-cache.ts). */
const FOLLOWS = "Running servers follow within 33 seconds.";

const HELP = `Usage: npm run keys -- COMMAND [--local | --remote] [--persist-to DIR]

  create-app NAME                 a new app with a test key and a live key
  create-key APP --mode test|live [--scopes a,b] [--name TEXT] [--expires-in DAYS] [--allowed-ips LIST]
                                  a key; --scopes all has every scope, admin included, and without
                                  --scopes it has all but admin. LIST: addresses and CIDR ranges
  revoke-key KEY_ID               ends a key; running servers follow within 33 seconds
  list                            all apps
  show APP                        an app's settings and keys
  set APP NAME VALUE              a setting; VALUE is JSON, text, or @FILE
                                  (set APP public_key @merchant.pem; set APP public_key null)

  new-master-key                  MASTER_KEYS with a new key in front: --remote prints them, --local
                                  writes them
  reseal                          seals all secrets anew with the first of MASTER_KEYS
  sealed                          how many are sealed with which key
  drop-old-master-keys            MASTER_KEYS with the first key alone, once nothing needs another
  help

--local is the default and means the database of npm start. MASTER_KEYS come from the environment,
locally from .dev.vars (or --dev-vars FILE) first.
`;

const OPTIONS = {
  local: { type: "boolean" },
  remote: { type: "boolean" },
  "persist-to": { type: "string" },
  "dev-vars": { type: "string" },
  mode: { type: "string" },
  scopes: { type: "string" },
  name: { type: "string" },
  "expires-in": { type: "string" },
  "allowed-ips": { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

const now = Math.floor(Date.now() / 1000);
const mint: Mint = { random: (count) => crypto.getRandomValues(new Uint8Array(count)), now };

async function main(): Promise<void> {
  const { values, positionals } = parse();
  const [command, ...rest] = positionals;
  if (values.help || command === "help") {
    process.stdout.write(HELP);
    return;
  }
  if (values.local && values.remote) throw new UsageError("--local and --remote exclude each other");
  for (const option of ["persist-to", "dev-vars"] as const)
    if (values.remote && values[option] !== undefined)
      throw new UsageError(`--${option} is for the local database`);
  // The same place that npm start keeps its data in.
  const state = values["persist-to"] ?? (process.env.PERSIST_TO || undefined);
  const target: Target = values.remote
    ? { remote: true }
    : { remote: false, state: state === undefined ? undefined : resolve(state) };

  const place: Place = { target, devVars: resolve(values["dev-vars"] ?? DEV_VARS) };

  switch (command) {
    case "create-app":
      return createApp(place, ...expecting(rest, "NAME"));
    case "create-key": {
      const { mode, scopes, name = "default", "expires-in": days, "allowed-ips": addresses } = values;
      if (mode !== "test" && mode !== "live")
        throw new UsageError("create-key needs --mode test or --mode live");
      const options = {
        livemode: mode === "live",
        name,
        scopes: scopes === undefined ? DEFAULT_SCOPES : parseScopes(scopes),
        expiresAt: days === undefined ? null : parseDays(days, now),
        allowedIps: addresses === undefined ? null : parseAddresses(addresses),
      };
      const [app] = expecting(rest, "APP");
      await getApp(target, app);
      const created = await newKey(app, options, mint);
      await execute(target, created.statements);
      return print(
        [
          ["key id", created.id],
          ["key", created.key],
        ],
        "The key is shown this once.",
      );
    }
    case "revoke-key": {
      const [id] = expecting(rest, "KEY_ID");
      const revoked = await query(target, revokeKey(id, now));
      if (revoked.length === 0) throw new AdminError(`there is no key ${id} in use`);
      return print([["revoked", id]], FOLLOWS);
    }
    case "list": {
      expecting(rest);
      const apps = await query(target, listApps());
      return print(
        apps.map((app) => [String(app.id), `${app.name}, ${count(app.keys)}, since ${day(app.created)}`]),
      );
    }
    case "show":
      return show(target, ...expecting(rest, "APP"));
    case "set": {
      const [app, name, value] = expecting(rest, "APP", "NAME", "VALUE");
      const text = value.startsWith("@") ? readFileSync(value.slice(1), "utf8") : value;
      const changed = await query(target, await changeSetting(app, name, text));
      if (changed.length === 0) throw noApp(target, app);
      return print([["set", name]], FOLLOWS);
    }
    case "new-master-key":
      expecting(rest);
      return newMasterKey(place);
    case "reseal":
      expecting(rest);
      return resealAll(place);
    case "sealed":
      expecting(rest);
      return printSealed(place);
    case "drop-old-master-keys":
      expecting(rest);
      return dropOldMasterKeys(place);
    default:
      throw new UsageError(command === undefined ? "which command?" : `there is no command "${command}"`);
  }
}

async function createApp(place: Place, name: string): Promise<void> {
  const created = await newApp(name, findMasterKeys(place), mint);
  await execute(place.target, created.statements);
  print(
    [
      ["app", created.app],
      ["test key", created.testKey],
      ["live key", created.liveKey],
    ],
    "The keys are shown this once.",
  );
}

async function show(target: Target, id: string): Promise<void> {
  const app = await getApp(target, id);
  const keys = await query(target, listKeys(id));
  const settings = Object.entries(storedSettings(JSON.parse(String(app.settings))));
  print([
    ["app", id],
    ["name", String(app.name)],
    ["since", day(app.created)],
  ]);
  process.stdout.write("\nsettings\n");
  print(settings.map(([name, value]) => [`  ${name}`, JSON.stringify(value)]));
  process.stdout.write("\nkeys\n");
  print(
    keys.map((key) => [
      `  ${key.id}`,
      [
        key.livemode === 1 ? "live" : "test",
        String(key.name),
        `since ${day(key.created)}`,
        stateOf(key),
        key.last_used_at === null ? null : `last used ${day(key.last_used_at)}`,
        key.allowed_ips === null
          ? null
          : `from ${(JSON.parse(String(key.allowed_ips)) as string[]).join(" ")}`,
        (JSON.parse(String(key.scopes)) as string[]).join(" "),
      ]
        .filter((part) => part !== null)
        .join(", "),
    ]),
  );
}

async function getApp(target: Target, id: string): Promise<Row> {
  const [app] = await query(target, findApp(id));
  if (app === undefined) throw noApp(target, id);
  return app;
}

function noApp(target: Target, id: string): AdminError {
  const where = target.remote
    ? " in the deployed database"
    : ` in the local database${target.state === undefined ? "" : ` ${target.state}`}. "npm run keys -- list" lists those there are; was the server started with another PERSIST_TO? --remote is the deployed one`;
  return new AdminError(`there is no app ${id}${where}`);
}

function parse() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** How a key ends or ended; null for one without an end. */
function stateOf({ revoked_at, expires_at, replaced_by }: Row): string | null {
  if (revoked_at !== null) return `revoked ${day(revoked_at)}`;
  if (expires_at === null) return null;
  const replaced = replaced_by === null ? "" : `, replaced by ${replaced_by}`;
  return `${Number(expires_at) <= now ? "expired" : "expires"} ${day(expires_at)}${replaced}`;
}

function day(seconds: string | number | null | undefined): string {
  return new Date(Number(seconds) * 1000).toISOString().slice(0, 10);
}

function count(keys: string | number | null | undefined): string {
  return keys === 1 ? "1 key" : `${keys} keys`;
}

try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${HELP}`);
    process.exitCode = 2;
  } else {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  }
}
