// How it came to a violation: everything that is known of one charge, in the order in which it happened where that is
// known. For people; nothing is decided here.
import { tokenOf } from "./check-answers.ts";
import type { Records, Violation } from "./records.ts";

const LINES_MAX = 400;

export function storyOf(records: Records, { charge }: Violation): string[] {
  if (charge === null) return [];
  const lines = [`the story of ${charge}`, ...asked(records, charge), ...read(records, charge)];
  const ledger = records.ledgers.get(charge);
  lines.push(
    `  ledger: ${JSON.stringify({ ...ledger?.charge, freeze: ledger?.freeze, undelivered: ledger?.undelivered })}`,
  );
  for (const refund of ledger?.refunds ?? []) {
    const book = records.booked.find(({ number }) => refund.id === `re_${number}`);
    lines.push(`  ledger ${tokenOf(refund)} ${JSON.stringify(refund)}`);
    lines.push(`    channel: ${JSON.stringify(book ?? null)}`);
    const row = records.rows.refunds.find(({ id }) => id === refund.id);
    lines.push(`    D1: ${row === undefined ? "nothing" : `${row.state}, version ${row.version}`}`);
    for (const event of records.rows.events.filter((one) => one.refund === refund.id)) {
      const deliveries = records.rows.deliveries
        .filter((delivery) => delivery.event === event.id)
        .map(({ endpoint, status, attempts }) => `${endpoint} ${status} after ${attempts}`);
      lines.push(
        `    event ${event.seq} ${event.type} ${event.id}: ${deliveries.join(", ") || "no deliveries"}`,
      );
    }
  }
  for (const { refund, due_at, attempts } of records.rows.commands.filter((row) => row.charge === charge)) {
    lines.push(`  promise of ${refund}: due ${due_at}, after ${attempts} replays`);
  }
  return lines.slice(0, LINES_MAX);
}

const clock = (ms: number) => new Date(ms).toISOString().slice(11, 23);

function asked({ wishes }: Records, charge: string): string[] {
  return wishes
    .filter((wish) => wish.charge === charge)
    .flatMap(({ token, amount, description, refundNo, idempotencyKey, reuses, attempts }) => [
      `  asked ${token}: ${JSON.stringify({ amount, description, refundNo, idempotencyKey, reuses })}`,
      ...attempts.map(({ begunAt, endedAt, status, request, replayed, body, ledgersFail }) => {
        const how = [request, replayed, ledgersFail ? "ledgers fail" : null].filter((one) => one !== null);
        return `    ${clock(begunAt)}–${clock(endedAt)} ${status ?? "no answer"} ${how.join(" ")} ${JSON.stringify(body)}`;
      }),
    ]);
}

function read({ readings }: Records, charge: string): string[] {
  return readings
    .filter((reading) => "charge" in reading && reading.charge === charge)
    .map(({ begunAt, endedAt, shop: _, ...reading }) => {
      const what = JSON.stringify(reading);
      return `  read ${clock(begunAt)}–${clock(endedAt)} ${what.slice(0, 600)}`;
    });
}
