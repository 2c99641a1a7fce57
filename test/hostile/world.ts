// Two tenants with objects of every kind in both modes, and words planted in all of them: whoever is told a word of
// somebody else's has been told too much.
import { env } from "cloudflare:workers";
import { SCOPES } from "../../src/auth/scope.ts";
import { mintId, randomToken } from "../../src/ids.ts";
import { routes } from "../../src/routes.ts";
import { addDelivery, GUESSES } from "../exam.ts";
import { eventually, random, shareOneKeyPair, TestApp } from "../harness.ts";
import type { Caller } from "./draft.ts";

/** Ids by the name that routes have for their kind. */
export type Ids = Record<string, string[]>;

/** Words that only one party may read, by party. */
type Words = Record<string, string[]>;

const CHARGES = 8;
const REFUNDS = 4;

export class World {
  readonly owner: TestApp;
  readonly stranger: TestApp;
  readonly own: Record<Caller, Ids>;
  readonly foreign: Ids;
  /** What nobody may ever be told. */
  readonly secrets: string[];
  readonly #words: Words;
  /** Charges recorded by fuzzed requests, newest last. */
  readonly recent: Record<Caller, string[]> = { test: [], live: [] };

  private constructor(facts: {
    owner: TestApp;
    stranger: TestApp;
    own: Record<Caller, Ids>;
    foreign: Ids;
    words: Words;
    secrets: string[];
  }) {
    this.owner = facts.owner;
    this.stranger = facts.stranger;
    this.own = facts.own;
    this.foreign = facts.foreign;
    this.#words = facts.words;
    this.secrets = facts.secrets;
  }

  static async create(): Promise<World> {
    await shareOneKeyPair();
    const settings = { refunds_max: 200, refund_attempts_max: 500, rate_limit: 10_000 };
    const [owner, stranger] = [
      await TestApp.create({ settings, scopes: SCOPES }),
      await TestApp.create({ settings, scopes: SCOPES }),
    ];
    const tenants = { owner: await plantApp(owner), stranger: await plantApp(stranger) };
    const words: Words = {};
    const secrets: string[] = ["BEGIN PRIVATE KEY-----", "v1.test.", "AAcHBwcH", "BwcHBwcH"];
    const ids: Record<string, Ids> = {};
    for (const [party, app, live] of [
      ["test", owner, false],
      ["live", owner, true],
      ["stranger's test", stranger, false],
      ["stranger's live", stranger, true],
    ] as const) {
      const word = `canary${randomToken(random)}`;
      words[party] = [word];
      const planted = await plant(app, live, word);
      const tenant = app === owner ? tenants.owner : tenants.stranger;
      // An app is there in both modes, and a live key sees the keys of both.
      ids[party] = { ...planted.ids, app: [tenant.app], key: live ? tenant.keys : tenant.keys.slice(0, 1) };
      secrets.push(...planted.secrets);
    }
    secrets.push(stranger.testKey, stranger.liveKey, owner.testKey, owner.liveKey);
    const foreign: Ids = {};
    for (const kind of Object.keys(GUESSES)) {
      foreign[kind] = [...(ids["stranger's test"]?.[kind] ?? []), ...(ids["stranger's live"]?.[kind] ?? [])];
    }
    const own = { test: ids.test ?? {}, live: ids.live ?? {} };
    return new World({ owner, stranger, own, foreign, words, secrets });
  }

  keyOf(caller: Caller): string {
    return caller === "live" ? this.owner.liveKey : this.owner.testKey;
  }

  /** The words that this caller must not read. */
  forbidden(caller: Caller): string[] {
    return Object.entries(this.#words).flatMap(([party, words]) => (party === caller ? [] : words));
  }

  /** Ids of a kind that are not the caller's: the other mode's and the stranger's. */
  othersIds(caller: Caller, kind: string): string[] {
    const otherMode = this.own[caller === "live" ? "test" : "live"][kind] ?? [];
    const own = this.own[caller][kind] ?? [];
    return [...otherMode, ...(this.foreign[kind] ?? [])].filter((id) => !own.includes(id));
  }

  /** Every id of every party, for looking for one in answers to requests that do not name it. */
  allForeignIds(caller: Caller): string[] {
    return Object.keys(GUESSES).flatMap((kind) => this.othersIds(caller, kind));
  }
}

/** An app of the app's own, which the fuzzer may do what it likes to: its settings must not be those of the caller. */
async function plantApp(parent: TestApp): Promise<{ app: string; keys: string[] }> {
  const { body } = await parent.post<{ id: string; test_key: { id: string }; live_key: { id: string } }>(
    "/v1/apps",
    { name: "Branch" },
    { live: true },
  );
  return { app: body.id, keys: [body.test_key.id, body.live_key.id] };
}

/** One object of each kind at least, with the word in every field that takes text. */
async function plant(app: TestApp, live: boolean, word: string): Promise<{ ids: Ids; secrets: string[] }> {
  const ids: Ids = {};
  const add = (kind: string, id: string) => {
    ids[kind] ??= [];
    ids[kind].push(id);
  };
  const texts = (i: number) => ({
    description: `${word} d${i}`,
    metadata: { note: word, [`k${word}`]: "1" },
    extra: { note: word },
  });
  if (live) {
    const { body } = await app.post<{ id: string }>(
      "/v1/channel_accounts",
      { channel: "manual", credentials: { note: `${word} note` }, description: word },
      { live },
    );
    add("account", body.id);
  }
  for (let i = 0; i < CHARGES; i++) {
    const facts = {
      ...texts(i),
      order_no: `${word.slice(0, 30)}-${i}`,
      channel: live ? "manual" : "wx",
      amount: 10_000_000,
      subject: word.slice(0, 32),
      body: word,
      transaction_no: `${word}-${i}`,
    };
    const charge = await app.charge(facts, { live });
    add("charge", charge.id);
    if (i >= REFUNDS) continue;
    const refund = await app.refund(
      charge,
      { ...texts(i), amount: 100 + i, refund_no: `${word}-${i}` },
      { live, headers: { Prefer: "respond-async" } },
    );
    if (refund.status !== 200) throw new Error(`the world has no refund: ${refund.text}`);
    add("refund", refund.body.id);
  }
  const { body: batch } = await app.post<{ id: string }>(
    "/v1/batch_refunds",
    {
      batch_no: "hostile",
      charges: [{ charge: ids.charge?.[0], amount: 99, description: word }],
      description: word,
      metadata: { note: word },
    },
    { live },
  );
  add("batch", batch.id);
  const event = await eventually(async () => {
    const { body } = await app.get<{ data: { id: string }[] }>("/v1/events", { live });
    return body.data.length >= REFUNDS ? body.data : undefined;
  });
  for (const { id } of event) add("event", id);
  const { body: endpoint } = await app.post<{ id: string; secret: string }>(
    "/v1/webhook_endpoints",
    {
      url: `https://shop.example.com/${word}`,
      status: "disabled",
      description: word,
      metadata: { note: word },
    },
    { live },
  );
  add("endpoint", endpoint.id);
  const { delivery, letter } = await addDelivery(app, event[0]?.id ?? "", endpoint.id);
  if (live) {
    await env.DB.prepare("UPDATE deliveries SET livemode = 1 WHERE id = ?").bind(delivery).run();
    await env.DB.prepare("UPDATE dead_letters SET livemode = 1 WHERE id = ?").bind(letter).run();
  }
  await env.DB.prepare("UPDATE delivery_attempts SET answer = ? WHERE delivery = ?")
    .bind(word, delivery)
    .run();
  add("delivery", delivery);
  add("dead_letter", letter);
  if (ids.account === undefined) add("account", mintId("channelAccount", random));
  return { ids, secrets: [endpoint.secret] };
}

for (const route of routes) {
  for (const [, kind = ""] of route.path.matchAll(/:(\w+)/g)) {
    if (GUESSES[kind] === undefined) throw new Error(`the fuzzer has no ids for :${kind} of ${route.path}`);
  }
}
