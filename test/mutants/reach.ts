// Tells a mutant that nobody noticed from one whose patched code never ran: the second says nothing about the checker.
import { Session } from "node:inspector/promises";
import type { Patch } from "./patch.ts";
import { placeOf } from "./patched-modules.ts";

/** Whether any of the patched places is run by `work`. Counting slows it down a few times. */
export async function isReached(patches: Patch[], work: () => Promise<void>): Promise<boolean> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  await work();
  const { result } = await session.post("Profiler.takePreciseCoverage");
  session.disconnect();
  return patches.some((patch) => {
    const place = placeOf(patch, patches);
    // What was only taken away leaves no place to look at.
    if (place === null) return true;
    const ranges = result.filter(({ url }) => url === place.url).flatMap(({ functions }) => functions);
    const around = ranges
      .flatMap((each) => each.ranges)
      .filter(({ startOffset, endOffset }) => startOffset <= place.offset && place.offset < endOffset)
      .sort((a, b) => a.endOffset - a.startOffset - (b.endOffset - b.startOffset));
    return (around[0]?.count ?? 0) > 0;
  });
}
