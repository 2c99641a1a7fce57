// The Worker under wrangler dev, once for all stories: its merchants, its cron, and its address for the tests.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { Service } from "./service.ts";

/** One merchant per story, so that no story sees another's events. */
const MERCHANTS = [
  "repeated",
  "late",
  "exhausted",
  "redirected",
  "answered",
  "gone",
  "checking",
  "choosing",
  "new",
  "abandoned",
  "stormy",
] as const;

export type MerchantName = (typeof MERCHANTS)[number];

declare module "vitest" {
  interface ProvidedContext {
    url: string;
    /** Their test keys. */
    merchants: Record<MerchantName, string>;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const state = mkdtempSync(join(tmpdir(), "edge-refunds-deliveries-"));
  const service = await Service.open(state, MERCHANTS);
  project.provide("url", service.url);
  project.provide("merchants", service.keys);
  return async () => {
    await service.close();
    rmSync(state, { recursive: true, force: true });
  };
}
