import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { REFUSALS, refuseUrl } from "../../src/webhooks/url-guard.ts";
import { DEPLOYED, DEVELOPER, LIVE, LOCAL, TEST, type Verdict } from "./webhooks-url-guard-cases.ts";

const verdictOn = (verdict: Verdict) => (verdict === "accepted" ? null : REFUSALS[verdict]);

describe("a deployed service, in both modes", () => {
  test.each(DEPLOYED)("%j: %s", (text, verdict) => {
    expect(refuseUrl(text, LIVE)).toEqual(verdictOn(verdict));
    expect(refuseUrl(text, TEST)).toEqual(verdictOn(verdict));
  });
});

describe("a developer's machine, in test mode", () => {
  test.each(DEVELOPER)("%j: %s", (text, verdict) => {
    expect(refuseUrl(text, LOCAL)).toEqual(verdictOn(verdict));
  });

  test("in live mode it asks for all that a deployed service does", () => {
    for (const [text, verdict] of DEPLOYED) {
      expect(refuseUrl(text, { ...LIVE, localDevelopment: true }), text).toEqual(verdictOn(verdict));
    }
  });

  test.each<[own: string, ports: number[]]>([
    ["127.0.0.1", [80, 443]],
    ["http://localhost", [80, 443]],
    ["[::1]:443", [443]],
    ["localhost:8787", [8787]],
    ["refunds.example.com:8787", []],
  ])("one that is called %s is itself on the loopback ports %j", (own, ports) => {
    const refused = (port: number) => {
      const scheme = port === 443 ? "https" : "http";
      return refuseUrl(`${scheme}://127.0.0.1:${port}/`, { ...LOCAL, ownHosts: [own] }) !== null;
    };
    expect([80, 443, 8443, 8787].filter(refused)).toEqual(ports);
  });
});

test("every reason refuses something above, and is told in Chinese and in English", () => {
  const told = new Set([...DEPLOYED, ...DEVELOPER].map(([, verdict]) => verdict));
  expect([...told].sort()).toEqual(["accepted", ...Object.keys(REFUSALS)].sort());
  for (const [zh, en] of Object.values(REFUSALS)) {
    expect(zh).toMatch(/\p{Script=Han}{2}/u);
    expect(en).toMatch(/^it[ -~]+$/);
  }
});

const DOTS = [".", "。", "．", "｡", "%2e"];

/** One character of a host, in any spelling that the parser reads as that character. */
function spellings(character: string): string[] {
  if (character === ".") return DOTS;
  const percent = `%${character.charCodeAt(0).toString(16)}`;
  const plain = [character, character.toUpperCase(), percent];
  if (!/[a-z0-9]/.test(character)) return plain;
  const wide = String.fromCodePoint((character.codePointAt(0) ?? 0) + 0xfee0);
  const circled = /[a-z]/.test(character)
    ? String.fromCodePoint(character.charCodeAt(0) - 97 + 0x24d0)
    : ("⓪①②③④⑤⑥⑦⑧⑨"[Number(character)] ?? character);
  return [...plain, wide, circled];
}

/** The host in one of its disguises. */
const disguised = (host: string) =>
  fc
    .tuple(
      ...[...host].map((character) => fc.constantFrom(...spellings(character))),
      fc.constantFrom("", ...DOTS),
    )
    .map((parts) => parts.join(""));

test("no disguise of a host changes the verdict on it", () => {
  const hosts = [
    "127.0.0.1",
    "169.254.169.254",
    "2130706433",
    "0x7f.1",
    "localhost",
    "printer.local",
    "metadata.google.internal",
    "refunds.example.com",
    "xn--r8jz45g.jp",
    "intranet",
    "my_shop.example.com",
  ];
  for (const host of hosts) {
    for (const rules of [LIVE, LOCAL]) {
      const verdict = refuseUrl(`https://${host}/`, rules);
      fc.assert(
        fc.property(disguised(host), (disguise) => {
          expect(refuseUrl(`https://${disguise}/`, rules)).toEqual(verdict);
        }),
      );
    }
  }
});

/** An IPv4 address as the parser takes it: 1 to 4 numbers, the last filling what is left, each in any of three bases. */
const ipv4 = fc
  .tuple(
    fc.nat(0xffffffff),
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.constantFrom(8, 10, 16), { minLength: 4, maxLength: 4 }),
  )
  .map(([address, count, bases]) => {
    const numbers: number[] = [];
    for (let i = 1; i < count; i++) numbers.push(Math.floor(address / 256 ** (4 - i)) % 256);
    numbers.push(address % 256 ** (5 - count));
    const prefixes: Record<number, string> = { 8: "0", 10: "", 16: "0x" };
    const text = numbers.map((number, i) => prefixes[bases[i] ?? 10] + number.toString(bases[i])).join(".");
    return { text, loopback: Math.floor(address / 2 ** 24) === 127 };
  });

test("no spelling of an IP address is taken for a name", () => {
  const rows = fc.oneof(
    ipv4,
    fc.ipV6().map((address) => ({ text: `[${address}]`, loopback: isLoopbackV6(address) })),
    fc.nat(0xffffff).map((rest) => ({ text: String(127 * 2 ** 24 + rest), loopback: true })),
  );
  fc.assert(
    fc.property(rows, ({ text, loopback }) => {
      expect(refuseUrl(`https://${text}/`, LIVE)).toEqual(REFUSALS.ip);
      expect(refuseUrl(`https://${text}:8443/`, LOCAL)).toEqual(loopback ? null : REFUSALS.ip);
    }),
    { numRuns: 1000 },
  );
});

function isLoopbackV6(address: string): boolean {
  return new URL(`http://[${address}]`).hostname === "[::1]";
}

test("whatever is accepted is sent to the public host that was judged, and stays accepted", () => {
  const special = /(^|\.)(localhost|local|internal|test|example|invalid|onion|alt|arpa|home|corp|mail|lan)$/;
  const host = fc.oneof(
    fc.constantFrom("shop.example.com", "例え.jp", "a_b.co", "localhost", "nas.local", "refunds.example.com"),
    fc.constantFrom("shop.example.com", "127.0.0.1").chain(disguised),
    fc.domain(),
    ipv4.map(({ text }) => text),
    fc.string({ unit: "binary", maxLength: 6 }).map((text) => `${text}.com`),
  );
  const noise = fc.oneof(
    { weight: 9, arbitrary: fc.constant("") },
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  const text = fc
    .tuple(
      noise,
      fc.constantFrom("https://", "https://", "https://", "HTTPS://", "http://", "https:", "https:/\t/"),
      fc.constantFrom("", "", "", "user@", "a:b@"),
      host,
      fc.constantFrom("", "", ".", ":443", ":8443", ":", ":80"),
      fc.constantFrom("", "/", "/hooks", "/通知?q=é%zz", "?a='\"<>", "#", "/a/../.."),
      noise,
    )
    .map((parts) => parts.join(""));
  let accepted = 0;
  fc.assert(
    fc.property(text, (text) => {
      if (refuseUrl(text, LIVE) !== null) return;
      accepted++;
      const url = new URL(text);
      const name = url.hostname.replace(/\.$/, "");
      expect(url.protocol).toBe("https:");
      expect(["", "8443"]).toContain(url.port);
      expect(url.username + url.password + url.hash).toBe("");
      expect(name).toMatch(/^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/);
      expect(isIP(name)).toBe(0);
      expect(name).not.toMatch(special);
      expect(name).not.toBe("refunds.example.com");

      expect(new Request(text).url).toBe(url.href);
      expect(new URL(url.href).href).toBe(url.href);
      expect(refuseUrl(url.href, LIVE)).toBeNull();
      const kept = new TextDecoder().decode(new TextEncoder().encode(JSON.parse(JSON.stringify(text))));
      expect(kept).toBe(text);
    }),
    { numRuns: 5000 },
  );
  expect(accepted).toBeGreaterThan(200);
});
