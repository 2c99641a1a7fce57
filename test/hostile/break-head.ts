// Ways to break what comes before a body: the method, the path, the query, the key and the other headers.
import type { Dice } from "../emulators/dice.ts";
import type { Break } from "./break-body.ts";
import type { Draft } from "./draft.ts";
import { TEXTS } from "./hostile-values.ts";

const long = (length: number) => "x".repeat(length);

/** What a URL may hold raw, and what a text becomes there. */
const escaped = (text: string) => encodeURIComponent(text.toWellFormed());

const RAW_VALUES = [
  "",
  "%",
  "%zz",
  "%00",
  "%ff",
  "%ed%a0%80",
  "%c0%ae",
  "%25",
  "%250a",
  "+",
  "0",
  "-1",
  "1.5",
  "1e3",
  "01",
  "%EF%BC%91",
  "99999999999999999999",
  "true",
  "TRUE",
  "null",
  "[]",
  "any",
  "ch_000000000000000000000000",
  "re_000000000000000000000000",
  long(64),
  long(65),
  long(5000),
];

const QUERY_NAMES = [
  "limit",
  "starting_after",
  "ending_before",
  "created",
  "created[gt]",
  "created[gte]",
  "created[lt]",
  "created[lte]",
  "created[x]",
  "app[id]",
  "channel",
  "paid",
  "refunded",
  "attention",
  "type",
  "delivery_status",
  "event",
  "endpoint",
  "status",
  "expand[]",
  "expand",
  "limit[]",
  "limit[gt]",
  "Limit",
  "__proto__",
  "constructor",
  "__proto__[limit]",
  "",
  "%",
  "%00",
  "%5Blimit%5D",
  "key",
  "access_token",
  "_method",
];

/** A path's segment changed: the last one is mostly an id or a verb. */
const inSegment =
  (change: (segment: string, dice: Dice) => string): Break =>
  (draft, dice) => {
    const segments = draft.path.split("/");
    const at = dice.chance(0.6) ? segments.length - 1 : dice.between(1, segments.length - 1);
    segments[at] = change(segments[at] ?? "", dice);
    draft.path = segments.join("/");
  };

const AUTHORIZATIONS: ((key: string, dice: Dice) => string | null)[] = [
  () => null,
  () => "",
  () => " ",
  () => "Bearer",
  () => "Bearer ",
  (key) => `bearer  ${key}`,
  (key) => `Bearer ${key} x`,
  (key) => `Bearer ${key},${key}`,
  (key) => `Bearer\t${key}`,
  (key) => `Bearer "${key}"`,
  (key) => `Bearer ${key.toUpperCase()}`,
  (key) => `Bearer ${key.slice(0, -1)}`,
  (key) => `Bearer ${key}0`,
  (key) => `Bearer ${key.replace(/_(test|live)_/, (_, mode) => (mode === "test" ? "_live_" : "_test_"))}`,
  (key) => `Bearer ${key.slice(0, 8)}é${key.slice(9)}`,
  (key) => key,
  (key) => `Digest ${key}`,
  (key) => `Token token=${key}`,
  (key) => `Basic ${key}`,
  (key) => `Basic ${btoa(key)}`,
  (key) => `Basic ${btoa(`${key}:`)}`,
  (key) => `Basic ${btoa(`${key}:::::`)}`,
  (key) => `Basic ${btoa(`:${key}`)}`,
  (key) => `Basic ${btoa(`${key}\u0000:`)}`,
  (key) => `Basic ${btoa(`${key}:`).replaceAll("=", "")}`,
  (key) => `Basic ${btoa(`${key}:\u00ff`)}`,
  () => "Basic ====",
  () => "Basic %%%%",
  () => `Basic ${btoa(":".repeat(500))}`,
  () => `Basic ${long(1000)}`,
  () => `Bearer ${long(20_000)}`,
  (_, dice) => `Basic ${btoa(String.fromCharCode(...dice.bytes(dice.between(1, 60))))}`,
  (_, dice) => `Bearer sk_test_${"0".repeat(dice.pick([23, 24, 25]))}`,
];

const HEADERS: Record<string, readonly string[]> = {
  "Idempotency-Key": [
    "",
    " ",
    '""',
    '"',
    '"a',
    "a b",
    "é",
    long(255),
    long(256),
    long(9000),
    "__proto__",
    "a,b",
    "\t",
  ],
  Prefer: [
    "wait=0",
    "wait=-1",
    "wait=1e3",
    "wait=",
    "wait",
    "respond-async, wait=9",
    'wait="0"',
    ",,,",
    "wait=0;wait=1",
    long(3000),
  ],
  "Accept-Language": [
    "",
    "*",
    ",,,",
    "en",
    "zh;q=0,en;q=0",
    "en;q=nan",
    "en;q=9.9.9",
    "en-".repeat(500),
    "en,".repeat(2000),
    "é",
  ],
  Accept: ["", "text/html", "application/xml", "*/*;q=0", "image/*", long(2000)],
  "Pingplusplus-Signature": ["", "x", "%%%", "A".repeat(344), long(9000), "====", "é"],
  "Pingplusplus-Request-Timestamp": [
    "",
    "0",
    "-1",
    "1e9",
    "99999999999",
    "9999999999999",
    "now",
    "1 2",
    "０",
  ],
  "Pingplusplus-Version": ["", "2099-01-01", long(500)],
  "User-Agent": ["", "Pingpp/v1 NodeBindings/2", "Pingpp", "curl/8", long(5000), "() { :; };"],
  "X-HTTP-Method-Override": ["DELETE", "GET", "POST"],
  "X-Forwarded-For": ["127.0.0.1", "::1", "' OR 1=1--"],
  "X-Forwarded-Host": ["evil.example.com"],
  "X-Original-URL": ["/v1/charges", "/admin"],
  Host: ["evil.example.com", "", "127.0.0.1:1", "[::1]"],
  Origin: ["https://evil.example.com", "null"],
  Referer: ["https://evil.example.com/"],
  Cookie: ["session=1", long(9000), "=", ";;;"],
  Range: ["bytes=0-1", "bytes=-1", "x"],
  "If-None-Match": ["*", '"x"'],
  "If-Modified-Since": ["Thu, 01 Jan 2099 00:00:00 GMT"],
  Expect: ["100-continue", "x"],
  TE: ["trailers"],
  Upgrade: ["h2c"],
  Forwarded: ["for=127.0.0.1;host=evil.example.com"],
};

export const HEAD_BREAKS: Record<string, Break> = {
  "another method": (draft, dice) => {
    draft.method = dice.pick([
      ...[
        "GET",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "HEAD",
        "OPTIONS",
        "TRACE",
        "PROPFIND",
        "SEARCH",
        "COPY",
        "get",
        "post",
      ],
    ]);
  },
  "an id that is none": inSegment((_, dice) => escaped(dice.pick(TEXTS).slice(0, 2000))),
  "an id raw": inSegment((_, dice) => dice.pick(RAW_VALUES)),
  "an id in another case": inSegment((segment) => segment.toUpperCase()),
  "an id with something on it": inSegment(
    (segment, dice) =>
      segment + dice.pick(["%00", "%20", ";a=b", ".json", "%2f..", "?", "%0a", "/", "//", "%23", ","]),
  ),
  "an id encoded": inSegment((segment) =>
    [...segment].map((c) => `%${c.charCodeAt(0).toString(16).padStart(2, "0")}`).join(""),
  ),
  "a segment too many": (draft, dice) => {
    draft.path += `/${dice.pick(["x", "", ".", "..", "%2e%2e", "refunds", "sync", "..%2f..", "%5c"])}`;
  },
  "a segment too few": (draft) => {
    draft.path = draft.path.slice(0, Math.max(1, draft.path.lastIndexOf("/")));
  },
  "a path trick": (draft, dice) => {
    const { path } = draft;
    draft.path = dice.pick([
      path.replaceAll("/", "//"),
      `/.${path}`,
      `/x/..${path}`,
      `/%2e%2e${path}`,
      path.replace("/v1", "/V1"),
      path.replace("/v1", ""),
      path.replace("/v1", "/v1/v1"),
      path.replace("/v1/", "/v1%2f"),
      path.replace("/v1/", "/v1\\"),
      `${path}/`,
      `${path}//`,
      `${path};x`,
      `/${long(8000)}`,
      `/${"a/".repeat(2000)}`,
      `/notify${path}`,
      "/notify/alipay/app_x/live/0123456789abcdef",
      "/notify/__proto__/__proto__/__proto__/__proto__",
      "/notify/stripe/app_x/test/ch_x/0123456789abcdef",
      "/healthz",
      "/healthz/",
      "/metrics",
      "/",
      "//",
      "/.env",
      "/v1",
      "/v1/refunds",
      "/v1/settings",
      "/cdn-cgi/x",
    ]);
  },
  "a query": (draft, dice) => {
    for (let i = dice.between(1, 3); i > 0; i--) {
      draft.query.push([
        dice.pick(QUERY_NAMES),
        dice.chance(0.5) ? dice.pick(RAW_VALUES) : escaped(dice.pick(TEXTS)),
      ]);
    }
  },
  "a query twice": (draft, dice) => {
    const pair = draft.query[0] ?? ["limit", "5"];
    draft.query.push(pair, [pair[0], dice.pick(RAW_VALUES)]);
  },
  "a query without end": (draft, dice) => {
    const count = dice.pick([100, 1000]);
    for (let i = 0; i < count; i++) draft.query.push([`k${i}`, "v"]);
  },
  "a bare query": (draft, dice) => {
    draft.path += dice.pick(["?", "??", "?&&&", "?=", "?a", "#x", "?#x"]);
  },
  "another Authorization": (draft, dice) => {
    const key = keyOf(draft);
    draft.headers = draft.headers.filter(([name]) => name !== "Authorization");
    const value = dice.pick(AUTHORIZATIONS)(key, dice);
    if (value !== null) draft.headers.push(["Authorization", value]);
  },
  "two Authorizations": (draft, dice) => {
    draft.headers.push(["Authorization", dice.pick(["Bearer x", `Bearer ${keyOf(draft)}`, ""])]);
  },
  "a header": (draft, dice) => {
    const name = dice.pick(Object.keys(HEADERS));
    draft.headers.push([name, dice.pick(HEADERS[name] ?? [""])]);
  },
  "many headers": (draft, dice) => {
    const count = dice.pick([50, 200]);
    for (let i = 0; i < count; i++) draft.headers.push([`X-Filler-${i}`, "v"]);
  },
  "a huge header": (draft, dice) => {
    draft.headers.push(["X-Filler", long(dice.pick([8000, 30_000, 120_000]))]);
  },
};

function keyOf({ headers }: Draft): string {
  const value = headers.find(([name]) => name === "Authorization")?.[1] ?? "";
  return value.slice(value.indexOf(" ") + 1);
}
