// The flag that lets requests go to loopback addresses belongs on a developer's machine alone.
import { env, exports } from "cloudflare:workers";
import { expect, it } from "vitest";

it("a Worker with LOCAL_DEV answers to loopback names, and refuses to run under any other", async () => {
  expect(env.LOCAL_DEV).toBe("true");
  for (const host of ["127.0.0.1:8787", "localhost", "[::1]"]) {
    expect((await exports.default.fetch(`http://${host}/healthz`)).status).toBe(200);
  }
  for (const host of ["refunds.example.com", "127.0.0.1.example.com", "10.0.0.1"]) {
    const answer = await exports.default.fetch(`http://${host}/healthz`);
    expect(answer.status).toBe(503);
    expect(answer.headers.get("Retry-After")).toBe("60");
    expect(await answer.json()).toMatchObject({ error: { type: "api_error" } });
  }
});
