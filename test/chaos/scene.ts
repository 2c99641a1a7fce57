// Sets the stage in a life without faults: tables, shops with keys for both modes, their endpoints, and the accounts at
// the live channels, whose secrets go in through the API and are sealed there.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unstable_splitSqlQuery } from "wrangler";
import { changeSetting, newApp } from "../../scripts/admin-sql.ts";
import { PROJECT } from "../../scripts/wrangler.ts";
import { callApi } from "./api.ts";
import { LIVE, NEVER, type Outside } from "./outside.ts";
import { OVERSEER } from "./overseer.ts";
import type { EndpointRecord, Shop } from "./records.ts";
import type { Runtime } from "./runtime.ts";

const ENABLED_MS = 15_000;
const ALL_EVENTS = ["refund.created", "refund.updated", "refund.succeeded", "refund.failed"];

export interface Scene {
  shops: { test: Shop[]; live: Shop[] };
  endpoints: EndpointRecord[];
}

export async function setScene(runtime: Runtime, outside: Outside, masterKeys: string): Promise<Scene> {
  const mint = {
    random: (count: number) => crypto.getRandomValues(new Uint8Array(count)),
    now: Math.floor(Date.now() / 1000),
  };
  const [a, b, c] = await Promise.all(["A", "B", "C"].map((name) => newApp(name, masterKeys, mint)));
  if (!a || !b || !c) throw new Error("there are no apps");
  await runtime.ask("sql", [
    ...(await migrations()),
    ...OVERSEER,
    ...a.statements,
    ...b.statements,
    ...c.statements,
    // A storm is no reason to refuse anybody.
    ...(await Promise.all([a, b, c].map(({ app }) => changeSetting(app, "rate_limit", "10000")))),
  ]);
  const shop = ({ app, testKey, liveKey }: typeof a, livemode: boolean): Shop => ({
    app,
    livemode,
    key: livemode ? liveKey : testKey,
  });
  const test = [a, b, c].map((one) => shop(one, false));
  const live = [a, b].map((one) => shop(one, true));
  const [testA, testB] = test as [Shop, Shop, Shop];
  const [liveA, liveB] = live as [Shop, Shop];

  for (const { kind, name } of LIVE) {
    const credentials = { channel: name, credentials: outside.emulators[kind].credentials };
    const account = await must<{ notice_url: string }>(runtime, liveA, "/channel_accounts", credentials);
    // Stripe is told in its dashboard where to send events; one account has one address.
    if (kind === "stripe") outside.emulators.stripe.notifyUrl = account.notice_url;
    else await must(runtime, liveB, "/channel_accounts", credentials);
  }

  const wanted: [Shop, path: string, events: string[], schedule: string, healthy: boolean][] = [
    [testA, "/well-a", ALL_EVENTS, "standard", true],
    [testA, "/flaky", ["*"], "standard", false],
    [testB, "/well-b", ["*"], "pingpp", true],
    [testB, "/sleepy", ["refund.created", "refund.failed"], "standard", false],
    [testB, "/gone", ["*"], "standard", false],
    [testB, NEVER, ["refund.failed"], "pingpp", false],
  ];
  const endpoints: EndpointRecord[] = [];
  for (const [owner, path, events, schedule, healthy] of wanted) {
    const body = { url: outside.receiver.url(path), enabled_events: events, schedule };
    const { id } = await must<{ id: string }>(runtime, owner, "/webhook_endpoints", body);
    endpoints.push({ id, shop: owner, path, events, healthy });
  }
  for (const { id, shop: owner } of endpoints) await untilEnabled(runtime, owner, id);
  return { shops: { test, live }, endpoints };
}

async function untilEnabled(runtime: Runtime, shop: Shop, id: string): Promise<void> {
  const deadline = Date.now() + ENABLED_MS;
  for (;;) {
    const { body } = await callApi(runtime.url, shop, { method: "GET", path: `/webhook_endpoints/${id}` });
    if ((body as { status?: string }).status === "enabled") return;
    if (Date.now() > deadline) throw new Error(`${id} is not enabled: ${JSON.stringify(body)}`);
    await sleep(50);
  }
}

async function must<Body>(runtime: Runtime, shop: Shop, path: string, body: object): Promise<Body> {
  const answer = await callApi(runtime.url, shop, { method: "POST", path, body });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body as Body;
}

async function migrations(): Promise<string[]> {
  const directory = join(PROJECT, "migrations");
  const files = (await readdir(directory)).filter((file) => file.endsWith(".sql")).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), "utf8")));
  return texts.flatMap((text) => unstable_splitSqlQuery(text));
}
