// Guessed ids (S3): each is a 404 that costs nothing lasting, on every route that takes one.
import { exports } from "cloudflare:workers";
import { afterAll, expect, it, vi } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import { mintId } from "../../src/ids.ts";
import { routes } from "../../src/routes.ts";
import { ledgersInUse, storedRows } from "../books.ts";
import { bodyOf, expectError, GUESSES, paramsOf, pathOf } from "../exam.ts";
import { type Answer, BASE, type ErrorObject, random, TestApp } from "../harness.ts";

const GUESSED = 2000;
/** As many at a time as a connection of HTTP/2 would bring. */
const AT_ONCE = 50;

afterAll(() => void vi.restoreAllMocks());

async function expectNoRows(attempt: () => Promise<void>): Promise<void> {
  const rows = await storedRows();
  await attempt();
  expect(await storedRows()).toEqual(rows);
}

const guess = () => Object.fromEntries(Object.entries(GUESSES).map(([kind, make]) => [kind, make()]));

it(`${GUESSED} guessed charges are 404 each, on every route that takes one, and their ledgers hold no table and no alarm (S3)`, {
  timeout: 120_000,
}, async () => {
  const app = await TestApp.create({ scopes: SCOPES });
  const reaching = routes.filter((route) => paramsOf(route).includes("charge"));
  const charges = Array.from({ length: GUESSED }, () => mintId("charge", random));
  const calls = vi.spyOn(globalThis, "fetch");
  const ledgers = await ledgersInUse();
  await expectNoRows(async () => {
    for (let from = 0; from < GUESSED; from += AT_ONCE) {
      const answers = charges.slice(from, from + AT_ONCE).map((charge, i) => {
        const route = reaching[(from + i) % reaching.length] as (typeof reaching)[number];
        const live = (from + i) % 3 === 0;
        return app.send(route.method, pathOf(route, { ...guess(), charge }), { body: bodyOf(route), live });
      });
      for (const answer of await Promise.all(answers)) {
        expectError(answer, 404);
        expect(answer.body.error.param).toBe("id");
      }
    }
  });
  // Each of them was woken to say no; none holds anything.
  expect(await ledgersInUse()).toEqual(ledgers);
  expect(calls).not.toHaveBeenCalled();
});

it("500 guesses of every other kind of id are 404 each and store nothing (S3)", {
  timeout: 60_000,
}, async () => {
  const app = await TestApp.create({ scopes: SCOPES });
  const reaching = routes.filter(
    (route) => paramsOf(route).length > 0 && !paramsOf(route).includes("charge"),
  );
  const guessed = Array.from(
    { length: 500 },
    (_, i) => reaching[i % reaching.length] as (typeof reaching)[number],
  );
  await expectNoRows(async () => {
    for (let from = 0; from < guessed.length; from += guessed.length / 2) {
      const answers = guessed.slice(from, from + guessed.length / 2).map((route) => {
        const live = route.path.startsWith("/v1/channel_accounts");
        return app.send(route.method, pathOf(route, guess()), { body: bodyOf(route), live });
      });
      for (const answer of await Promise.all(answers)) expectError(answer, 404);
    }
  });
});

it("500 guessed addresses of notices are 404 each and store nothing (S3)", { timeout: 60_000 }, async () => {
  const app = await TestApp.create({ scopes: SCOPES });
  const channels = ["wx", "alipay", "stripe", "manual", "sandbox", "__proto__", "constructor", "%00"];
  await expectNoRows(async () => {
    for (let i = 0; i < 500; i++) {
      const tag = [...random(8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const channel = channels[i % channels.length];
      const charge = i % 2 === 0 ? `/${mintId("charge", random)}` : "";
      const mode = ["live", "test", "LIVE", "__proto__"][i % 4];
      const response = await exports.default.fetch(
        `${BASE}/notify/${channel}/${app.id}/${mode}${charge}/${tag}`,
        {
          method: "POST",
          body: "{}",
        },
      );
      const text = await response.text();
      const answer = { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
      expectError(answer as Answer<ErrorObject>, 404);
    }
  });
});
