// What a deployment's last look says about a service that answers in one wrong way or another.
import { describe, expect, it } from "vitest";
import { checkService, findOccupant } from "../../scripts/deploy/check-service.ts";

type Answers = Record<string, [number, unknown] | Error>;

const WELL: Answers = {
  "/healthz": [200, { status: "ok", environment: "production" }],
  "/readyz": [200, { status: "ready" }],
  "/v1/refunds": [401, { error: { type: "authentication_error" } }],
};

const SERVICE = { name: "production", domain: "refunds.example.com" };

/** A service that answers each look with the next of `looks`, and goes on with the last. */
async function check(...looks: Answers[]) {
  let now = 0;
  let look = 0;
  const wrong = await checkService(SERVICE, 30_000, {
    fetch: async (url) => {
      const answer = looks[Math.min(look, looks.length - 1)]?.[new URL(url).pathname];
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error(`not asked for: ${url}`);
      return Response.json(answer[1], { status: answer[0] });
    },
    now: () => now,
    wait: async (ms) => {
      now += ms;
      look++;
    },
  });
  return { wrong, seconds: now / 1000 };
}

function failed(code: string): Error {
  return new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code }) });
}

describe("the last look at a deployment", () => {
  it("is content with a service that is well, at once", async () => {
    expect(await check(WELL)).toEqual({ wrong: null, seconds: 0 });
  });

  it("waits for a domain and a certificate that are not there yet", async () => {
    const looks = [failed("ENOTFOUND"), failed("ERR_TLS_CERT_ALTNAME_INVALID")].map((error) => ({
      ...WELL,
      "/healthz": error,
    }));
    expect(await check(...looks, WELL)).toEqual({ wrong: null, seconds: 10 });
  });

  it.each<[string, Answers, string]>([
    ["a domain without an address", { "/healthz": failed("ENOTFOUND") }, "has no address yet"],
    ["an untrusted chain", { "/healthz": failed("UNABLE_TO_VERIFY_LEAF_SIGNATURE") }, "is not trusted"],
    ["a self-signed certificate", { "/healthz": failed("DEPTH_ZERO_SELF_SIGNED_CERT") }, "is not trusted"],
    ["a closed port", { "/healthz": failed("ECONNREFUSED") }, "cannot be reached"],
    [
      "the development flag",
      { "/healthz": [503, { error: { message: "LOCAL_DEV is set" } }] },
      "LOCAL_DEV is set",
    ],
    ["another service", { "/healthz": [200, "hello"] }, "/healthz answered 200"],
    [
      "another environment",
      { "/healthz": [200, { status: "ok", environment: "staging" }] },
      'not the environment "production"',
    ],
    ["a service without /readyz", { "/readyz": [404, {}] }, "/readyz answered 404"],
    ["a service that is not ready", { "/readyz": [503, { d1: "down" }] }, "/readyz answered 503"],
    [
      "a service that takes any key",
      { "/v1/refunds": [200, { data: [] }] },
      "a wrong key must be answered with 401",
    ],
  ])("tells of %s when time is up", async (_, answers, words) => {
    const { wrong, seconds } = await check({ ...WELL, ...answers });
    expect(wrong).toContain(words);
    expect(seconds).toBeLessThanOrEqual(30);
  });
});

describe("what answers under a domain before it is taken", () => {
  const occupant = (answer: Response | Error, address = true) =>
    findOccupant(SERVICE, {
      fetch: async () => {
        if (answer instanceof Error) throw answer;
        return answer;
      },
      hasAddress: async () => address,
    });
  const health = (environment?: string) => Response.json({ status: "ok", environment });

  it("is nothing without an address, and the environment itself", async () => {
    expect(await occupant(failed("ENOTFOUND"), false)).toBeNull();
    expect(await occupant(health("production"))).toBeNull();
  });

  it.each<[string, Response | Error, string]>([
    ["another environment, wherever that was deployed from", health("staging"), 'environment "staging"'],
    ["a shop", new Response("<html>"), "something else"],
    ["a service that is well, too", health(), "something else"],
    ["a host that takes no https", failed("ECONNREFUSED"), "something else"],
  ])("is told when it is %s", async (_, answer, words) => {
    expect(await occupant(answer)).toContain(words);
  });
});
