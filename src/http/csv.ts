// Tables as CSV (RFC 4180) that no spreadsheet runs. Excel and its kin take a cell that begins with one of a few signs
// for a formula, also in quotes, and whoever fills in an order number or a description would have it run on the machine
// of whoever opens the file. Such text gets an apostrophe in front; numbers stay what they are.

/** What a formula begins with, in full width too. */
const FORMULA = "=+\\-@＝＋－＠";
/** What a program may pass over before it looks: spaces, marks that are not seen, quotes. */
const PASSED_OVER = '[\\p{Z}\\p{Cc}\\p{Cf}"]*';
/**
 * Where a cell may begin: in front, and after what separates cells or rows for a program that does not go by commas, as
 * Excel does in half of Europe: it does not see our quotes.
 */
const BEGINS = new RegExp(`(?<=^|[;\\t\\r\\n])(?=${PASSED_OVER}[${FORMULA}])|^(?=[\\t\\r\\n])`, "gu");

/** The text with an apostrophe wherever a formula would begin. */
export function harmless(text: string): string {
  return text.replace(BEGINS, "'");
}

export type Cell = string | number | null;

/** One row with its line break. */
export function csvRow(cells: readonly Cell[]): string {
  return `${cells.map(cellText).join(",")}\r\n`;
}

function cellText(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const text = harmless(cell);
  return /^[\w.:-]*$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`;
}
