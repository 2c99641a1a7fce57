// At rest, money and rows: the ledgers on the disk, D1 and the channels' own books tell one story.
import type { Export } from "../../src/charges/ledger-calls.ts";
import { holdsMoney, isFinal, type Refund, refundOrderNo, statusOf } from "../../src/refunds/refund.ts";
import type { Blame } from "./check-answers.ts";
import type { BookedNumber, RecordedCharge, Records, Row } from "./records.ts";

/** I1, I2, I3, I7, I12, I15. */
export function checkMoney(records: Records, blame: Blame): void {
  const booked = new Map(records.booked.map((book) => [book.number, book]));
  const charges = new Map(records.charges.map((charge) => [charge.id, charge]));
  const numbers = new Set<string>();
  for (const { charge, freeze, refunds } of records.ledgers.values()) {
    if (freeze !== null) blame("I3", `${charge.id} is frozen: ${freeze}`, charge.id);
    const held = refunds.filter(holdsMoney).reduce((sum, { amount }) => sum + amount, 0);
    if (held > charge.amount) blame("I1", `${held} of ${charge.amount} is held or refunded`, charge.id);
    for (const refund of refunds) {
      const number = refundOrderNo(refund.id);
      numbers.add(number);
      checkRefund(refund, booked.get(number), charges.get(charge.id), blame, charge.id);
    }
  }
  for (const { number } of booked.values()) {
    if (!numbers.has(number)) blame("I12", `the channel knows ${number}, which is no refund's`, null);
  }
  checkMoved(records, blame);
  for (const words of records.channelViolations) blame("I2", `at the channel: ${words}`, null);
}

function checkRefund(
  refund: Refund,
  book: BookedNumber | undefined,
  charge: RecordedCharge | undefined,
  blame: Blame,
  id: string,
): void {
  const { state } = refund;
  const there = book === undefined ? "nothing" : book.moved ? "moved" : book.open ? "open" : "not moved";
  if (!isFinal(refund) && !book?.open) blame("I7", `${refund.id} is ${state}; at the channel: ${there}`, id);
  if ((state === "succeeded") !== (book?.moved ?? false)) {
    blame("I3", `${refund.id} is ${state}; at the channel: ${there}`, id);
  }
  if ((refund.timeSucceed !== null) !== (state === "succeeded")) {
    blame("I15", `${refund.id} is ${state} and succeeded at ${refund.timeSucceed}`, id);
  }
  if (book === undefined) return;
  if (book.amount !== refund.amount) {
    blame("I12", `${refund.id} of ${refund.amount} is ${book.amount} at the channel`, id);
  }
  const payment = charge?.livemode ? charge.transactionNo : charge?.id;
  if (charge !== undefined && book.payment !== payment) {
    blame("I12", `${refund.id} is a refund of ${book.payment} at the channel`, id);
  }
  if (book.effects > 1) blame("I2", `the channel paid ${refund.id} ${book.effects} times`, id);
}

/** I2, by payment; the sandbox knows a payment by its charge. */
function checkMoved({ charges, booked }: Records, blame: Blame): void {
  const moved = new Map<string, number>();
  for (const { payment, amount, effects, moved: isMoved } of booked) {
    if (isMoved) moved.set(payment, (moved.get(payment) ?? 0) + amount * Math.max(1, effects));
  }
  for (const { id, amount, livemode, transactionNo } of charges) {
    const sum = moved.get((livemode ? transactionNo : id) ?? "") ?? 0;
    if (sum > amount) blame("I2", `${sum} of ${amount} has left the channel`, id);
  }
}

/** I5, I11: D1 holds the ledgers' own records, and nothing else. */
export function checkRows(records: Records, blame: Blame): void {
  const { rows, ledgers } = records;
  const refundRows = new Map(rows.refunds.map((row) => [row.id, row]));
  const chargeRows = new Map(rows.charges.map((row) => [row.id, row]));
  for (const ledger of ledgers.values()) {
    const { id } = ledger.charge;
    compareRow(chargeRows.get(id), chargeRowOf(ledger), id, blame);
    if (ledger.undelivered.length > 0) {
      blame("I9", `${ledger.undelivered.length} events of ${id} never left its ledger`, id);
    }
    for (const refund of ledger.refunds) {
      const row = refundRows.get(refund.id);
      refundRows.delete(refund.id);
      compareRow(row, refundRowOf(refund, ledger), id, blame);
      if (row === undefined) continue;
      if (comparable(JSON.parse(String(row.doc))) !== comparable(refund)) {
        blame("I5", `D1's record of ${refund.id} differs from the ledger's`, id);
      }
    }
  }
  for (const row of refundRows.values()) {
    blame("I5", `D1 has ${row.id}, which no ledger knows`, String(row.charge));
  }
  for (const { charge, words } of rows.sightings) {
    blame("I11", `in D1 ${words}`, charge === null ? null : String(charge));
  }
  for (const { refund, charge, due_at } of rows.commands) {
    if (due_at !== null) blame("I7", `the promise of ${refund} was never kept`, String(charge));
  }
}

function chargeRowOf({ charge, refunds, freeze }: Export): Row {
  const sum = (wanted: (refund: Refund) => boolean) =>
    refunds.filter(wanted).reduce((total, { amount }) => total + amount, 0);
  return {
    id: charge.id,
    app: charge.app,
    livemode: charge.livemode ? 1 : 0,
    amount: charge.amount,
    amount_refunded: sum(({ state }) => state === "succeeded"),
    amount_pending: sum((refund) => !isFinal(refund)),
    refunded: refunds.length > 0 ? 1 : 0,
    highest_seq: Math.max(0, ...refunds.map(({ seq }) => seq)),
    freeze,
  };
}

function refundRowOf(refund: Refund, { charge }: Export): Row {
  return {
    id: refund.id,
    app: charge.app,
    livemode: charge.livemode ? 1 : 0,
    charge: charge.id,
    seq: refund.seq,
    version: refund.version,
    status: statusOf(refund.state),
    state: refund.state,
    amount: refund.amount,
    refund_no: refund.refundNo,
    attention: refund.attention,
    time_succeed: refund.timeSucceed,
    due_at: refund.dueAt,
  };
}

function compareRow(row: Row | undefined, expected: Row, charge: string, blame: Blame): void {
  if (row === undefined) {
    blame("I5", `D1 lacks ${expected.id}`, charge);
    return;
  }
  for (const [column, value] of Object.entries(expected)) {
    if (row[column] !== value) {
      blame("I5", `${expected.id}.${column} is ${row[column]} in D1 and ${value} in the ledger`, charge);
    }
  }
}

/** What the ledger notes about D1 itself is not part of what D1 is told. */
function comparable({ synced, syncDueAt, ...refund }: Refund): string {
  return JSON.stringify(Object.entries(refund).sort(([a], [b]) => (a < b ? -1 : 1)));
}
