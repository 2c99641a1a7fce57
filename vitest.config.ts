import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";
import { mutantPlugins } from "./test/mutants/vite-plugin.ts";

// Bundled once by Vite instead of being served to workerd module by module: halves the start-up of a run.
const prebundle = [
  "@hono/zod-validator",
  "drizzle-orm",
  "drizzle-orm/d1",
  "drizzle-orm/errors",
  "drizzle-orm/sqlite-core",
  "fast-check",
  "hono",
  "standardwebhooks",
  "zod",
];

/** A key for tests alone: 32 bytes of 7. */
const MASTER_KEYS = JSON.stringify({ test: Buffer.alloc(32, 7).toString("base64") });

/** One more than the two cores that are promised: a third of the time tests wait for a clock. */
const MAX_WORKERS = 3;

/** One workerd a worker for all files of a project; setup.ts empties every binding per file. */
const workers = (
  name: string,
  include: string[],
  queues: { maxBatchTimeout: number; maxBatchSize: number },
) => ({
  plugins: [
    ...mutantPlugins(),
    cloudflareTest(async () => ({
      wrangler: { configPath: "./wrangler.toml" },
      miniflare: {
        bindings: {
          TEST_MIGRATIONS: await readD1Migrations("./migrations"),
          MASTER_KEYS,
          LOCAL_DEV: "true",
          RETRY_SCALE: "0.001",
        },
        // Replaces the consumers of wrangler.toml, whole.
        queueConsumers: {
          "webhook-deliveries": { ...queues, maxRetries: 5, deadLetterQueue: "dead-letters" },
          "webhook-deliveries-slow": { ...queues, maxRetries: 5, deadLetterQueue: "dead-letters" },
          "ledger-commands": { ...queues, maxRetries: 5, deadLetterQueue: "dead-letters" },
          "dead-letters": { ...queues },
        },
        // Every outgoing request that a test does not answer itself ends here, never on the network.
        outboundService: (request: { url: string }) =>
          new Response(`blocked outbound: ${request.url}`, { status: 599 }) as never,
      },
    })),
  ],
  test: {
    name,
    include,
    setupFiles: ["./test/setup.ts"],
    isolate: false,
    maxWorkers: MAX_WORKERS,
    testTimeout: 30_000,
    deps: { optimizer: { ssr: { enabled: true, include: prebundle } } },
  },
});

const node = (name: string, include: string[], more: object = {}) => ({
  plugins: mutantPlugins(),
  test: {
    name,
    environment: "node",
    include,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: MAX_WORKERS,
    ...more,
  },
});

export default defineConfig({
  test: {
    projects: [
      node("domain", ["test/domain/**/*.test.ts", "test/tidy.test.ts"]),
      // The queue consumers are parked: tests drive them with createMessageBatch().
      workers("worker", ["test/worker/**/*.test.ts"], { maxBatchTimeout: 60, maxBatchSize: 100 }),
      // The queue consumers are live and immediate: the product told as stories.
      workers("scenarios", ["test/scenarios/**/*.test.ts", "test/every-route.test.ts"], {
        maxBatchTimeout: 0,
        maxBatchSize: 1,
      }),
      // What no client should send, in workerd; and what only a socket can send, to the real local runtime.
      workers("hostile", ["test/hostile/*.test.ts"], { maxBatchTimeout: 0, maxBatchSize: 10 }),
      node("wire", ["test/hostile/wire/*.test.ts"]),
      node("chaos", ["test/chaos/**/*.test.ts"]),
      node("mutants", ["test/mutants/**/*.test.ts"]),
      node("simulation", ["test/simulation/**/*.test.ts"]),
      node("channels", ["test/channels/**/*.test.ts"]),
      node("sdk", ["test/sdk/**/*.test.ts"]),
      node("tools", [
        "test/cli/**/*.test.ts",
        "test/deploy/**/*.test.ts",
        "test/openapi/**/*.test.ts",
        "test/counts/**/*.test.ts",
      ]),
      node("soak", ["test/soak/**/*.test.ts"]),
      // One server for all files, started once; each has it, and the machine, to itself: they look at when things happen.
      node("deliveries", ["test/deliveries/**/*.test.ts"], {
        globalSetup: ["./test/deliveries/global-setup.ts"],
        maxWorkers: 1,
        sequence: { groupOrder: 1 },
      }),
    ],
  },
});
