// The storm as everybody can see it: three quarters of a minute of the real local runtime, killed every second or so. It
// may not break anything, and must have been a storm. CHAOS_SECONDS and CHAOS_SEED blow another one.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PROJECT } from "../../scripts/wrangler.ts";
import { runChaos } from "./chaos.ts";

const SECONDS = Number(process.env.CHAOS_SECONDS ?? 45);
const SEED = Number(process.env.CHAOS_SEED ?? 1);
/** On a machine that is busy with other things a life begins late, and everything takes long. */
const TIMEOUT_MS = 240_000 + 2 * SECONDS * 1_000;

describe("the local runtime", () => {
  it(`that is killed every second or so for ${SECONDS} s, with D1, queues, ledgers, channels and receivers failing, breaks no promise`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const report = await runChaos({ seconds: SECONDS, seed: SEED });
    const story = [
      ...report.violations.map(({ rule, words }) => `${rule}: ${words}`),
      ...report.stories.flat(),
    ];
    expect(report.violations, story.join("\n")).toEqual([]);

    // A busy machine gets less done; this is far below what an idle one does.
    expect(report.kills).toBeGreaterThan(SECONDS / 10);
    expect(report.refunds.made).toBeGreaterThan(SECONDS / 2);
    expect(report.refunds.succeeded).toBeGreaterThan(SECONDS / 4);
    expect(report.refunds.failed).toBeGreaterThan(0);
    // Refusals and repeats of a wish make nothing.
    expect(report.refunds.asked).toBeGreaterThan(report.refunds.made);
    expect(report.retries).toBeGreaterThan(SECONDS);
    expect(report.unanswered).toBeGreaterThan(SECONDS);
    expect(report.events).toBeGreaterThan(report.refunds.made);
    expect(report.deliveries.delivered).toBeGreaterThan(SECONDS / 4);
    expect(report.duplicates).toBeGreaterThan(0);
    for (const [what, count] of Object.entries(report.injected)) expect(count, what).toBeGreaterThan(0);
  });
});

describe("npm run chaos", () => {
  it.each(["--seconds soon", "--seconds 0", "--seed 1.5", "--loud"])("does not understand %s", (words) => {
    const args = [join(PROJECT, "scripts/chaos.ts"), ...words.split(" ")];
    const { status, stderr } = spawnSync(process.execPath, args, {
      encoding: "utf8",
      timeout: 30_000,
    });
    expect({ status, stderr: stderr.trim() }).toEqual({
      status: 2,
      stderr: expect.stringContaining("Usage:"),
    });
  });
});
