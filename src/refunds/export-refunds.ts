// An export: the refunds of a search page by page, each asked for behind the last one of the page before, so that any
// page costs the same and none is kept.
import type { SearchPosition } from "../search/search.ts";
import { type ExportedRefund, exportHead, exportLines, type Format } from "./export-format.ts";
import type { Pieces } from "./export-stream.ts";
import { refundObject } from "./schema.ts";
import type { FoundRefund } from "./search.ts";

/** Refunds asked for at once: one may be 13 KB, and a Worker has 128 MB for all it does. */
const PAGE = 250;

export interface Export {
  format: Format;
  /** Whether the file begins with a byte order mark. */
  bom: boolean;
  /** How many refunds it may hold. */
  limit: number;
  /** Where it goes on; null to begin with the first. */
  position: SearchPosition | null;
}

/** `find` gives the refunds behind a position, so many at most. */
export async function* exportRefunds(
  find: (position: SearchPosition | null, limit: number) => Promise<FoundRefund[]>,
  { format, bom, limit, position }: Export,
): Pieces {
  let head = exportHead(format, bom);
  for (let left = limit; left > 0; ) {
    const wanted = Math.min(PAGE, left);
    const found = await find(position, wanted);
    const piece = head + exportLines(format, found.map(exported));
    // An empty piece would read as the end of the transfer.
    if (piece !== "") yield piece;
    const last = found.at(-1);
    if (found.length < wanted || last === undefined) return;
    head = "";
    left -= found.length;
    position = last.position;
  }
}

function exported({ refund, charge, currency, channel }: FoundRefund): ExportedRefund {
  const [approval, batch] = [refund.approval?.status ?? null, refund.batch ?? null];
  return { refund: refundObject(refund, charge), currency, channel, approval, batch };
}
