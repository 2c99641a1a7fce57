// Which addresses may receive webhooks. We call what merchants type, so an address must not lead to us, to a private
// network or to a machine beside us. Checked when an endpoint is created or changed, and before every attempt.
// The host is judged as the parser of fetch spells it; what a name resolves to is left to the runtime
// (`global_fetch_strictly_public`).
//
// https in both modes; the one exception is test mode in local development, where http(s) to a loopback address is
// allowed on any port.

export interface GuardRules {
  livemode: boolean;
  localDevelopment: boolean;
  /** Names this service answers under, each with or without a port. A sub-domain is another name. */
  ownHosts?: readonly string[];
}

/** Why an address is refused, in Chinese and English. */
export type UrlRefusal = [zh: string, en: string];

const URL_MAX = 2048;
const PORTS = new Set(["", "443", "8443"]);

/**
 * Top-level names that do not lead to a public host: special-use (RFC 6761, 6762, 7686, 8375, 9476), the infrastructure
 * tree, and those that ICANN keeps out of the root because private networks use them. `example.com`, `.net` and `.org`
 * are special-use too, but public hosts all the same.
 */
const SPECIAL_USE = new Set([
  "alt",
  "arpa",
  "corp",
  "example",
  "home",
  "internal",
  "intranet",
  "invalid",
  "lan",
  "local",
  "localdomain",
  "localhost",
  "mail",
  "onion",
  "private",
  "test",
  "workgroup",
]);

/** Every reason there is; where several hold, one is told. */
export const REFUSALS = {
  too_long: ["百分号编码后超过 2048 个字符", "it is longer than 2048 characters, percent-encoded"],
  raw: [
    "不能包含空白、控制字符、反斜杠或不可见字符",
    "it must not contain whitespace, control characters, backslashes or invisible characters",
  ],
  malformed: ["不是有效的 URL", "it is not a valid URL"],
  userinfo: ["不能包含用户名或密码", "it must not contain a user name or password"],
  fragment: ["不能包含 # 片段", "it must not contain a fragment"],
  scheme: ["必须以 https:// 开头", "it must begin with https://"],
  ip: ["必须使用域名，不能是 IP 地址", "it must name a host, not an IP address"],
  special_use: ["不能使用保留域名", "its host must not be a special-use name"],
  fqdn: ["必须是完整的公网域名", "its host must be a fully qualified public name"],
  own_host: ["不能指向本服务", "it must not point at this service"],
  port: ["端口必须是 443 或 8443", "its port must be 443 or 8443"],
} as const satisfies Record<string, readonly [string, string]>;

/** Null when the address may be called. `text` is the address as it was given, before any parsing. */
export function refuseUrl(text: string, rules: GuardRules): null | UrlRefusal {
  const reason = reasonToRefuse(text, rules);
  return reason === null ? null : [...REFUSALS[reason]];
}

function reasonToRefuse(text: string, rules: GuardRules): keyof typeof REFUSALS | null {
  if (text.length > URL_MAX) return "too_long";
  // The parser drops or rewrites these, so they are looked for before it. DI are those that are never drawn (soft
  // hyphen, zero width, direction marks, fillers, variation selectors), Cf other format marks, Cs lone surrogates.
  if (/[\s\\\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{DI}]/u.test(text)) return "raw";
  // Likewise "https:host" and "https:///host", which it would repair.
  const authority = /^https?:\/\/([^/?#]+)/i.exec(text)?.[1];
  if (authority === undefined) return /^https?:/i.test(text) ? "malformed" : "scheme";
  if (!URL.canParse(text)) return "malformed";
  const url = new URL(text);
  // One character of the text can be nine of what is sent.
  if (url.href.length > URL_MAX) return "too_long";
  if (authority.includes("@")) return "userinfo";
  if (text.includes("#")) return "fragment";

  const host = hostOf(url);
  if (isLoopback(host) && !rules.livemode && rules.localDevelopment) {
    return isOurs(url, rules) ? "own_host" : null;
  }
  if (url.protocol !== "https:") return "scheme";
  if (isIpAddress(host)) return "ip";
  const labels = host.split(".");
  if (SPECIAL_USE.has(labels.at(-1) ?? "")) return "special_use";
  if (!isQualified(host, labels)) return "fqdn";
  if (isOurs(url, rules)) return "own_host";
  return PORTS.has(url.port) ? null : "port";
}

/** The parser has normalised it: 0x7f.1, 2130706433 and ①②⑦.1 all read 127.0.0.1. The root's dot names no other host. */
function hostOf(url: URL): string {
  return url.hostname.replace(/\.$/, "");
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isIpAddress(host: string): boolean {
  return host.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

function isQualified(host: string, labels: string[]): boolean {
  return (
    host.length <= 253 &&
    labels.length >= 2 &&
    labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)) &&
    /^([a-z]{2,}|xn--[a-z0-9-]+)$/.test(labels.at(-1) ?? "")
  );
}

/** A public name is ours on every port. A machine has many loopback names, and there the port tells who listens. */
function isOurs(url: URL, { ownHosts = [] }: GuardRules): boolean {
  const host = hostOf(url);
  return ownHosts.some((name) => {
    const spelt = name.includes("://") ? name : `http://${name}`;
    if (!URL.canParse(spelt)) return false;
    const own = new URL(spelt);
    if (!isLoopback(host)) return hostOf(own) === host;
    const listens = own.port === "" ? ["80", "443"] : [own.port];
    return (
      isLoopback(hostOf(own)) && listens.includes(url.port || (url.protocol === "https:" ? "443" : "80"))
    );
  });
}
