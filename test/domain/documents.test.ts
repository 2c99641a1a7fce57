// What the documents of the root say, compared with what is there: links, commands, routes, names, tables. And the code
// that MIGRATING.md gives away is run as it stands.
import { generateKeyPairSync, sign } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { is } from "drizzle-orm";
import { getTableConfig, SQLiteTable } from "drizzle-orm/sqlite-core";
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../src/apps/schema.ts";
import { SCOPES } from "../../src/auth/scope.ts";
import * as schema from "../../src/db/schema.ts";
import { EVENT_TYPES } from "../../src/events/event.ts";
import { routes } from "../../src/routes.ts";

const ROOT = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const DOCUMENTS = readdirSync(ROOT).filter((name) => name.endsWith(".md"));

/** Everything that a pattern's first group finds, with the document it was found in. */
function mentions(pattern: RegExp): { document: string; found: string }[] {
  return DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(pattern)].map((match) => ({ document, found: match[1] as string })),
  );
}

const strangers = (pattern: RegExp, isKnown: (found: string, document: string) => boolean) =>
  mentions(pattern)
    .filter(({ found, document }) => !isKnown(found, document))
    .map(({ found, document }) => `${document}: ${found}`);

/** A heading as a link names it: as on GitHub. */
const anchorOf = (heading: string) =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");

/** A document without its blocks of code, where a # begins a comment and no heading. */
const proseOf = (document: string) => read(document).replaceAll(/^```[\s\S]*?^```/gm, "");
const anchorsOf = (document: string) =>
  [...proseOf(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading));

describe("every document of the root", () => {
  it("links to files and headings that exist", () => {
    const dead = strangers(/\]\(([^)\s]+)\)/g, (link, document) => {
      if (/^[a-z]+:/.test(link)) return true;
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? document : join(dirname(document), file);
      if (!existsSync(join(ROOT, target))) return false;
      return anchor === undefined || anchorsOf(target).includes(decodeURIComponent(anchor));
    });
    expect(dead).toEqual([]);
  });

  it("names scripts that package.json has", () => {
    const { scripts } = JSON.parse(read("package.json"));
    expect(strangers(/\bnpm run (?:-s )?([a-z][a-z:-]*)/g, (name) => name in scripts)).toEqual([]);
  });

  it("names routes that the API has", () => {
    const patterns = routes.map(({ path }) => path.split("/"));
    const isRoute = (path: string) => {
      const parts = path.split("/");
      // An id in a path is a placeholder or an example: whatever stands where the route has a parameter.
      return patterns.some(
        (pattern) =>
          pattern.length === parts.length &&
          pattern.every((part, i) => part === parts[i] || (part.startsWith(":") && parts[i] !== "")),
      );
    };
    const unknown = strangers(/(\/v1\/[\w{}:/[\]…$-]+)/g, (written) => {
      const path = written.replace(/[/:]+$/, "");
      // `/v1/events[/{evt}]` is two routes.
      const short = path.replace(/\[.*$/, "");
      return isRoute(short) && isRoute(path.replaceAll(/[[\]]/g, ""));
    });
    expect(unknown).toEqual([]);
  });

  it("names event types that exist", () => {
    const isKnown = (type: string) => (EVENT_TYPES as readonly string[]).includes(type);
    const pattern = /`((?:refund|batch_refund|webhook_endpoint)\.[a-z_]+)`/g;
    expect(strangers(pattern, isKnown)).toEqual([]);
  });

  it("names scopes that exist", () => {
    const isKnown = (scope: string) => (SCOPES as readonly string[]).includes(scope);
    expect(strangers(/\b((?:refunds|charges):[a-z]+)\b/g, isKnown)).toEqual([]);
  });
});

describe("README.zh.md", () => {
  it("gives the same commands as README.md, as far as it goes", () => {
    const blocks = (document: string, end: string) => {
      const [told = ""] = read(document).split(end);
      return [...told.matchAll(/^```\w*\n[\s\S]*?^```/gm)].map(([block]) => block);
    };
    expect(blocks("README.zh.md", "\n## 继续阅读")).toEqual(blocks("README.md", "\n## Proving it"));
  });

  it("lists the same routes, settings and sandbox triggers", () => {
    const words = (document: string) => {
      const [told = ""] = proseOf(document).split(/\n## (?:继续阅读|Proving it)/);
      return [...new Set([...told.matchAll(/`([^`\n]+)`/g)].map(([, word]) => word))].sort();
    };
    expect(words("README.zh.md")).toEqual(words("README.md"));
  });
});

describe("STORAGE.md", () => {
  const tables = Object.values(schema).flatMap((value) =>
    is(value, SQLiteTable) ? [getTableConfig(value)] : [],
  );
  const sections = new Map(
    read("STORAGE.md")
      .split(/^(?=###? )/m)
      .flatMap((section) => {
        const name = /^### `(\w+)`/.exec(section)?.[1];
        return name === undefined ? [] : [[name, section] as const];
      }),
  );

  it("describes every table of the schema and no other", () => {
    expect([...sections.keys()].sort()).toEqual(tables.map(({ name }) => name).sort());
  });

  it.each(tables)("describes every column and index of $name and no other", ({ name, columns, indexes }) => {
    const section = sections.get(name) ?? "";
    const [, list = ""] = /\| column \| meaning \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(section) ?? [];
    const described = list
      .split("\n")
      .flatMap((row) => [...(row.split(" | ")[0] ?? "").matchAll(/`(\w+)`/g)].map(([, column]) => column));
    expect(described.sort()).toEqual(columns.map((column) => column.name).sort());

    const named = [...section.matchAll(/`(\w+)`/g)].map(([, word]) => word);
    expect(named).toEqual(expect.arrayContaining(indexes.map(({ config }) => config.name)));
  });
});

describe("STORAGE.md of what Durable Objects keep", () => {
  it.each([
    ["The ledger's own SQLite", "src/charges/book.ts"],
    ["The budget's own SQLite", "src/budgets/budget.ts"],
  ])("describes the tables of %s", (heading, source) => {
    const [, section = ""] =
      new RegExp(`^## ${heading}\\n([\\s\\S]*?)(?=^## )`, "m").exec(read("STORAGE.md")) ?? [];
    const described = [...section.matchAll(/^\| (\w+) \| (\w+) \(primary key.*?\), (\w+) \|/gm)];
    const made = [...read(source).matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((\w+) .*?, (\w+) /g)];
    const names = (matches: RegExpExecArray[]) => matches.map(([, ...all]) => all.join(" ")).sort();
    expect(made.length).toBeGreaterThan(0);
    expect(names(described)).toEqual(names(made));
  });
});

describe("OPERATIONS.md and DEPLOYING.md", () => {
  it("name an environment's configuration in every command of wrangler, so that none works on another by accident", () => {
    const isNamed = (command: string, document: string) =>
      !["OPERATIONS.md", "DEPLOYING.md"].includes(document) ||
      command.startsWith("login") ||
      / --config \.wrangler\/environments\/(?:\$ENVIRONMENT|NAME|[a-z0-9]+)\.json(?=\s|$)/.test(command);
    expect(strangers(/\bnpx wrangler ([^\n`]+)/g, isNamed)).toEqual([]);
  });
});

describe("ADMINISTRATION.md", () => {
  const tables = new Map(
    [...read("ADMINISTRATION.md").matchAll(/^\| (\w+) \|.*\n\|[-|]+\|\n((?:\|.*\n)+)/gm)].map(
      ([, first = "", rows = ""]) => [first, rows.trim().split("\n")] as const,
    ),
  );
  const firstCells = (table: string) =>
    (tables.get(table) ?? []).map((row) => /^\| `([\w:]+)` \|/.exec(row)?.[1]);

  it("explains every scope and no other", () => {
    expect(firstCells("scope")).toEqual([...SCOPES]);
  });

  it("explains every setting and no other, with its default", () => {
    expect(firstCells("setting")).toEqual(Object.keys(DEFAULT_SETTINGS));
    const defaults = (tables.get("setting") ?? []).map((row) =>
      JSON.parse(/ \| `([^`]+)` \| /.exec(row)?.[1] ?? ""),
    );
    expect(defaults).toEqual(Object.values(DEFAULT_SETTINGS));
  });
});

describe("MIGRATING.md", () => {
  it("gives a receiver that takes webhooks signed with either key, and no others", async () => {
    const [, code = ""] = /```js\n(\/\/ either-webhook\.mjs\n[\s\S]*?)```/.exec(read("MIGRATING.md")) ?? [];
    const folder = mkdtempSync(join(tmpdir(), "edge-refunds-documents-"));
    try {
      const file = join(folder, "either-webhook.mjs");
      writeFileSync(file, code);
      const { verifyEither } = await import(/* @vite-ignore */ file);
      const [theirs, ours, nobodys] = [1, 2, 3].map(() =>
        generateKeyPairSync("rsa", { modulusLength: 2048 }),
      );
      const keys = [theirs, ours].map((pair) => pair?.publicKey.export({ type: "spki", format: "pem" }));
      const body = Buffer.from(
        '{"id":"evt_1","type":"refund.succeeded","data":{"object":{"description":"退款"}}}',
      );
      const headers = (pair: typeof ours, bytes = body) => ({
        "x-pingplusplus-signature": sign("sha256", bytes, pair?.privateKey ?? "").toString("base64"),
      });
      expect(verifyEither(body, headers(theirs), keys)).toMatchObject({ id: "evt_1" });
      expect(verifyEither(body, headers(ours), keys)).toMatchObject({ id: "evt_1" });
      expect(() => verifyEither(body, headers(nobodys), keys)).toThrow("signature");
      expect(() => verifyEither(Buffer.from("{}"), headers(ours), keys)).toThrow("signature");
      expect(() => verifyEither(body, {}, keys)).toThrow("signature");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
