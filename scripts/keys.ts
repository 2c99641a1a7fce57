// npm run keys -- …: apps, their API keys and settings, in the local or the deployed database.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { storedSettings } from "../src/auth/repository.ts";
import { DEFAULT_SCOPES } from "../src/auth/scope.ts";
import {
  AdminError,
  changeSetting,
  findApp,
  listApps,
  listKeys,
  type Mint,
  newApp,
  newKey,
  parseScopes,
  revokeKey,
} from "./admin-sql.ts";
import { execute, query, type Row, type Target } from "./d1.ts";
import { localMasterKeys } from "./dev-vars.ts";

/** How long an isolate goes on with what it remembers of a key (key-cache.ts). */
const FOLLOWS = "Running servers follow within 33 seconds.";

const HELP = `Usage: npm run keys -- COMMAND [--local | --remote] [--persist-to DIR]

  create-app NAME                 a new app with a test key and a live key
  create-key APP --mode test|live [--scopes a,b] [--name TEXT]
  revoke-key KEY_ID               ends a key; running servers follow within 33 seconds
  list                            all apps
  show APP                        an app's settings and keys
  set APP NAME VALUE              a setting; VALUE is JSON, text, or @FILE
                                  (set APP public_key @merchant.pem; set APP public_key null)
  help

--local is the default and means the database of npm start. Sealing needs MASTER_KEYS:
from the environment, locally also from .dev.vars.
`;

class UsageError extends Error {}

const OPTIONS = {
  local: { type: "boolean" },
  remote: { type: "boolean" },
  "persist-to": { type: "string" },
  mode: { type: "string" },
  scopes: { type: "string" },
  name: { type: "string" },
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
  if (values.remote && values["persist-to"] !== undefined)
    throw new UsageError("--persist-to is for the local database");
  // The same place that npm start keeps its data in.
  const state = values["persist-to"] ?? process.env.PERSIST_TO;
  const target: Target = values.remote
    ? { remote: true }
    : { remote: false, state: state === undefined ? undefined : resolve(state) };

  switch (command) {
    case "create-app":
      return createApp(target, ...expecting(rest, "NAME"));
    case "create-key": {
      const { mode, scopes, name = "default" } = values;
      if (mode !== "test" && mode !== "live")
        throw new UsageError("create-key needs --mode test or --mode live");
      const options = {
        livemode: mode === "live",
        name,
        scopes: scopes === undefined ? DEFAULT_SCOPES : parseScopes(scopes),
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
      if (changed.length === 0) throw new AdminError(`there is no app ${app}`);
      return print([["set", name]], FOLLOWS);
    }
    default:
      throw new UsageError(command === undefined ? "which command?" : `there is no command "${command}"`);
  }
}

async function createApp(target: Target, name: string): Promise<void> {
  // Locally the server's own file comes first: it does not listen to the environment.
  const given = process.env.MASTER_KEYS ?? null;
  const masterKeys = target.remote ? given : (localMasterKeys() ?? given);
  if (masterKeys === null) {
    throw new AdminError(
      target.remote
        ? "MASTER_KEYS must be in the environment: the same text as the Worker's secret of that name"
        : "there are no MASTER_KEYS in the environment or in .dev.vars (npm start writes them)",
    );
  }
  const created = await newApp(name, masterKeys, mint);
  await execute(target, created.statements);
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
        key.revoked_at === null ? `since ${day(key.created)}` : `revoked ${day(key.revoked_at)}`,
        (JSON.parse(String(key.scopes)) as string[]).join(" "),
      ].join(", "),
    ]),
  );
}

async function getApp(target: Target, id: string): Promise<Row> {
  const [app] = await query(target, findApp(id));
  if (app === undefined) throw new AdminError(`there is no app ${id}`);
  return app;
}

function parse() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The arguments of a command, one for each name. */
function expecting<Names extends string[]>(
  values: string[],
  ...names: Names
): { [Index in keyof Names]: string } {
  if (values.length !== names.length) {
    throw new UsageError(names.length === 0 ? "it takes no arguments" : `it takes ${names.join(" ")}`);
  }
  return values as { [Index in keyof Names]: string };
}

function print(lines: (readonly [string, string])[], note?: string): void {
  const width = Math.max(0, ...lines.map(([name]) => name.length));
  for (const [name, value] of lines) process.stdout.write(`${name.padEnd(width)}  ${value}\n`);
  if (note !== undefined) process.stdout.write(`${note}\n`);
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
