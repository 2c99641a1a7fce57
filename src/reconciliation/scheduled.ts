// The sweeper, every minute: whatever a lost message or a lost alarm left behind is found here by its row.
import { forgetUsedSignatures } from "../auth/repository.ts";
import { sweepBatches } from "../batches/sweep-batches.ts";
import { forgetOrphans } from "../channels/repository.ts";
import { everyDatabase } from "../db/client.ts";
import type { Env } from "../env.ts";
import { log, nameOf } from "../log.ts";
import { sweepAlerts } from "../operation/sweep-alerts.ts";
import { deliveryRepository } from "../webhooks/delivery-repository.ts";
import { sweepDeliveries } from "../webhooks/sweep-deliveries.ts";
import { pokeLedgers } from "./poke-ledgers.ts";
import { forgetCommands } from "./repository.ts";
import { sweepCommands } from "./sweep-commands.ts";

/** Notices that nobody could place are kept for 90 days. */
const ORPHANS_MS = 90 * 86_400_000;

/** Commands that were carried out are kept for 30 days, and go so many a minute. */
const COMMANDS_MS = 30 * 86_400_000;
const COMMANDS_MAX = 1_000;

export const EVERY_MINUTE = "* * * * *";

/** Runs every part, also when another one fails; then throws, so that the failure shows. */
export async function sweep(cron: string, env: Env, now: number): Promise<void> {
  if (cron !== EVERY_MINUTE) throw new Error(`unknown cron expression: ${cron}`);
  const databases = everyDatabase(env);
  const parts = [
    sweepDeliveries(env, databases.map(deliveryRepository), now),
    ...databases.flatMap((db) => [
      sweepCommands(env, db, now),
      sweepBatches(env, db, now),
      pokeLedgers(env, db, now),
      forgetCommands(db, now - COMMANDS_MS, COMMANDS_MAX),
      forgetUsedSignatures(db, now),
      forgetOrphans(db, now - ORPHANS_MS),
      sweepAlerts(env, db, now),
    ]),
  ];
  const failed = (await Promise.allSettled(parts)).filter((result) => result.status === "rejected");
  for (const { reason } of failed) {
    log("error", { alert: "sweep_failed", error: nameOf(reason) });
  }
  if (failed.length > 0) throw new Error(`${failed.length} parts of the sweep failed`);
}
