// The service of a soak: the Worker as it is on the bare local runtime, on disk, in a process group of its own, with two
// shops and their webhook endpoints. Nothing is shortened and nothing fails.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unstable_splitSqlQuery } from "wrangler";
import { changeSetting, newApp } from "../../scripts/admin-sql.ts";
import { freePort } from "../../scripts/dev-server.ts";
import { newMasterKeys } from "../../scripts/dev-vars.ts";
import { PROJECT } from "../../scripts/wrangler.ts";
import { bundleWorker } from "../chaos/bundle.ts";
import { Runtime } from "../chaos/runtime.ts";
import type { Shop } from "./ask.ts";
import type { Endpoint } from "./check.ts";
import { descendantsNamed } from "./gauges.ts";
import type { Outside } from "./outside.ts";

const ENABLED_MS = 30_000;
const LOOK_MS = 100;
const CREATED_AND_ENDED = ["refund.created", "refund.succeeded", "refund.failed"];
const ENDED = ["refund.succeeded", "refund.failed"];

export interface Service {
  runtime: Runtime;
  /** Of the runtime itself. */
  pid: number;
  shops: Shop[];
  endpoints: Endpoint[];
}

/** `started` hears of the runtime before anything can fail, to end it. */
export async function openService(
  state: string,
  outside: Outside,
  started: (runtime: Runtime) => void,
): Promise<Service> {
  const masterKeys = newMasterKeys();
  const runtime = new Runtime({
    port: await freePort(),
    state,
    code: await bundleWorker("test/soak/watched-worker.ts"),
    bindings: { LOCAL_DEV: "true", MASTER_KEYS: masterKeys, SANDBOX_URL: outside.sandboxUrl },
  });
  started(runtime);
  await runtime.start({});
  const [pid, ...others] = descendantsNamed("workerd");
  if (pid === undefined || others.length > 0) throw new Error("the runtime's process is not to be found");

  const mint = {
    random: (count: number) => crypto.getRandomValues(new Uint8Array(count)),
    now: Math.floor(Date.now() / 1000),
  };
  const [large, small] = await Promise.all(["Large", "Small"].map((name) => newApp(name, masterKeys, mint)));
  if (large === undefined || small === undefined) throw new Error("there are no apps");
  await runtime.ask("sql", [
    ...(await migrations()),
    ...large.statements,
    ...small.statements,
    await changeSetting(large.app, "rate_limit", "10000"),
    await changeSetting(small.app, "rate_limit", "10000"),
  ]);
  const shops = [large, small].map(({ app, testKey }): Shop => ({ app, key: testKey }));

  const endpoints: Endpoint[] = [];
  const wanted = [
    [large, "/quick", CREATED_AND_ENDED],
    // What a slow receiver asks for must be little: the local runtime sends it one at a time.
    [small, "/slow", ["refund.failed"]],
    [small, "/quick-other", ENDED],
  ] as const;
  for (const [{ app, testKey }, path, events] of wanted) {
    const body = { url: `${outside.receiverUrl}${path}`, enabled_events: events };
    const { id } = await call<{ id: string }>(runtime, testKey, "/v1/webhook_endpoints", body);
    endpoints.push({ id, app, path, events });
    const deadline = Date.now() + ENABLED_MS;
    const status = async () =>
      (await call<{ status: string }>(runtime, testKey, `/v1/webhook_endpoints/${id}`)).status;
    while ((await status()) !== "enabled") {
      if (Date.now() > deadline) throw new Error(`the endpoint for ${path} is not enabled`);
      await sleep(LOOK_MS);
    }
  }
  return { runtime, pid, shops, endpoints };
}

async function call<Body>({ url }: Runtime, key: string, path: string, body?: object): Promise<Body> {
  const answer = await fetch(`${url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(ENABLED_MS),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Body;
}

async function migrations(): Promise<string[]> {
  const directory = join(PROJECT, "migrations");
  const files = (await readdir(directory)).filter((file) => file.endsWith(".sql")).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), "utf8")));
  return texts.flatMap((text) => unstable_splitSqlQuery(text));
}
