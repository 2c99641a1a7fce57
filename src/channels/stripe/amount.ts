// Amounts as Stripe has them (https://docs.stripe.com/currencies). Its minor units are not always those of ISO 4217:
// an ariary has no decimals there, a króna still has two that must be zero, and a dinar's last digit must be zero.
// Nothing is rounded: an amount that Stripe cannot express is refused before it is sent.
import { currencyExponent } from "../../money.ts";

/** Decimal digits of Stripe's minor unit. Currencies not listed have two, or what ISO 4217 says if Stripe has none. */
const ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" ");
const THREE_DECIMAL = "bhd jod kwd omr tnd".split(" ");
/**
 * Whole numbers that Stripe writes with two decimals, always 00. The shilling is on Stripe's list of zero decimals too;
 * its special case says two, and it is the special cases that speak of amounts of charges.
 */
const WHOLE_WITH_TWO = ["isk", "ugx"];

function exponentAtStripe(currency: string): number {
  if (ZERO_DECIMAL.includes(currency)) return 0;
  if (WHOLE_WITH_TWO.includes(currency)) return 2;
  if (THREE_DECIMAL.includes(currency)) return 3;
  return currencyExponent(currency);
}

/** `amount` (minor units, ISO 4217) in Stripe's minor units; null when Stripe cannot express it. */
export function toStripeAmount(amount: number, currency: string): number | null {
  const scaled = scale(amount, exponentAtStripe(currency) - currencyExponent(currency));
  if (!Number.isSafeInteger(scaled)) return null;
  if (WHOLE_WITH_TWO.includes(currency) && scaled % 100 !== 0) return null;
  if (THREE_DECIMAL.includes(currency) && scaled % 10 !== 0) return null;
  return scaled;
}

/** Stripe's amount in minor units of ISO 4217. A fraction of one stays a fraction, and so equals no amount of ours. */
export function fromStripeAmount(amount: number, currency: string): number {
  return scale(amount, currencyExponent(currency) - exponentAtStripe(currency));
}

function scale(amount: number, digits: number): number {
  return digits < 0 ? amount / 10 ** -digits : amount * 10 ** digits;
}
