// The merchant's side: Ping++'s Node SDK as npm has it, and apps of a Worker under wrangler dev for it to talk to.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { changeSetting, type NewApp, newApp } from "../../scripts/admin-sql.ts";
import { execute } from "../../scripts/d1.ts";
import { DevServer, freePort } from "../../scripts/dev-server.ts";
import { newMasterKeys } from "../../scripts/dev-vars.ts";
import { randomToken } from "../../src/ids.ts";

export interface RefundList {
  object: string;
  url: string;
  has_more: boolean;
  data: Refund[];
}
export interface Refund {
  id: string;
  status: string;
  amount: number;
  charge: string;
  [field: string]: unknown;
}
export interface Charge {
  id: string;
  amount_refunded: number;
  refunds: RefundList;
  [field: string]: unknown;
}
export interface SdkError extends Error {
  type: string;
  rawType?: string;
  code?: string;
  param?: string;
}

/** What is used of the SDK, which has no types. A last argument in the shape of a key replaces the client's own. */
export interface Sdk {
  setHost(host: string, port: number, protocol: string): void;
  setPrivateKey(pem: string | null): void;
  charges: {
    create(body: Record<string, unknown>, key?: string): Promise<Charge>;
    retrieve(id: string, key?: string): Promise<Charge>;
    reverse(id: string, body?: Record<string, unknown>): Promise<Charge>;
    list(query: Record<string, unknown>): Promise<{ object: string; url: string; data: Charge[] }>;
    createRefund(charge: string, body: Record<string, unknown>, key?: string): Promise<Refund>;
    retrieveRefund(charge: string, refund: string): Promise<Refund>;
    listRefunds(charge: string, query?: Record<string, unknown>): Promise<RefundList>;
  };
  events: { retrieve(id: string): Promise<Record<string, unknown>> };
}

const require = createRequire(import.meta.url);
require("../../scripts/pingpp-keepalive.cjs");
const Pingpp: new (key: string) => Sdk = require("pingpp");

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });

export const token = () => randomToken((count) => crypto.getRandomValues(new Uint8Array(count)));

export const pemOf = (privateKey: KeyObject) =>
  privateKey.export({ type: "pkcs8", format: "pem" }).toString();

/** A request's signature, as every SDK makes it. */
export const signatureOf = (text: string) =>
  sign("sha256", Buffer.from(text), pair.privateKey).toString("base64");

/** Three apps: one whose requests must be signed, one that signs nothing, one that infers no repeats by time. */
export type ShopName = "signing" | "unsigned" | "unwindowed";

export interface Shop {
  url: string;
  port: number;
  apps: Record<ShopName, NewApp>;
  /** The SDK with an app's test key, talking to a port of this machine: the Worker's, or a proxy's. */
  client(name: ShopName, port?: number): Sdk;
  /** What a checkout sends to Ping++, with nothing of ours in it. */
  payment(name: ShopName, change?: Record<string, unknown>): Record<string, unknown>;
  close(): Promise<void>;
}

export async function openShop(): Promise<Shop> {
  const state = mkdtempSync(join(tmpdir(), "edge-refunds-sdk-"));
  const masterKeys = newMasterKeys();
  const port = await freePort();
  const server = new DevServer({
    port,
    state,
    vars: { LOCAL_DEV: "true" },
    secrets: { MASTER_KEYS: masterKeys },
  });
  await server.migrate();

  const mint = {
    random: (count: number) => crypto.getRandomValues(new Uint8Array(count)),
    now: Math.floor(Date.now() / 1000),
  };
  const apps: Record<ShopName, NewApp> = {
    signing: await newApp("Signing", masterKeys, mint),
    unsigned: await newApp("Unsigned", masterKeys, mint),
    unwindowed: await newApp("Unwindowed", masterKeys, mint),
  };
  const publicKey = pair.publicKey.export({ type: "spki", format: "pem" }).toString();
  await execute(server.target, [
    ...Object.values(apps).flatMap(({ statements }) => statements),
    await changeSetting(apps.signing.app, "public_key", publicKey),
    await changeSetting(apps.unwindowed.app, "duplicate_window_seconds", "0"),
  ]);
  await server.start();

  return {
    url: server.url,
    port,
    apps,
    client(name, at = port) {
      const sdk = new Pingpp(apps[name].testKey);
      sdk.setHost("127.0.0.1", at, "http");
      if (name === "signing") sdk.setPrivateKey(pemOf(pair.privateKey));
      return sdk;
    },
    payment: (name, change = {}) => ({
      order_no: token(),
      app: { id: apps[name].app },
      channel: "alipay",
      amount: 10_000,
      client_ip: "127.0.0.1",
      currency: "cny",
      subject: "Your Subject",
      body: "Your Body",
      ...change,
    }),
    async close() {
      await server.stop();
      rmSync(state, { recursive: true, force: true });
    },
  };
}
