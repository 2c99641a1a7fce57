// A request while it is being made: its parts stay apart until it is sent, so that each can be broken by itself.
import type { Route } from "../../src/http/registry.ts";
import { Fields, formOf, type Node, textOf } from "./json-text.ts";

/** Whose key the request carries. */
export type Caller = "test" | "live";

export interface Draft {
  /** The route it was made for; null for addresses outside the registry. */
  route: Route | null;
  caller: Caller;
  method: string;
  /** The path, raw: what stands here is sent. */
  path: string;
  /** Names and values of the query, raw. */
  query: [name: string, value: string][];
  /** In order; a name may come more than once. */
  headers: [name: string, value: string][];
  contentType: string | null;
  /** Null for no body. */
  tree: Node | null;
  form: boolean;
  /** What happens to the body's text, then to its bytes. */
  texts: ((text: string) => string)[];
  bytes: ((bytes: Uint8Array) => Uint8Array)[];
}

/** A request as it is sent. */
export interface HostileRequest {
  method: string;
  /** Path and query. */
  target: string;
  headers: [name: string, value: string][];
  body: Uint8Array<ArrayBuffer> | null;
  caller: Caller;
  route: Route | null;
}

export function requestOf(draft: Draft): HostileRequest {
  const query = draft.query.map(([name, value]) => `${name}=${value}`).join("&");
  const headers = [...draft.headers];
  const body = bodyOf(draft);
  if (draft.contentType !== null) headers.push(["Content-Type", draft.contentType]);
  return {
    method: draft.method,
    target: query === "" ? draft.path : `${draft.path}?${query}`,
    headers,
    body,
    caller: draft.caller,
    route: draft.route,
  };
}

function bodyOf({ method, tree, form, texts, bytes }: Draft): Uint8Array<ArrayBuffer> | null {
  // The platform's own Request takes no body there; the wire's tests send one.
  if (tree === null || method === "GET" || method === "HEAD") return null;
  let text = form ? formOf(tree) : textOf(tree);
  for (const change of texts) text = change(text);
  let encoded: Uint8Array = new TextEncoder().encode(text);
  for (const change of bytes) encoded = change(encoded);
  return new Uint8Array(encoded);
}

/** The object at the top of the body; a fresh one where there is none. */
export function fieldsOf(draft: Draft): Fields {
  if (!(draft.tree instanceof Fields)) draft.tree = new Fields([]);
  return draft.tree;
}

/** The request as a command for a shell. */
export function curlOf({ method, target, headers, body }: HostileRequest): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = ["curl -i --path-as-is -X", method, quoted(`http://127.0.0.1:8787${target}`)];
  for (const [name, value] of headers) parts.push("-H", quoted(`${name}: ${shortened(value)}`));
  if (body !== null) parts.push("--data-binary", ansi(body));
  return parts.join(" ");
}

function shortened(value: string): string {
  return value.length <= 300 ? value : `${value.slice(0, 300)}…(${value.length} characters)`;
}

/** Bytes in the shell's `$'…'`. */
function ansi(bytes: Uint8Array): string {
  const shown = [...bytes.subarray(0, 1500)].map((byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, "0")}`,
  );
  const rest = bytes.length > 1500 ? `…(${bytes.length} bytes)` : "";
  return `$'${shown.join("")}'${rest}`;
}
