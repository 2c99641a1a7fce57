import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exportRefunds } from "../../src/refunds/export-refunds.ts";
import { begun, streamOf } from "../../src/refunds/export-stream.ts";
import type { FoundRefund } from "../../src/refunds/search.ts";
import type { SearchPosition } from "../../src/search/search.ts";
import { aCharge, aRefund } from "./refund-fixture.ts";

/** A list of refunds that is asked for page by page, and how often it was. */
function list(length: number, failsAt = Number.POSITIVE_INFINITY) {
  const charge = aCharge();
  const asked: number[] = [];
  const find = async (position: SearchPosition | null, limit: number): Promise<FoundRefund[]> => {
    asked.push(limit);
    if (asked.length > failsAt) throw new Error("Failed query: select secret");
    const first = position === null ? 0 : Number(position.created) + 1;
    return Array.from({ length: Math.max(0, Math.min(limit, length - first)) }, (_, i) => {
      const created = first + i;
      const refund = aRefund("succeeded", { id: idOf(created), created });
      const position = { created, seq: 1, id: refund.id, amount: refund.amount };
      return { refund, charge, channel: "wx", currency: "cny", position };
    });
  };
  return { asked, find };
}

const idOf = (i: number) => `re_${String(i).padStart(24, "0")}`;
const ndjson = { format: "ndjson", bom: false, position: null } as const;

function idsIn(text: string): string[] {
  if (text === "") return [];
  expect(text.endsWith("\n")).toBe(true);
  return text
    .slice(0, -1)
    .split("\n")
    .map((line) => JSON.parse(line).id);
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("an export", () => {
  it("holds each refund once and in order, as many as it may", async () => {
    const sizes = [0, 1, 249, 250, 251, 500, 625];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...sizes),
        fc.constantFrom(1, 249, 250, 251, 500, 100_000),
        async (length, limit) => {
          const { asked, find } = list(length);
          const stream = streamOf(await begun(exportRefunds(find, { ...ndjson, limit })), () => {});
          const ids = idsIn(await new Response(stream).text());
          expect(ids).toEqual(Array.from({ length: Math.min(length, limit) }, (_, i) => idOf(i)));
          expect(Math.max(...asked)).toBeLessThanOrEqual(250);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("asks for a page only when the one before has been taken: a slow reader makes it wait", async () => {
    const { asked, find } = list(10_000);
    const stream = streamOf(await begun(exportRefunds(find, { ...ndjson, limit: 10_000 })), () => {});
    expect(asked).toHaveLength(1);
    const reader = stream.getReader();
    for (let page = 1; page <= 4; page++) {
      await settle();
      expect(asked.length).toBeLessThanOrEqual(page);
      await reader.read();
    }
    await reader.cancel();
  });

  it("asks for nothing more once its reader has gone away", async () => {
    const { asked, find } = list(10_000);
    const stream = streamOf(await begun(exportRefunds(find, { ...ndjson, limit: 10_000 })), () => {});
    const reader = stream.getReader();
    await reader.read();
    await reader.read();
    await reader.cancel();
    await settle();
    expect(asked).toHaveLength(2);
    expect((await reader.read()).done).toBe(true);
  });

  it("that cannot go on ends in an error, which says nothing of the reason", async () => {
    const { find } = list(10_000, 2);
    const failures: unknown[] = [];
    const pieces = await begun(exportRefunds(find, { ...ndjson, limit: 10_000 }));
    const reader = streamOf(pieces, (error) => failures.push(error)).getReader();
    await reader.read();
    await reader.read();
    await expect(reader.read()).rejects.toThrow(/^the export could not be finished$/);
    expect(failures).toEqual([new Error("Failed query: select secret")]);
  });

  it("that cannot begin fails before there is an answer", async () => {
    const { find } = list(10, 0);
    await expect(begun(exportRefunds(find, { ...ndjson, limit: 10 }))).rejects.toThrow("Failed query");
  });
});
