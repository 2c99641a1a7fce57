// Amounts as Alipay writes them: decimal strings in the main unit ("200.12" yuan). Built from and read back into the
// digits of the integer; nothing here computes with fractions.

/** Decimal digits of the currencies that Alipay takes payments in; it knows no others. */
const EXPONENTS: ReadonlyMap<string, number> = new Map([
  ...["aed", "aud", "cad", "chf", "cny", "czk", "dkk", "eur", "gbp", "hkd", "idr", "ils"].map(twoDigits),
  ...["lkr", "mur", "myr", "nok", "nzd", "php", "rub", "sek", "sgd", "thb", "usd", "zar"].map(twoDigits),
  ["jpy", 0],
  ["krw", 0],
]);

function twoDigits(currency: string): [string, number] {
  return [currency, 2];
}

/** `20012` fen → `"200.12"`, `500` yen → `"500"`; null for a currency that Alipay does not have. */
export function formatAmount(amount: number, currency: string): string | null {
  const exponent = EXPONENTS.get(currency);
  if (exponent === undefined) return null;
  const digits = String(amount).padStart(exponent + 1, "0");
  return exponent === 0 ? digits : `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

/**
 * `"200.12"` → `20012` fen. Null for what is no amount of the currency: a fraction finer than its minor unit, a sign,
 * an exponent, more than 2^53 - 1. Some of Alipay's samples carry bare JSON numbers, so these are read as well.
 */
export function parseAmount(text: string | number, currency: string): number | null {
  const exponent = EXPONENTS.get(currency);
  const [, whole, fraction = ""] = /^(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,16}))?$/.exec(String(text)) ?? [];
  if (exponent === undefined || whole === undefined) return null;
  if (/[1-9]/.test(fraction.slice(exponent))) return null;
  const amount = Number(whole + fraction.slice(0, exponent).padEnd(exponent, "0"));
  return Number.isSafeInteger(amount) ? amount : null;
}
