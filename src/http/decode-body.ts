// From the bytes of a body to an object. Decided by Content-Type alone; a body that nobody can read is refused, never
// taken for an empty one: with `amount` optional that would be a full refund.
import { ProblemError } from "./problem.ts";
import { isStorableDeep } from "./storable.ts";

export const BODY_BYTES_MAX = 64 * 1024;
/** A body that is too large is read on, and forgotten, up to here: a proxy may not pass on an answer before it is sent. */
const DRAINED_BYTES_MAX = 4 * 1024 * 1024;
const FORM_DEPTH_MAX = 5;

/** Reads a body; one that comes with its length, as most do, in one go. */
export async function readBody(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  const length = Number(request.headers.get("Content-Length") ?? Number.NaN);
  if (length > BODY_BYTES_MAX) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  let body: Uint8Array<ArrayBuffer> | null;
  try {
    const isChunked = Number.isNaN(length);
    body = isChunked ? await readStream(request.body) : new Uint8Array(await request.arrayBuffer());
  } catch {
    // The client went away or sent chunks that are none: what came is not what was meant, and no failure of ours.
    throw new ProblemError({ code: "malformed_body", reason: "cut_off" });
  }
  if (body === null || body.byteLength > BODY_BYTES_MAX) throw tooLarge();
  return body;
}

/** Reads a chunked body, counting as it streams: nobody knows how long it is. Null when it is too large. */
async function readStream(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size > DRAINED_BYTES_MAX) break;
    if (size <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  if (size > BODY_BYTES_MAX) return null;
  const body = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

/** What a body says. `form` tells that every value is a string and numbers are still to be read from them. */
export interface Decoded {
  value: Record<string, unknown>;
  form: boolean;
}

export function decodeBody(bytes: Uint8Array, contentType: string | null): Decoded {
  if (bytes.byteLength === 0) return { value: {}, form: false };
  const mediaType = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase();
  const form = mediaType === "application/x-www-form-urlencoded";
  if (!form && mediaType !== "application/json") throw new ProblemError({ code: "unsupported_media_type" });
  const text = decodeText(bytes);
  const value = form ? decodeForm(text) : decodeJson(text);
  for (const [param, inner] of Object.entries(value)) {
    if (param === "__proto__" || !isStorableDeep(param) || !isStorableDeep(inner)) {
      throw new ProblemError({
        code: "invalid_parameter",
        param,
        reason: [
          "包含 NUL、不成对的代理字符、超出范围的数字或 __proto__，或嵌套过深",
          "it contains NUL, a lone surrogate, a number out of range or __proto__, or nests too deep",
        ],
      });
    }
  }
  if (!form && hasNumber(value.metadata)) value.metadata = withNumbersAsText(text).metadata;
  return { value, form };
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

function decodeText(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new ProblemError({ code: "malformed_body", reason: "utf8" });
  }
}

function decodeJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProblemError({ code: "malformed_body", reason: "json" });
  }
  // PHP's json_encode writes an empty array for an empty hash.
  if (Array.isArray(value) && value.length === 0) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProblemError({ code: "malformed_body", reason: "not_an_object" });
  }
  return value as Record<string, unknown>;
}

function hasNumber(metadata: unknown): boolean {
  return (
    typeof metadata === "object" &&
    metadata !== null &&
    Object.values(metadata).some((v) => typeof v === "number")
  );
}

/** Metadata keeps numbers as their JSON text: "1.10" is not "1.1", and 19 digits must not be rounded on the way. */
function withNumbersAsText(text: string): Record<string, unknown> {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
    Number.isFinite(value) ? (context?.source ?? value) : value,
  );
}

/** `metadata[color]=red` → `{metadata: {color: "red"}}`, `a[]=1&a[]=2` → `{a: ["1", "2"]}`. */
function decodeForm(text: string): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = percentDecode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? "" : percentDecode(pair.slice(equals + 1));
    const path = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(name);
    if (path === null) throw malformedForm();
    const keys = [
      path[1] as string,
      ...[...(path[2] as string).matchAll(/\[([^[\]]*)\]/g)].map((m) => m[1] as string),
    ];
    if (keys.length > FORM_DEPTH_MAX || keys.includes("__proto__")) throw malformedForm();
    place(root, keys, value);
  }
  return root;
}

function place(root: Record<string, unknown>, keys: string[], value: string): void {
  let node: Record<string, unknown> | unknown[] = root;
  for (const [i, key] of keys.entries()) {
    const last = i === keys.length - 1;
    if (Array.isArray(node)) {
      if (key !== "" || !last) throw malformedForm();
      node.push(value);
      return;
    }
    if (key === "") throw malformedForm();
    if (last) {
      // The same name twice has no one meaning.
      if (Object.hasOwn(node, key)) throw malformedForm();
      node[key] = value;
      return;
    }
    if (!Object.hasOwn(node, key)) node[key] = keys[i + 1] === "" ? [] : {};
    const inner: unknown = node[key];
    if (typeof inner !== "object" || inner === null) throw malformedForm();
    node = inner as Record<string, unknown> | unknown[];
  }
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw malformedForm();
  }
}

const malformedForm = () => new ProblemError({ code: "malformed_body", reason: "form" });
const tooLarge = () => new ProblemError({ code: "body_too_large" });
