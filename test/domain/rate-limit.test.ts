// How many requests a key may make, and how too many are refused.
import { describe, expect, it } from "vitest";
import { RateLimiter, rateHeaders, rateLimitedStatus } from "../../src/auth/rate-limit.ts";

const START = Date.UTC(2027, 0, 15);

describe("a key", () => {
  it("may make twice a second's requests at once, and then as many a second as it is set to", () => {
    const limiter = new RateLimiter();
    const admitted = (count: number, at: number) =>
      Array.from({ length: count }, () => limiter.admit("ak_1", 100, at)).filter((each) => each.admitted)
        .length;
    expect(admitted(250, START)).toBe(200);
    expect(admitted(10, START + 50)).toBe(5);
    expect(admitted(250, START + 1_050)).toBe(100);
    expect(admitted(250, START + 60_000)).toBe(200);
  });

  it("hears what it has left and when that is all of it again", () => {
    const limiter = new RateLimiter();
    const first = limiter.admit("ak_1", 10, START);
    expect(first).toEqual({ admitted: true, limit: 20, remaining: 19, resetSeconds: 1 });
    for (let i = 0; i < 19; i++) limiter.admit("ak_1", 10, START);
    const over = limiter.admit("ak_1", 10, START);
    expect(over).toEqual({ admitted: false, limit: 20, remaining: 0, resetSeconds: 2 });
    expect(rateHeaders(over)).toEqual({
      "RateLimit-Limit": "20",
      "RateLimit-Remaining": "0",
      "RateLimit-Reset": "2",
    });
  });

  it("costs no other key anything", () => {
    const limiter = new RateLimiter();
    for (let i = 0; i < 5; i++) limiter.admit("ak_1", 1, START);
    expect(limiter.admit("ak_2", 1, START).admitted).toBe(true);
  });

  it("gains nothing by a clock that is set back, and is not locked out by it", () => {
    const limiter = new RateLimiter();
    for (let i = 0; i < 2; i++) limiter.admit("ak_1", 1, START);
    expect(limiter.admit("ak_1", 1, START - 3_600_000).admitted).toBe(false);
    expect(limiter.admit("ak_1", 1, START - 3_600_000 + 1_000).admitted).toBe(true);
  });

  it("that is set to less has no more than that at once", () => {
    const limiter = new RateLimiter();
    limiter.admit("ak_1", 100, START);
    expect(limiter.admit("ak_1", 1, START + 1)).toMatchObject({ limit: 2, remaining: 1 });
  });
});

it.each([
  ["Pingpp/v1 NodeBindings/2.2.5", 403],
  ["Pingpp/v1 PythonBindings/2.1.0", 403],
  ["Pingpp Java SDK, version/2.3.10", 403],
  ["Pingpp/v1 PhpBindings/2.5.0", 429],
  ["PingppWatcher/1", 429],
  ["curl/8.9.1", 429],
  ["", 429],
])("too many requests of %j are refused with %d", (agent, status) => {
  expect(rateLimitedStatus(agent)).toBe(status);
});
