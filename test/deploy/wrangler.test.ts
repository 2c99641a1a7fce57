// A deployment by the real wrangler, to an account on loopback. What may die, and what a second run does, is in
// deploy.test.ts, without the seconds that each start of wrangler takes: hence two queues of the four, one of them there.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { experimental_readRawConfig as readConfiguration } from "wrangler";
import { cloudflare } from "../../scripts/deploy/cloudflare.ts";
import { keepConfiguration } from "../../scripts/deploy/configuration-file.ts";
import { deployService } from "../../scripts/deploy/deploy-service.ts";
import { CloudflareEmulator } from "./cloudflare-emulator.ts";

const project = resolve(import.meta.dirname, "../..");
const base = readConfiguration({ config: join(project, "wrangler.toml") }).rawConfig;
const only = <Queue extends { queue?: string }>(all: readonly Queue[] = []) =>
  all.filter(({ queue }) => queue === "webhook-deliveries" || queue === "dead-letters");
const emulator = new CloudflareEmulator();
let directory: string;

beforeAll(async () => {
  // Left by a run that died.
  const name = "dead-letters-staging";
  emulator.queues.set(name, { queue_id: `id-${name}`, queue_name: name, consumers: [] });
  directory = await mkdtemp(join(tmpdir(), "edge-refunds-"));
  vi.stubEnv("CLOUDFLARE_API_BASE_URL", await emulator.start());
  vi.stubEnv("CLOUDFLARE_API_TOKEN", "a-token");
  vi.stubEnv("CLOUDFLARE_ACCOUNT_ID", "acc");
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await emulator.stop();
  await rm(directory, { recursive: true, force: true });
});

it("wrangler makes the database, the missing queue, the Worker with its keys and the first app, and shows no given key", async () => {
  const said: string[] = [];
  const masterKeys = JSON.stringify({ k1: Buffer.alloc(32, 3).toString("base64") });
  await deployService(
    { name: "staging", domain: "refunds.example.com" },
    {
      cloudflare,
      base: {
        ...base,
        queues: { producers: only(base.queues?.producers), consumers: only(base.queues?.consumers) },
      },
      project,
      keep: (environment, configuration) => keepConfiguration(environment, configuration, directory),
      keepForAsking: () => expect.unreachable("there is no database to ask"),
      mint: { random: (count) => crypto.getRandomValues(new Uint8Array(count)), now: 1 },
      newMasterKeys: () => expect.unreachable("they were given"),
      givenMasterKeys: masterKeys,
      firstApp: "My shop",
      say: (line) => said.push(line),
    },
  );

  const [database, ...others] = emulator.databases.values();
  expect([database?.name, others]).toEqual(["edge-refunds-staging", []]);
  expect(database?.sql.prepare("select id, name from environments").all()).toEqual([
    { id: 1, name: "staging" },
  ]);
  expect([...emulator.queues.keys()].toSorted()).toEqual([
    "dead-letters-staging",
    "webhook-deliveries-staging",
  ]);
  expect(emulator.requests.filter((request) => request === "POST /accounts/acc/queues")).toHaveLength(1);
  for (const { consumers } of emulator.queues.values()) expect(consumers).toHaveLength(1);
  const worker = emulator.workers.get("edge-refunds-staging");
  expect(worker?.secrets).toEqual(new Map([["MASTER_KEYS", masterKeys]]));
  expect(worker?.metadata.bindings).toContainEqual(
    expect.objectContaining({ name: "DB", type: "d1", id: database?.uuid }),
  );
  expect(worker?.metadata.compatibility_flags).toContain("global_fetch_strictly_public");
  expect(worker?.metadata.assets).toMatchObject({
    config: { run_worker_first: expect.arrayContaining(["/*", "!/docs/*"]) },
  });
  expect(emulator.requests.filter((request) => request.includes("/domains/records"))).toHaveLength(1);
  expect(said.join("\n")).not.toContain(masterKeys);
  expect(database?.sql.prepare("select name from apps").all()).toEqual([{ name: "My shop" }]);
  expect(database?.sql.prepare("select count(*) as keys from api_keys").all()).toEqual([{ keys: 2 }]);
});

it("a dry run has wrangler check the configuration, tells the steps and asks no one", async () => {
  emulator.requests.length = 0;
  const options = ["--dry-run", "--env", "rehearsal", "--domain", "rehearsal.example.com"];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(project, "scripts/deploy.ts"), ...options],
    { timeout: 60_000 },
  );
  expect(stdout).toContain("edge-refunds-rehearsal");
  expect(stdout).toContain("Wrangler takes the configuration and builds the Worker.");
  expect(emulator.requests).toEqual([]);
});
