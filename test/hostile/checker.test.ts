// The fuzzer finds what it is there to find: the service is broken on purpose, on its way out, and each fault must show
// within a few hundred requests, by name.
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import { mintId } from "../../src/ids.ts";
import { random } from "../harness.ts";
import type { HostileRequest } from "./draft.ts";
import { Fuzzer, throughTheWorker } from "./fuzzer.ts";
import type { GivenAnswer } from "./judge.ts";
import { Watch } from "./watch.ts";
import { World } from "./world.ts";

/** What is wrong with an answer, and what was left behind meanwhile. */
type Fault = (
  request: HostileRequest,
  answer: GivenAnswer,
  world: World,
) => Promise<GivenAnswer | undefined> | GivenAnswer | undefined;

const SEED = 5;
const STEP = 50;
const REQUESTS_MAX = 2000;

afterEach(() => void vi.restoreAllMocks());

const bodyOf = ({ body }: HostileRequest) => (body === null ? "" : new TextDecoder().decode(body));
const withText = (answer: GivenAnswer, text: string) => ({ ...answer, text });
const insert = (world: World) =>
  env.DB.prepare(
    "INSERT INTO payments (app, livemode, channel, transaction_no, charge) VALUES (?, 0, 'wx', ?, 'ch_x')",
  ).bind(world.owner.id, mintId("event", random));

const FAULTS: [name: string, rule: string, fault: Fault][] = [
  [
    "a route that fails on a lone surrogate",
    "never 5xx",
    (request, answer) =>
      /\\ud8/.test(bodyOf(request)) && answer.status === 400 ? { ...answer, status: 500 } : undefined,
  ],
  [
    "a refusal that stores a row",
    "a refusal stores nothing",
    async (_, answer, world) => {
      if (answer.status === 413) await insert(world).run();
      return undefined;
    },
  ],
  [
    "a refusal that stores a row the first time only",
    "a refusal stores nothing",
    async (_, answer, world) => {
      if (answer.status !== 415) return undefined;
      await env.DB.prepare(
        "INSERT OR IGNORE INTO apps (id, name, settings, created) VALUES (?, 'x', '{}', 0)",
      )
        .bind(`${world.owner.id}x`)
        .run();
      return undefined;
    },
  ],
  [
    "a refusal that writes to the charge's ledger",
    "a refusal stores nothing",
    async (request, answer, world) => {
      const charge = world.own.test.charge?.find((id) => request.target.includes(id));
      if (answer.status !== 400 || request.caller !== "test" || charge === undefined) return undefined;
      const { runInDurableObject } = await import("cloudflare:test");
      await runInDurableObject(
        world.owner.ledger({ id: charge }) as never,
        (_, state: DurableObjectState) => {
          state.storage.sql.exec("UPDATE refunds SET doc = doc WHERE seq = 0");
        },
      );
      return undefined;
    },
  ],
  [
    "a guess that makes a ledger",
    "a guess leaves no ledger",
    async (request, answer, world) => {
      const charge = /ch_[0-9A-Za-z]{24}/.exec(request.target)?.[0];
      if (answer.status !== 404 || charge === undefined) return undefined;
      const { runInDurableObject } = await import("cloudflare:test");
      const ledger = world.owner.ledger({ id: charge }, request.caller === "live");
      await runInDurableObject(ledger as never, (_, state: DurableObjectState) => {
        state.storage.sql.exec("CREATE TABLE IF NOT EXISTS refunds (seq INTEGER PRIMARY KEY, doc TEXT)");
      });
      return undefined;
    },
  ],
  [
    "a problem that tells another tenant's words",
    "nothing of anybody else's",
    async (request, answer, world) => {
      const id = /ch_[0-9A-Za-z]{24}/.exec(request.target)?.[0];
      const charge = world.foreign.charge?.find((other) => other === id);
      if (answer.status !== 404 || charge === undefined) return undefined;
      const doc = await env.DB.prepare("SELECT order_no FROM charges WHERE id = ?")
        .bind(charge)
        .first("order_no");
      // The whole word: an order number holds its beginning alone.
      return withText(answer, answer.text.replace("。", `${doc} ${world.forbidden(request.caller).at(-1)}`));
    },
  ],
  [
    "a problem that says how the database is asked",
    "nothing of the inside",
    (_, answer) =>
      answer.status === 405 ? withText(answer, answer.text.replace("。", " SELECT * FROM x")) : undefined,
  ],
  [
    "a problem that gives the key back",
    "no secret",
    (request, answer, world) =>
      answer.status === 415
        ? withText(answer, answer.text.replace("。", world.keyOf(request.caller)))
        : undefined,
  ],
  [
    "a null in a problem",
    "a problem's values are texts",
    (_, answer) =>
      answer.status === 400
        ? withText(answer, answer.text.replace(/"param":"\w+"/, '"param":null'))
        : undefined,
  ],
  [
    "HTML for a problem",
    "a problem as the contract has it",
    (_, answer) => (answer.status === 413 ? withText(answer, "<h1>413</h1>") : undefined),
  ],
  [
    "an answer that may be cached",
    "Cache-Control",
    (_, answer) => {
      const headers = new Headers(answer.headers);
      if (answer.status === 404) headers.delete("Cache-Control");
      return { ...answer, headers };
    },
  ],
  [
    "an answer that lacks what its route declares",
    "an answer as declared",
    (_, answer) =>
      answer.status === 200
        ? withText(answer, answer.text.replace(/"object":"\w+"/, '"object":7'))
        : undefined,
  ],
  [
    "a text that is trimmed on its way in",
    "what is stored is what was sent",
    (_, answer) =>
      answer.status === 200 ? withText(answer, answer.text.replace(/"退货"/g, '"退"')) : undefined,
  ],
];

it.each(FAULTS)("%s is found", { timeout: 120_000 }, async (name, rule, fault) => {
  const world = await World.create();
  const fuzzer = new Fuzzer(world, await Watch.begin(world), async (request) => {
    const answer = await throughTheWorker(request);
    return (await fault(request, answer, world)) ?? answer;
  });
  let sent = 0;
  const rules = new Set<string>();
  while (sent < REQUESTS_MAX && !rules.has(rule)) {
    const { findings } = await fuzzer.run(SEED, STEP, sent);
    for (const finding of findings) rules.add(finding.rule);
    sent += STEP;
  }
  console.log(`${name}: found within ${sent} requests`);
  expect(rules).toContain(rule);
});
