// The documentation page: it runs nothing but its own files, asks nobody but the service, and stands in no route's way.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { routes } from "../../src/routes.ts";

const PROJECT = join(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(PROJECT, file), "utf8");
const page = read("public/docs/index.html");

beforeAll(() => {
  const command = /^command = "node (.+)"$/m.exec(read("wrangler.toml"))?.[1] ?? "";
  const { status, stderr } = spawnSync(process.execPath, [command], { cwd: PROJECT, encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
});

describe("the documentation page", () => {
  it("is made of files that are there once wrangler's build command has run", () => {
    const files = [...page.matchAll(/(?:src|href)="([^"?:]+\.(?:js|css|json))"/g)].map(
      (match) => match[1] as string,
    );
    expect(files).toHaveLength(5);
    for (const file of files) {
      expect(existsSync(join(PROJECT, "public", file.startsWith("/") ? file : join("docs", file)))).toBe(
        true,
      );
    }
    for (const document of ["/openapi.json", "/openapi.zh.json"]) {
      expect(read("public/docs/docs.js")).toContain(`"${document}"`);
    }
  });

  it("comes with the licences of what it is made with", () => {
    expect(read("public/docs/swagger-ui.LICENSE.txt")).toContain("Apache License");
    expect(read("public/docs/swagger-ui.NOTICE.txt")).toContain("SmartBear");
    const [, named = ""] =
      /license information please see (\S+)/.exec(read("public/docs/swagger-ui-bundle.js")) ?? [];
    expect(existsSync(join(PROJECT, "public/docs", named))).toBe(true);
  });

  it("has no script of its own inside, and may ask no other host", () => {
    expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|\son\w+=|https?:/);
    const policy = /Content-Security-Policy: (.+)/.exec(read("public/_headers"))?.[1] ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("connect-src 'self';");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
  });
});

describe("the Worker answers by itself", () => {
  const first: string[] = JSON.parse(
    /^run_worker_first = (\[.+\])$/m.exec(read("wrangler.toml"))?.[1] ?? "[]",
  );

  it.each([...new Set([...routes.map(({ path }) => path), "/healthz", "/readyz", "/notify/alipay"])])(
    "under %s, where no file is ever looked for",
    (path) => {
      const isFirst = first.some((rule) =>
        rule.endsWith("*") ? path.startsWith(rule.slice(0, -1)) : path === rule,
      );
      expect(isFirst).toBe(true);
    },
  );

  it("and no file lies there", () => {
    const files = readdirSync(join(PROJECT, "public"));
    expect(files.filter((file) => !file.startsWith(".")).sort()).toEqual([
      "_headers",
      "docs",
      "openapi.json",
      "openapi.zh.json",
    ]);
  });
});
