// Amounts are integers in the minor unit of their currency (fen, cents, yen), from 1 to 2^53 - 1.
// Nothing here computes with fractions: a decimal string is built from the digits of the integer.

/** Decimal digits of a currency's minor unit, ISO 4217. Currencies not listed have two. */
const EXPONENTS: Record<string, number> = {
  bif: 0,
  clp: 0,
  djf: 0,
  gnf: 0,
  isk: 0,
  jpy: 0,
  kmf: 0,
  krw: 0,
  pyg: 0,
  rwf: 0,
  ugx: 0,
  uyi: 0,
  vnd: 0,
  vuv: 0,
  xaf: 0,
  xof: 0,
  xpf: 0,
  bhd: 3,
  iqd: 3,
  jod: 3,
  kwd: 3,
  lyd: 3,
  omr: 3,
  tnd: 3,
};

/** How many decimal digits the minor unit of an ISO 4217 currency (lower case) has. */
export function currencyExponent(currency: string): number {
  return EXPONENTS[currency] ?? 2;
}

/** `20012` fen → `"200.12"`, `500` yen → `"500"`. `amount` in minor units, not negative. */
export function decimalAmount(amount: number, currency: string): string {
  const exponent = currencyExponent(currency);
  const digits = String(amount).padStart(exponent + 1, "0");
  return exponent === 0 ? digits : `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}
