// The Worker as it is deployed, bundled, on the bare runtime, with one app and one charge in it: for requests that only a
// socket can send. The development server's proxy, which answers some of them itself, is not in the way.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../../bench/bundle.ts";
import { startRuntime } from "../../../bench/runtime.ts";
import { changeSetting, newApp } from "../../../scripts/admin-sql.ts";
import { newMasterKeys } from "../../../scripts/dev-vars.ts";
import { PROJECT } from "../../../scripts/wrangler.ts";

export interface Service {
  port: number;
  key: string;
  charge: string;
  /** How many refunds the charge has, and how many charges the app. */
  stored(): Promise<{ refunds: number; charges: number }>;
  close(): Promise<void>;
}

export async function openService(): Promise<Service> {
  const directory = mkdtempSync(join(tmpdir(), "edge-refunds-wire-"));
  const masterKeys = newMasterKeys();
  const runtime = await startRuntime(await bundle(join(directory, "bundle")), {
    state: join(directory, "state"),
    secrets: { MASTER_KEYS: masterKeys },
  });
  const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
  const app = await newApp("wire", masterKeys, { random, now: Math.floor(Date.now() / 1000) });
  const db = await runtime.database("DB");
  const unlimited = await changeSetting(app.app, "rate_limit", "10000");
  await db.batch([...migrations(), ...app.statements, unlimited].map((statement) => db.prepare(statement)));
  const ask = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`${runtime.url}${path}`, {
      ...init,
      headers: { Authorization: `Bearer ${app.testKey}`, "Content-Type": "application/json" },
    });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as { id: string; data: unknown[] };
  };
  const body = JSON.stringify({ order_no: "wire", channel: "wx", amount: 1_000_000 });
  const { id: charge } = await ask("/v1/charges", { method: "POST", body });
  return {
    port: Number(new URL(runtime.url).port),
    key: app.testKey,
    charge,
    async stored() {
      const [refunds, charges] = await Promise.all([
        ask(`/v1/charges/${charge}/refunds?limit=20`),
        ask("/v1/charges?limit=100"),
      ]);
      return { refunds: refunds.data.length, charges: charges.data.length };
    },
    async close() {
      await runtime.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The statements of all migrations, in order. */
function migrations(): string[] {
  const folder = join(PROJECT, "migrations");
  const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  return files
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("--> statement-breakpoint"));
}
