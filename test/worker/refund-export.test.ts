import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { BASE, type ErrorObject, TestApp } from "../harness.ts";
import { d1, endOutages, listen, stopListening } from "../scenarios/outage.ts";
import { type Copy, copyRefund, projectedRefund } from "./refund-copies.ts";

const at = (time: string) => Date.parse(time) / 1000;
const OLD = at("2026-01-05T00:00:00Z");

afterEach(() => {
  endOutages();
  stopListening();
  vi.restoreAllMocks();
});

function ask(app: TestApp, query = "", init: RequestInit = {}): Promise<Response> {
  return exports.default.fetch(`${BASE}/v1/refunds/export${query}`, {
    ...init,
    headers: { Authorization: `Bearer ${app.testKey}`, ...init.headers },
  });
}

/** Not by `text()`: the runtime warns of NDJSON, which it does not take for text. */
async function textOf(answer: Response): Promise<string> {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await answer.arrayBuffer());
}

async function lines(app: TestApp, query = ""): Promise<RefundObject[]> {
  const answer = await ask(app, query);
  expect(answer.status).toBe(200);
  const text = await textOf(answer);
  return text === ""
    ? []
    : text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
}

async function ids(app: TestApp, query = ""): Promise<string[]> {
  return (await lines(app, query)).map(({ id }) => id);
}

/** An app with one refund made by request, and copies of it; their ids. */
async function shop(copies: readonly Copy[], settings: Record<string, unknown> = {}) {
  const app = await TestApp.create({ settings });
  const made = await projectedRefund(app, { refund: { metadata: { store: "7" }, refund_no: "R-1" } });
  return { app, made, copied: await copyRefund(made, copies) };
}

const many = (count: number): Copy[] => Array.from({ length: count }, (_, i) => ({ created: OLD + i }));

describe("an export as NDJSON", () => {
  it("holds the refunds exactly as the API shows them, oldest first", async () => {
    const app = await TestApp.create();
    const first = await projectedRefund(app, {
      refund: { description: "=1+1\n退货", metadata: { "10": "b", "9": "a" }, refund_no: "R-1" },
    });
    const second = await projectedRefund(app, { charge: { channel: "wx" }, refund: { extra: { a: [1] } } });
    const [one, other] = [await app.retrieveRefund(first), await app.retrieveRefund(second)];
    const answer = await ask(app);
    expect(answer.headers.get("Content-Type")).toBe("application/x-ndjson; charset=utf-8");
    expect(answer.headers.get("Content-Disposition")).toMatch(
      /^attachment; filename="refunds-\d{8}T\d{6}Z\.ndjson"$/,
    );
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect(answer.headers.get("Request-Id")).toMatch(/^iar_/);
    const text = await textOf(answer);
    expect(new Set(text.trimEnd().split("\n"))).toEqual(
      new Set([JSON.stringify(one), JSON.stringify(other)]),
    );
  });

  it("is empty where nothing is found", async () => {
    const app = await TestApp.create();
    const answer = await ask(app);
    expect([answer.status, await textOf(answer)]).toEqual([200, ""]);
  });

  it("holds several pages of refunds, each once and in the order of creation", async () => {
    const { app, made, copied } = await shop(many(2500));
    expect(await ids(app)).toEqual([...copied, made.id]);
    expect(await ids(app, "?sort=-created")).toEqual([made.id, ...copied.toReversed()]);
  });

  it("goes on behind the last refund of the one before, and together they hold everything", async () => {
    const { app, made, copied } = await shop(many(25));
    const found: string[] = [];
    for (let part = 0; part < 10; part++) {
      const last = found.at(-1);
      const next = await ids(app, `?limit=7${last === undefined ? "" : `&starting_after=${last}`}`);
      found.push(...next);
      if (next.length < 7) break;
    }
    expect(found).toEqual([...copied, made.id]);
  });

  it("takes the filters of the search", async () => {
    const { app, made, copied } = await shop([
      { created: OLD, state: "failed", amount: 5, channel: "wx" },
      { created: OLD + 1, currency: "usd" },
    ]);
    const [failed, dollars] = copied;
    expect(await ids(app, "?status=failed")).toEqual([failed]);
    expect(await ids(app, "?currency=usd")).toEqual([dollars]);
    expect(await ids(app, "?channel=wx&amount[lte]=5")).toEqual([failed]);
    expect(await ids(app, `?created[gt]=${OLD}&created[lte]=${OLD + 1}`)).toEqual([dollars]);
    expect(await ids(app, `?refund_no=R-1&created[gt]=${OLD + 1}`)).toEqual([made.id]);
    expect(await ids(app, "?metadata[store]=8")).toEqual([]);
    expect((await ids(app, "?sort=amount&limit=1"))[0]).toBe(failed);
  });

  it("shows nothing of the other mode or of another app", async () => {
    const { app } = await shop([]);
    const stranger = await TestApp.create();
    expect(await ids(stranger)).toEqual([]);
    const live = await ask(app, "", { headers: { Authorization: `Bearer ${app.liveKey}` } });
    expect(await textOf(live)).toBe("");
  });
});

describe("an export as CSV", () => {
  it("has a header, CRLF, times in UTC, and no cell that a spreadsheet would run", async () => {
    const app = await TestApp.create();
    const refund = await projectedRefund(app, {
      charge: { order_no: "ORDER1" },
      refund: { amount: 12, description: '=HYPERLINK("https://example.com")', metadata: { a: "x, y" } },
    });
    const { created, time_succeed, transaction_no } = await app.retrieveRefund(refund);
    const answer = await ask(app, "?format=csv");
    expect(answer.headers.get("Content-Type")).toBe("text/csv; charset=utf-8; header=present");
    expect(answer.headers.get("Content-Disposition")).toMatch(/\.csv"$/);
    const utc = (seconds: number | null) =>
      seconds === null ? "" : new Date(seconds * 1000).toISOString().replace(".000", "");
    expect((await textOf(answer)).split("\r\n")).toEqual([
      "id,created,charge,charge_order_no,refund_no,amount,currency,channel,status,time_succeed,transaction_no," +
        "funding_source,failure_code,failure_msg,attention,description,metadata,order_no,approval,batch_refund",
      `${refund.id},${utc(created)},${refund.charge},ORDER1,,12,cny,alipay,succeeded,${utc(time_succeed)},` +
        `${transaction_no ?? ""},,,,,"'=HYPERLINK(""https://example.com"")","{""a"":""x, y""}",${refund.id.slice(3)},,`,
      "",
    ]);
  });

  it("begins with a byte order mark for Excel, if that is wanted, and once", async () => {
    const { app } = await shop(many(1500));
    const text = await textOf(await ask(app, "?format=csv&bom=true"));
    expect(text.startsWith("\ufeffid,")).toBe(true);
    expect(text.lastIndexOf("\ufeff")).toBe(0);
    expect(text.match(/^id,created/gm)).toBeNull();
    expect(text.split("\r\n")).toHaveLength(1503);
    expect((await textOf(await ask(app, "?format=csv&limit=1"))).startsWith("id,")).toBe(true);
  });

  it("has its header also where nothing is found", async () => {
    const app = await TestApp.create();
    expect(await textOf(await ask(app, "?format=csv"))).toMatch(/^id,created,[^\r\n]+\r\n$/);
  });
});

describe("an export", () => {
  it("is made while it is read: a reader that waits makes it wait, and one that goes away ends it", async () => {
    const { app } = await shop(many(20_000));
    await ask(app, "?limit=1");
    const prepare = vi.spyOn(env.DB, "prepare");
    const answer = await ask(app);
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await scheduler.wait(300);
    // Some is under way between the Worker and its reader.
    expect(prepare.mock.calls.length).toBeLessThan(8);
    await reader.cancel();
    await scheduler.wait(100);
    const asked = prepare.mock.calls.length;
    await scheduler.wait(300);
    expect(prepare.mock.calls.length).toBe(asked);
    expect(asked).toBeLessThan(10);
  });

  it("never looks complete when D1 fails on the way, and the log does not say what was asked", async () => {
    const { app } = await shop(many(20_000));
    const told: string[] = [];
    vi.spyOn(console, "error").mockImplementation((line: string) => void told.push(line));
    const answer = await ask(app, `?created[gte]=${OLD}&channel=alipay`);
    expect(answer.status).toBe(200);
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    d1("throws");
    const rest = async () => {
      while (!(await reader.read()).done) {}
    };
    await expect(rest()).rejects.toThrow();
    expect(told.map((line) => JSON.parse(line))).toEqual([
      { request: answer.headers.get("Request-Id"), failure: "export", error: expect.any(String) },
    ]);
  });

  it("is answered with 503 when D1 fails before it begins", async () => {
    const { app } = await shop([]);
    await ask(app);
    listen();
    d1("throws");
    const answer = await ask(app);
    expect(answer.status).toBe(503);
    expect(answer.headers.get("Content-Type")).toBe("application/json; charset=utf-8");
  });

  it("is not made for HEAD, which tells what it would be", async () => {
    const { app } = await shop([]);
    await ask(app);
    const prepare = vi.spyOn(env.DB, "prepare");
    const answer = await ask(app, "?format=csv", { method: "HEAD" });
    expect([answer.status, await textOf(answer)]).toEqual([200, ""]);
    expect(answer.headers.get("Content-Type")).toBe("text/csv; charset=utf-8; header=present");
    expect(prepare).not.toHaveBeenCalled();
  });

  it("is not signed for an app that wants answers signed, and not held for it; a refusal of one is", async () => {
    const { app } = await shop(many(3000), { response_signing: true });
    const answer = await ask(app);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("X-Pingplusplus-Signature")).toBeNull();
    expect((await textOf(answer)).trimEnd().split("\n")).toHaveLength(3001);
    const refused = await ask(app, "?format=xml");
    expect(refused.status).toBe(400);
    expect(refused.headers.get("X-Pingplusplus-Signature")).toMatch(/^[A-Za-z0-9+/=]{300,}$/);
  });

  it.each([
    ["another format", "format=xml", "format"],
    ["a misspelt filter, which would let everything through", "statsu=failed", "statsu"],
    ["a filter given twice", "status=failed&status=pending", "status"],
    ["more than 100,000 refunds", "limit=100001", "limit"],
    ["no refunds at all", "limit=0", "limit"],
    ["a refund that is not in the list", "starting_after=re_000000000000000000000000", "starting_after"],
    ["something that is no refund", "starting_after=1", "starting_after"],
    ["a bom that is neither", "bom=1", "bom"],
  ])("refuses %s", async (_, query, param) => {
    const app = await TestApp.create();
    const answer = await app.get(`/v1/refunds/export?${query}`);
    expect({ status: answer.status, param: answer.body.error.param }).toEqual({ status: 400, param });
  });

  it("needs a scope of its own", async () => {
    const app = await TestApp.create({ scopes: ["refunds:read"] });
    const answer = await app.get("/v1/refunds/export");
    expect([answer.status, answer.body.error.code]).toEqual([401, "scope_missing"]);
  });
});

describe("a filter that is misspelt", () => {
  it.each(["metadata_shop=7", "metdata[shop]=7", "stauts=failed"])(
    "%s is refused: it would let everything out",
    async (query) => {
      const app = await TestApp.create();
      const answer = await app.get<ErrorObject>(`/v1/refunds/export?${query}`);
      expect(answer.status).toBe(400);
      expect(answer.body.error.param).toBe(query.split("=")[0]);
    },
  );
});
