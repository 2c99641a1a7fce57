// What `npm start` runs writes nothing down of a query string: neither to the terminal nor to wrangler's own files, also
// where somebody wants to see everything.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, it } from "vitest";
import { DevServer, freePort } from "../../../scripts/dev-server.ts";
import { newMasterKeys } from "../../../scripts/dev-vars.ts";
import { plantSeed } from "../../../scripts/seed.ts";

const SECRET = "s3cret0rder";
const WRITTEN_MS = 500;
const directory = mkdtempSync(join(tmpdir(), "edge-refunds-log-"));
const outer = { level: process.env.WRANGLER_LOG, path: process.env.WRANGLER_LOG_PATH };

afterAll(() => {
  for (const [name, value] of [
    ["WRANGLER_LOG", outer.level],
    ["WRANGLER_LOG_PATH", outer.path],
  ] as const) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  rmSync(directory, { recursive: true, force: true });
});

it("the local server keeps query strings to itself, answered, refused and failed", async () => {
  const state = join(directory, "state");
  const masterKeys = newMasterKeys();
  const server = new DevServer({
    ...{ port: await freePort(), state },
    ...{ secrets: { MASTER_KEYS: masterKeys }, vars: { LOCAL_DEV: "true" } },
  });
  await server.migrate();
  const { testKey } = await plantSeed(state, masterKeys);
  const statuses: number[] = [];
  process.env.WRANGLER_LOG = "debug";
  process.env.WRANGLER_LOG_PATH = join(directory, "logs");
  try {
    await server.start();
    for (const [path, key] of [
      [`/v1/refunds?order_no=${SECRET}`, testKey],
      [`/v1/refunds/summary?channel=${SECRET}`, testKey],
      [`/v1/refunds/export?refund_no=${SECRET}`, testKey],
      [`/v1/refunds?limit=${SECRET}`, testKey],
      [`/v1/refunds?order_no=${SECRET}`, `sk_test_${SECRET}`],
      [`/nowhere?${SECRET}`, testKey],
    ] as const) {
      const answer = await fetch(`${server.url}${path}`, { headers: { Authorization: `Bearer ${key}` } });
      await answer.arrayBuffer();
      statuses.push(answer.status);
    }
    await sleep(WRITTEN_MS);
  } finally {
    await server.stop();
  }
  expect(statuses).toEqual([200, 200, 200, 400, 401, 404]);
  expect(server.log).not.toContain(SECRET);
  const files = readdirSync(join(directory, "logs"));
  expect(files).not.toEqual([]);
  for (const file of files) expect(readFileSync(join(directory, "logs", file), "utf8")).not.toContain(SECRET);
});
