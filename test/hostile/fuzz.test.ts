// Whatever is sent, nothing of ours breaks, leaks or stays behind (S2, S3, F26). `npm run fuzz` sends more, with other seeds.
import { expect, it } from "vitest";
import { Fuzzer, linesOf } from "./fuzzer.ts";
import { Watch } from "./watch.ts";
import { World } from "./world.ts";

const settings = (import.meta as { env?: Record<string, string | undefined> }).env ?? {};
const SEED = Number(settings.VITE_FUZZ_SEED ?? 1);
const REQUESTS = Number(settings.VITE_FUZZ_REQUESTS ?? 6_000);
/** A single request of the seed, for looking at it again. */
const INDEX = settings.VITE_FUZZ_INDEX;

it(`${REQUESTS} hostile requests are answered as the contract says, tell nothing and leave nothing behind (S2)`, {
  timeout: 60_000 + REQUESTS * 30,
}, async () => {
  const world = await World.create();
  const fuzzer = new Fuzzer(world, await Watch.begin(world));
  const begun = performance.now();
  const report =
    INDEX === undefined ? await fuzzer.run(SEED, REQUESTS) : await fuzzer.run(SEED, 1, Number(INDEX));
  console.log(linesOf(report, (performance.now() - begun) / 1000).join("\n"));
  expect(report.findings).toEqual([]);
});
