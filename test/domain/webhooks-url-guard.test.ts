import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type GuardRules, refuseUrl } from "../../src/webhooks/url-guard.ts";

const LIVE: GuardRules = { livemode: true, localDevelopment: false };
const TEST: GuardRules = { livemode: false, localDevelopment: false };
const LOCAL: GuardRules = { livemode: false, localDevelopment: true };

const WORDS = {
  long: "longer than 2048",
  raw: "whitespace",
  malformed: "not a valid URL",
  scheme: "https://",
  userinfo: "user name",
  fragment: "fragment",
  port: "443 or 8443",
  ip: "IP address",
  fqdn: "fully qualified",
  special: "special-use",
  own: "this service",
} as const;

describe("in live mode", () => {
  test.each([
    "https://shop.example.com/hooks",
    "https://shop.example.com",
    "https://shop.example.com:443/hooks",
    "https://shop.example.com:8443/hooks?a=1&b=2",
    "https://shop.example.com./hooks",
    "HTTPS://SHOP.EXAMPLE.COM/Hooks",
    "https://a-b.co/x%20y",
    "https://my_shop.example.com/",
    "https://例え.jp/通知",
    "https://xn--r8jz45g.xn--q9jyb4c/",
    "https://localhost.shop.com/",
    "https://127.0.0.1.shop.com/",
    `https://shop.example.com/${"x".repeat(2000)}`,
    "https://shop.example.com/@path",
  ])("%s may be called", (url) => {
    expect(refuseUrl(url, LIVE)).toBeNull();
  });

  test.each<[string, keyof typeof WORDS]>([
    // Scheme and shape.
    ["http://shop.example.com/", "scheme"],
    ["http://shop.example.com:8443/", "scheme"],
    ["ftp://shop.example.com/", "scheme"],
    ["javascript:alert(1)", "scheme"],
    ["//shop.example.com/", "scheme"],
    ["shop.example.com/hooks", "scheme"],
    ["", "scheme"],
    ["https:shop.example.com", "malformed"],
    ["https:/shop.example.com", "malformed"],
    ["https:///shop.example.com", "malformed"],
    ["https://", "malformed"],
    ["https://?a=1", "malformed"],
    ["https://shop.example.com:99999/", "malformed"],
    ["https://shop.exa%00mple.com/", "malformed"],
    ["https://1.2.3.256/", "malformed"],
    [`https://shop.example.com/${"x".repeat(2048)}`, "long"],
    // The raw text.
    [" https://shop.example.com/", "raw"],
    ["https://shop.example.com/ ", "raw"],
    ["https://shop.example.com/a b", "raw"],
    ["https://shop.exam\tple.com/", "raw"],
    ["https://shop.example.com/\r\nX-Evil:1", "raw"],
    ["https://shop.example.com\\@evil.com/", "raw"],
    ["https:\\\\shop.example.com/", "raw"],
    ["https://shop.example.com/\u0000", "raw"],
    ["https://shop.example.com/\u00a0", "raw"],
    ["https://shop.example.com/\u3000", "raw"],
    ["https://sh\u00adop.example.com/", "raw"],
    ["https://sh\u200bop.example.com/", "raw"],
    ["https://shop.example.com/\u202emoc", "raw"],
    ["https://shop.example.com/\ud800", "raw"],
    // Parts that do not belong.
    ["https://user@shop.example.com/", "userinfo"],
    ["https://user:pass@shop.example.com/", "userinfo"],
    ["https://@shop.example.com/", "userinfo"],
    ["https://:@shop.example.com/", "userinfo"],
    ["https://shop.example.com@10.0.0.1/", "userinfo"],
    ["https://shop.example.com/#top", "fragment"],
    ["https://shop.example.com/#", "fragment"],
    ["https://shop.example.com:80/", "port"],
    ["https://shop.example.com:22/", "port"],
    ["https://shop.example.com:8080/", "port"],
    // Addresses, however they are spelt.
    ["https://127.0.0.1/", "ip"],
    ["https://127.0.0.1./", "ip"],
    ["https://127.1/", "ip"],
    ["https://0x7f.1/", "ip"],
    ["https://0x7f000001/", "ip"],
    ["https://0177.0.0.1/", "ip"],
    ["https://2130706433/", "ip"],
    ["https://①②⑦.0.0.1/", "ip"],
    ["https://１２７.0.0.1/", "ip"],
    ["https://127。0。0。1/", "ip"],
    ["https://%31%32%37.0.0.1/", "ip"],
    ["https://10.0.0.1/", "ip"],
    ["https://169.254.169.254/latest/meta-data/", "ip"],
    ["https://8.8.8.8/", "ip"],
    ["https://[::1]/", "ip"],
    ["https://[::ffff:127.0.0.1]/", "ip"],
    ["https://[fd00::1]/", "ip"],
    ["https://[2001:4860:4860::8888]/", "ip"],
    // Names that lead nowhere public.
    ["https://localhost/", "special"],
    ["https://localhost./", "special"],
    ["https://LOCALHOST/", "special"],
    ["https://ⓛocalhost/", "special"],
    ["https://api.localhost/", "special"],
    ["https://printer.local/", "special"],
    ["https://printer.local./", "special"],
    ["https://metadata.google.internal/", "special"],
    ["https://shop.test/", "special"],
    ["https://shop.example/", "special"],
    ["https://shop.invalid/", "special"],
    ["https://abcdef.onion/", "special"],
    ["https://router.home.arpa/", "special"],
    ["https://1.0.0.127.in-addr.arpa/", "special"],
    ["https://nas.lan/", "special"],
    ["https://wiki.intranet/", "special"],
    ["https://wiki.corp/", "special"],
    ["https://nas.home/", "special"],
    ["https://db.private/", "special"],
    ["https://db.localdomain/", "special"],
    // Names that are not whole.
    ["https://shop/", "fqdn"],
    ["https://com./", "fqdn"],
    ["https://shop..example.com/", "fqdn"],
    ["https://.example.com/", "fqdn"],
    ["https://shop.example.com../", "fqdn"],
    ["https://-shop.example.com/", "fqdn"],
    ["https://shop-.example.com/", "fqdn"],
    ["https://shop.example.c0m/", "fqdn"],
    ["https://sh!op.example.com/", "fqdn"],
    [`https://${"a".repeat(64)}.example.com/`, "fqdn"],
    [`https://${"a.".repeat(130)}com/`, "fqdn"],
  ])("%s is refused: %s", (url, reason) => {
    expect(refuseUrl(url, LIVE)?.[1]).toContain(WORDS[reason]);
  });

  test("our own hosts are refused on any port, with a trailing dot too", () => {
    const rules = { ...LIVE, ownHosts: ["refunds.example.com", "api.example.com:443"] };
    for (const url of [
      "https://refunds.example.com/v1/charges",
      "https://REFUNDS.example.com./",
      "https://refunds.example.com:8443/",
      "https://api.example.com/",
    ]) {
      expect(refuseUrl(url, rules)?.[1]).toContain(WORDS.own);
    }
    expect(refuseUrl("https://shop.example.com/", rules)).toBeNull();
  });
});

describe("in test mode", () => {
  test("a deployed service asks for the same as in live mode", () => {
    expect(refuseUrl("https://shop.example.com/", TEST)).toBeNull();
    expect(refuseUrl("http://shop.example.com/", TEST)?.[1]).toContain(WORDS.scheme);
    expect(refuseUrl("http://127.0.0.1:9999/", TEST)?.[1]).toContain(WORDS.scheme);
    expect(refuseUrl("https://127.0.0.1/", TEST)?.[1]).toContain(WORDS.ip);
    expect(refuseUrl("https://localhost/", TEST)?.[1]).toContain(WORDS.special);
  });

  test.each([
    "http://127.0.0.1:9999/hooks",
    "http://127.3.2.1/",
    "http://localhost:1/",
    "https://localhost:9999/",
    "http://[::1]:9999/",
  ])("a developer's machine may call %s", (url) => {
    expect(refuseUrl(url, LOCAL)).toBeNull();
    expect(refuseUrl(url, { ...LOCAL, livemode: true })).not.toBeNull();
  });

  test.each([
    "http://10.0.0.1:9999/",
    "http://169.254.169.254/",
    "http://0.0.0.0:9999/",
    "http://shop.example.com/",
    "http://shop.localhost:9999/",
    "http://[::ffff:127.0.0.1]:9999/",
    "http://user@127.0.0.1:9999/",
    "http://127.0.0.1:9999/#x",
  ])("a developer's machine still may not call %s", (url) => {
    expect(refuseUrl(url, LOCAL)).not.toBeNull();
  });

  test("a developer's machine does not call itself", () => {
    const rules = { ...LOCAL, ownHosts: ["127.0.0.1:8787"] };
    expect(refuseUrl("http://127.0.0.1:8787/v1/charges", rules)?.[1]).toContain(WORDS.own);
    expect(refuseUrl("http://127.0.0.1:9999/hooks", rules)).toBeNull();
  });
});

test("whatever text comes, it is refused or leads to a public https host on an agreed port", () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.constantFrom(
      "https://",
      "http://",
      "shop.example.com",
      "127.0.0.1",
      "[::1]",
      "@",
      ":",
      "/",
      "..",
      "#",
    ),
    fc.webUrl(),
    fc.ipV4Extended(),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
      const text = pieces.join("");
      if (refuseUrl(text, LIVE) !== null) return;
      const url = new URL(text);
      expect(url.protocol).toBe("https:");
      expect(["", "8443"]).toContain(url.port);
      expect(url.username + url.password + url.hash).toBe("");
      expect(url.hostname).toMatch(/^[a-z0-9_-]+(\.[a-z0-9_-]+)+\.?$/);
      expect(url.hostname).not.toMatch(/(^|\.)(localhost|local|internal|arpa)\.?$/);
    }),
    { numRuns: 3000 },
  );
});

test("a reason is given in Chinese and in English", () => {
  const [zh, en] = refuseUrl("https://127.0.0.1/", LIVE) ?? [];
  expect(zh).toBe("必须使用域名，不能是 IP 地址");
  expect(en).toBe("it must name a host, not an IP address");
});
