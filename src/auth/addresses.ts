// The addresses a key may be used from: IPv4 and IPv6, alone or as CIDR ranges. An IPv4-mapped IPv6 address is the IPv4
// address it stands for; beyond that neither family contains the other, `::/0` included.
import ipaddr from "ipaddr.js";

export interface AddressRange {
  family: "ipv4" | "ipv6";
  /** The network: bits behind the prefix are zero. */
  bytes: readonly number[];
  bits: number;
}

/** Reads an address or a CIDR range; null for anything else, octal and hexadecimal spellings of IPv4 included. */
export function parseRange(text: string): AddressRange | null {
  const [, address = "", prefix] = /^([0-9a-fA-F.:]{2,45})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (!ipaddr.IPv4.isValidFourPartDecimal(address) && !ipaddr.IPv6.isValid(address)) return null;
  const given = ipaddr.parse(address);
  const all = given.toByteArray();
  let bits = prefix === undefined ? all.length * 8 : Number(prefix);
  if (bits > all.length * 8) return null;
  let bytes = all;
  if (given instanceof ipaddr.IPv6 && given.isIPv4MappedAddress() && bits >= 96) {
    bytes = all.slice(12);
    bits -= 96;
  }
  return { family: bytes.length === 4 ? "ipv4" : "ipv6", bytes: masked(bytes, bits), bits };
}

/** The one spelling of a range that is stored and shown; a single address goes without a prefix. */
export function formatRange({ bytes, bits }: AddressRange): string {
  const address = ipaddr.fromByteArray([...bytes]).toString();
  return bits === bytes.length * 8 ? address : `${address}/${bits}`;
}

export function isWithin(inner: AddressRange, outer: AddressRange): boolean {
  return (
    inner.family === outer.family &&
    inner.bits >= outer.bits &&
    masked(inner.bytes, outer.bits).every((byte, i) => byte === outer.bytes[i])
  );
}

/** Whether a list lets in nothing that another keeps out; null stands for anywhere. */
export function isListWithin(inner: readonly string[] | null, outer: readonly string[] | null): boolean {
  if (outer === null) return true;
  if (inner === null) return false;
  const outerRanges = rangesOf(outer);
  return rangesOf(inner).every((range) => outerRanges.some((other) => isWithin(range, other)));
}

/** Whether a request from that address may use a key with that list. An address that is not known passes no list. */
export function isAllowedFrom(address: string | null, allowed: readonly string[] | null): boolean {
  if (allowed === null) return true;
  const range = address === null ? null : parseRange(address);
  return range !== null && rangesOf(allowed).some((other) => isWithin(range, other));
}

/** A list lives as long as the remembered key it belongs to, and is read once. */
const readLists = new WeakMap<readonly string[], readonly AddressRange[]>();

function rangesOf(list: readonly string[]): readonly AddressRange[] {
  let ranges = readLists.get(list);
  if (ranges === undefined) {
    // An entry that cannot be read lets nobody in.
    ranges = list.map(parseRange).filter((range) => range !== null);
    readLists.set(list, ranges);
  }
  return ranges;
}

function masked(bytes: readonly number[], bits: number): number[] {
  return bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))));
}
