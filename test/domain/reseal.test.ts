import type { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { literal } from "../../scripts/admin-sql.ts";
import { QUERY_BYTES_MAX, type Row } from "../../scripts/d1.ts";
import { listUses, type RunStatements, reseal } from "../../scripts/reseal.ts";
import { SEALED_COLUMNS, sealedRow } from "../../src/sealing/sealed-columns.ts";
import { seal, unseal } from "../../src/sealing/sealing.ts";
import { freshDatabase } from "./database.ts";

const A = Buffer.alloc(32, 1).toString("base64");
const B = Buffer.alloc(32, 2).toString("base64");
/** Ids of which one would match the other as a LIKE pattern, and begin it as a prefix. */
const OLD = JSON.stringify({ k_1: A });
const ROTATING = JSON.stringify({ k_: B, k_1: A });
const NEW = JSON.stringify({ k_: B });

const [SIGNING_KEYS, ENDPOINTS, ACCOUNTS] = SEALED_COLUMNS.map((column) => `${column.table}.${column.field}`);

/** A shop's database: texts are sealed with `keys`, for the place they are in unless another is given. */
class Shop {
  readonly database: DatabaseSync = freshDatabase();
  /** Every call as its statements. */
  calls: (readonly string[])[] = [];
  /** Runs before the statements of a call. */
  before: (statements: readonly string[]) => void | Promise<void> = () => {};

  readonly run: RunStatements = async (statements) => {
    await this.before(statements);
    this.calls.push(statements);
    return statements.map((statement) => this.database.prepare(statement).all() as Row[]);
  };

  async addSigningKey(id: string, keys: string, secret = `pem of ${id}`): Promise<void> {
    const sealed = await seal(keys, place("signing_keys", "private_key", id), secret);
    this.#insert("signing_keys", { id, public_key: "", private_key: sealed, created: 1 });
  }

  /** An endpoint with a secret for each of the master keys given. */
  async addEndpoint(id: string, ...masterKeys: string[]): Promise<void> {
    const secrets = [];
    for (const [i, keys] of masterKeys.entries()) {
      const sealed = await seal(keys, place("webhook_endpoints", "secrets", id), `whsec ${i} of ${id}`);
      secrets.push({ sealed, createdAt: i, expiresAt: i === 0 ? null : 5 });
    }
    this.addEndpointHolding(id, JSON.stringify(secrets));
  }

  addEndpointHolding(id: string, secrets: string): void {
    const rest = { url: "", enabled_events: "[]", status: "enabled", schedule: "standard", metadata: "{}" };
    this.#insert("webhook_endpoints", { id, secrets, created: 1, ...rest });
  }

  async addAccount(id: string, revision: number, keys: string): Promise<void> {
    const row = `alipay/${id}/${revision}`;
    const sealed = await seal(keys, place("channel_accounts", "credentials", row), `credentials of ${row}`);
    // Earlier revisions stay for the refunds that were sent with them: retired, and resealed like the others.
    const retired = { created: 1, retired_at: 2 };
    this.#insert("channel_accounts", { id, revision, channel: "alipay", credentials: sealed, ...retired });
  }

  #insert(table: string, row: Row): void {
    const all: Row = { app: "app_1", livemode: 1, ...row };
    const values = Object.values(all).map(literal);
    this.database.exec(`insert into ${table} (${Object.keys(all).join(", ")}) values (${values.join(", ")})`);
  }

  texts(column: string | undefined): string[] {
    const [table, field] = String(column).split(".");
    const rows = this.database.prepare(`select ${field} as text from ${table} order by id`).all();
    return rows.map(({ text }) => String(text));
  }

  set(column: string | undefined, id: string, text: string): void {
    const [table, field] = String(column).split(".");
    this.database.exec(`update ${table} set ${field} = ${literal(text)} where id = ${literal(id)}`);
  }

  /** Everything that is sealed, in the clear. */
  async opened(masterKeys: string): Promise<string[]> {
    const secrets: string[] = [];
    for (const column of SEALED_COLUMNS) {
      for (const row of this.database.prepare(`select * from ${column.table} order by id`).all()) {
        const text = String(row[column.field]);
        const context = place(column.table, column.field, sealedRow(column, row));
        const sealed: string[] =
          column.holds === "text" ? [text] : JSON.parse(text).map((item: { sealed: string }) => item.sealed);
        for (const one of sealed) secrets.push(await unseal(masterKeys, context, one));
      }
    }
    return secrets;
  }

  async uses(): Promise<string[]> {
    const uses = await listUses(this.run);
    return uses.map(({ column, key, texts }) => `${column.table} ${key} ${texts}`);
  }
}

function place(table: string, field: string, row: string) {
  return { table, field, row, app: "app_1", livemode: true };
}

function countsOf({ anew }: Awaited<ReturnType<typeof reseal>>): number[] {
  return SEALED_COLUMNS.map((column) => anew.get(column) ?? -1);
}

async function openShop(): Promise<Shop> {
  const shop = new Shop();
  await shop.addSigningKey("sk_1", OLD);
  await shop.addSigningKey("sk_2", ROTATING);
  await shop.addEndpoint("we_1", OLD);
  await shop.addEndpoint("we_2", ROTATING, OLD, OLD);
  await shop.addEndpoint("we_3", NEW);
  await shop.addAccount("ca_1", 1, OLD);
  await shop.addAccount("ca_1", 2, OLD);
  return shop;
}

describe("resealing", () => {
  test("leaves every secret as it was, under the newest key alone", async () => {
    const shop = await openShop();
    const before = await shop.opened(ROTATING);
    expect(await shop.uses()).toEqual([
      "signing_keys k_ 1",
      "signing_keys k_1 1",
      "webhook_endpoints k_ 2",
      "webhook_endpoints k_1 3",
      "channel_accounts k_1 2",
    ]);
    const items = shop.texts(ENDPOINTS).map((text) => JSON.parse(text));

    const resealed = await reseal(shop.run, ROTATING);

    expect(resealed).toMatchObject({ newest: "k_", unopened: [] });
    expect(countsOf(resealed)).toEqual([1, 3, 2]);
    expect(await shop.opened(NEW)).toEqual(before);
    expect(await shop.uses()).toEqual([
      "signing_keys k_ 2",
      "webhook_endpoints k_ 5",
      "channel_accounts k_ 2",
    ]);
    const dates = (list: { createdAt: number; expiresAt: number | null }[]) =>
      list.map(({ createdAt, expiresAt }) => [createdAt, expiresAt]);
    expect(shop.texts(ENDPOINTS).map((text) => dates(JSON.parse(text)))).toEqual(items.map(dates));
  });

  test("finds nothing left the second time, and touches nothing", async () => {
    const shop = await openShop();
    await reseal(shop.run, ROTATING);
    const before = [SIGNING_KEYS, ENDPOINTS, ACCOUNTS].map((column) => shop.texts(column));
    shop.calls = [];
    expect(countsOf(await reseal(shop.run, ROTATING))).toEqual([0, 0, 0]);
    expect([SIGNING_KEYS, ENDPOINTS, ACCOUNTS].map((column) => shop.texts(column))).toEqual(before);
    expect(shop.calls.flat().filter((statement) => statement.startsWith("update"))).toEqual([]);
  });

  test("works on an empty database", async () => {
    expect(await reseal(new Shop().run, NEW)).toMatchObject({ newest: "k_", unopened: [], uses: [] });
    await expect(reseal(new Shop().run, "{}")).rejects.toThrow("no master key");
  });

  test("goes through many rows in few calls, none of them too large", async () => {
    const shop = new Shop();
    shop.database.exec("begin");
    for (let i = 0; i < 450; i++) await shop.addEndpoint(`we_${String(i).padStart(3, "0")}`, OLD);
    for (let i = 0; i < 50; i++) await shop.addSigningKey(`sk_${i}`, OLD, "x".repeat(1700));
    shop.database.exec("commit");
    expect(countsOf(await reseal(shop.run, ROTATING))).toEqual([50, 450, 0]);
    expect(await shop.opened(NEW)).toHaveLength(500);
    const sizes = shop.calls.map((statements) => Buffer.byteLength(statements.join(";\n")));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(QUERY_BYTES_MAX);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    // Three pages of rows, a last look, and as many replacements a call as fit.
    expect(shop.calls.length).toBeLessThanOrEqual(4 + 3 + Math.ceil(bytes / QUERY_BYTES_MAX) + 1);
  });
});

describe("resealing beside a running Worker", () => {
  const isUpdate = (statements: readonly string[]) => statements[0]?.startsWith("update");

  test("never undoes what the Worker wrote between read and write", async () => {
    const shop = new Shop();
    await shop.addEndpoint("we_1", OLD);
    await shop.addEndpoint("we_2", OLD);
    const rolled = new Shop();
    await rolled.addEndpoint("we_1", OLD, OLD);
    let writes = 0;
    shop.before = (statements) => {
      if (isUpdate(statements) && ++writes === 1)
        shop.set(ENDPOINTS, "we_1", rolled.texts(ENDPOINTS)[0] ?? "");
    };
    const resealed = await reseal(shop.run, ROTATING);
    expect(writes).toBe(2);
    expect(countsOf(resealed)).toEqual([0, 3, 0]);
    expect(await shop.opened(NEW)).toEqual(["whsec 0 of we_1", "whsec 1 of we_1", "whsec 0 of we_2"]);
  });

  test("leaves a row that changes every time for the next run, and says so", async () => {
    const shop = new Shop();
    await shop.addSigningKey("sk_1", OLD);
    const context = place("signing_keys", "private_key", "sk_1");
    shop.before = async (statements) => {
      if (isUpdate(statements)) shop.set(SIGNING_KEYS, "sk_1", await seal(OLD, context, "changed"));
    };
    const resealed = await reseal(shop.run, ROTATING);
    expect(countsOf(resealed)).toEqual([0, 0, 0]);
    expect(resealed.uses).toMatchObject([{ key: "k_1", texts: 1 }]);
    shop.before = () => {};
    expect(countsOf(await reseal(shop.run, ROTATING))).toEqual([1, 0, 0]);
    expect(await shop.opened(NEW)).toEqual(["changed"]);
  });

  test("goes on where a run was ended, wherever that was", async () => {
    const whole = await openShop();
    await reseal(whole.run, ROTATING);
    for (let end = 0; end < whole.calls.length; end++) {
      const shop = await openShop();
      const secrets = await shop.opened(ROTATING);
      shop.before = () => {
        if (shop.calls.length === end) throw new Error("ended");
      };
      await expect(reseal(shop.run, ROTATING)).rejects.toThrow("ended");
      expect(await shop.opened(ROTATING)).toEqual(secrets);
      shop.before = () => {};
      await reseal(shop.run, ROTATING);
      expect(await shop.opened(NEW)).toEqual(secrets);
    }
  });
});

describe("what cannot be opened", () => {
  test("is named by table and row and left as it is, and everything else is sealed anew", async () => {
    const shop = await openShop();
    await shop.addSigningKey("sk_3", JSON.stringify({ lost: A }));
    await shop.addEndpoint("we_4", OLD, JSON.stringify({ lost: A }));
    shop.addEndpointHolding("we_5", "whsec_plain");
    shop.addEndpointHolding("we_6", '{"sealed":"v1.k_1.a.b"}');
    shop.addEndpointHolding("we_7", '[{"sealed":null}]');
    shop.addEndpointHolding("we_8", "[]");
    const [ofAnother = ""] = shop.texts(SIGNING_KEYS);
    await shop.addSigningKey("sk_4", OLD);
    shop.set(SIGNING_KEYS, "sk_4", ofAnother);
    const texts = (column: string | undefined, ids: number[]) => ids.map((i) => shop.texts(column)[i]);
    const left = () => [texts(SIGNING_KEYS, [2, 3]), texts(ENDPOINTS, [4, 5, 6, 7])];
    const before = left();

    const resealed = await reseal(shop.run, ROTATING);

    const list = "does not hold a list of sealed texts (app app_1, live)";
    expect(resealed.unopened).toEqual([
      'signing_keys.private_key of sk_3 is sealed with the unknown key "lost" (app app_1, live)',
      "signing_keys.private_key of sk_4 was changed or sealed for another place (app app_1, live)",
      'webhook_endpoints.secrets of we_4 is sealed with the unknown key "lost" (app app_1, live)',
      `webhook_endpoints.secrets of we_5 ${list}`,
      `webhook_endpoints.secrets of we_6 ${list}`,
      `webhook_endpoints.secrets of we_7 ${list}`,
    ]);
    expect(left()).toEqual(before);
    expect(countsOf(resealed)).toEqual([1, 4, 2]);
    expect(await shop.uses()).toEqual([
      "signing_keys k_ 2",
      "signing_keys k_1 1",
      "signing_keys lost 1",
      "webhook_endpoints null 3",
      "webhook_endpoints k_ 6",
      "webhook_endpoints lost 1",
      "channel_accounts k_ 2",
    ]);
  });

  test("is named once, also when it fills more than a page, and what comes after it is sealed anew", async () => {
    const shop = new Shop();
    for (let i = 100; i < 510; i++) await shop.addEndpoint(`we_${i}`, JSON.stringify({ lost: A }));
    await shop.addEndpoint("we_999", OLD);
    const { unopened, ...resealed } = await reseal(shop.run, ROTATING);
    expect(unopened).toHaveLength(410);
    expect(new Set(unopened).size).toBe(410);
    expect(resealed.uses.map(({ key, texts }) => [key, texts])).toEqual([
      ["k_", 1],
      ["lost", 410],
    ]);
  });

  test("includes an account's text that was copied from another revision", async () => {
    const shop = new Shop();
    await shop.addAccount("ca_1", 1, OLD);
    await shop.addAccount("ca_1", 2, OLD);
    shop.set(ACCOUNTS, "ca_1", shop.texts(ACCOUNTS)[0] ?? "");
    const { unopened } = await reseal(shop.run, ROTATING);
    expect(unopened).toEqual([
      expect.stringContaining("channel_accounts.credentials of alipay/ca_1/2 was changed"),
    ]);
  });
});
