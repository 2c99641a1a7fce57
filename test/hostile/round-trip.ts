// What an accepted request sent must be what is answered, what is read back, and what D1 was told.
import type { HostileRequest } from "./draft.ts";
import type { Violation } from "./judge.ts";

type Json = Record<string, unknown>;

/** Texts that are kept as they come. */
const TEXTS = [
  "description",
  "subject",
  "body",
  "order_no",
  "client_ip",
  "transaction_no",
  "refund_no",
  "url",
];
const NUMBERS = ["amount", "amount_settle", "created", "time_expire", "time_settle"];

/** The fields of a JSON body that came out otherwise than they went in. */
export function changedOnTheWay(request: HostileRequest, object: Json): Violation[] {
  const sent = jsonOf(request);
  if (sent === null) return [];
  const found: Violation[] = [];
  const differs = (field: string, was: unknown, is: unknown) =>
    found.push({
      rule: "what is stored is what was sent",
      detail: `${field}: ${JSON.stringify(was)?.slice(0, 200)} became ${JSON.stringify(is)?.slice(0, 200)}`,
    });
  for (const field of TEXTS) {
    if (typeof sent[field] === "string" && field in object && sent[field] !== object[field]) {
      differs(field, sent[field], object[field]);
    }
  }
  for (const field of NUMBERS) {
    if (typeof sent[field] === "number" && sent[field] !== object[field])
      differs(field, sent[field], object[field]);
  }
  for (const field of ["metadata", "extra"]) {
    const [was, is] = [sent[field], object[field]];
    if (!isHash(was) || !isHash(is)) continue;
    for (const [key, value] of Object.entries(was)) {
      // Metadata keeps the text of a number; which one it was, its parser has forgotten.
      const kept =
        field === "metadata" && typeof value !== "string"
          ? typeof is[key] === "string"
          : isSame(value, is[key]);
      if (!kept) differs(`${field}[${key}]`, value, is[key]);
    }
    if (field === "metadata" && Object.keys(was).length !== Object.keys(is).length) differs(field, was, is);
  }
  return found;
}

function jsonOf({ body, headers }: HostileRequest): Json | null {
  const type = headers.findLast(([name]) => name === "Content-Type")?.[1] ?? "";
  if (body === null || !/^\s*application\/json\s*(;|$)/i.test(type)) return null;
  try {
    const value: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(body),
    );
    return isHash(value) ? value : null;
  } catch {
    return null;
  }
}

const isHash = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Equal as JSON: there is one zero. */
export function isSame(a: unknown, b: unknown): boolean {
  if (typeof a === "number" || typeof b === "number") return a === b;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((x, i) => isSame(x, b[i]));
  if (isHash(a) && isHash(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]))
    );
  }
  return a === b;
}
