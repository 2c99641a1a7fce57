import { and, eq } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { Refund } from "./refund.ts";
import { refunds } from "./table.ts";

/** A refund by its id alone, as D1 knows it: a moment behind its ledger. */
export async function findRefund(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<{ charge: string; refund: Refund } | undefined> {
  const [row] = await db
    .select({ charge: refunds.charge, refund: refunds.doc })
    .from(refunds)
    .where(and(eq(refunds.app, app), eq(refunds.livemode, livemode), eq(refunds.id, id)));
  return row;
}
