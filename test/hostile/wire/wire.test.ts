// What fetch cannot say, over sockets, to the real local runtime. Who answers is told apart: an answer of ours carries a
// Request-Id and is JSON; the rest is the platform's own, which refuses before a Worker is asked. Deployed, Cloudflare's
// front stands in its place: what is proven here is that nothing it lets through breaks the service or stores anything.
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exchange, type Sending, type WireAnswer } from "./raw-http.ts";
import { openService, type Service } from "./service.ts";

let service: Service;

beforeAll(async () => {
  service = await openService();
});

afterAll(async () => {
  await service?.close();
  const lines = Object.entries(tally).map(([who, names]) => `${who}: ${names.length} (${names.join("; ")})`);
  console.log(lines.join("\n"));
});

/** Who refused what: for the report, and because a change of the runtime shows here. */
const tally: Record<string, string[]> = {};

function count(name: string, answers: WireAnswer[]): void {
  const [first] = answers;
  const who =
    first === undefined
      ? "closed without an answer"
      : isOurs(first)
        ? "refused by us"
        : "refused by the platform";
  tally[who] ??= [];
  tally[who].push(first === undefined ? name : `${name} ${first.status}`);
}

const JSON_TYPE = "Content-Type: application/json";
const REFUND = '{"amount":1,"description":"Smuggled"}';

const head = (line: string, ...headers: string[]) => `${[line, ...headers].join("\r\n")}\r\n\r\n`;
const host = () => `Host: 127.0.0.1:${service.port}`;
const key = () => `Authorization: Bearer ${service.key}`;
const refunds = () => `/v1/charges/${service.charge}/refunds`;
/** A refund as it should be, after which nothing of a broken request may stand. */
const good = (description: string, ...headers: string[]) => {
  const body = JSON.stringify({ amount: 1, description });
  return (
    head(
      `POST ${refunds()} HTTP/1.1`,
      host(),
      key(),
      JSON_TYPE,
      `Content-Length: ${body.length}`,
      ...headers,
    ) + body
  );
};
const get = (target: string, ...headers: string[]) => head(`GET ${target} HTTP/1.1`, host(), ...headers);
const chunked = (...body: string[]) =>
  head(`POST ${refunds()} HTTP/1.1`, host(), key(), JSON_TYPE, "Transfer-Encoding: chunked") + body.join("");

const isOurs = ({ headers }: WireAnswer) => /^iar_[0-9A-Za-z]{24}$/.test(headers["request-id"] ?? "");

/** Ours are JSON and no failure; the platform's may look as they like, but do not accept. */
function expectRefused(answer: WireAnswer): void {
  if (isOurs(answer)) {
    expect([400, 401, 404, 405, 413, 415]).toContain(answer.status);
    expect(Object.keys(JSON.parse(answer.body))).toEqual(["error"]);
    expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(answer.headers["cache-control"]).toBe("no-store");
    return;
  }
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.body).not.toMatch(/\.ts\b|node_modules|\bat \w+ \(|sqlite|select /i);
  expect(answer.body).not.toContain(service.key);
}

async function expectWell(): Promise<void> {
  const { answers } = await exchange(service.port, [get("/healthz", "Connection: close")], {
    patienceMs: 10_000,
  });
  expect(answers[0]).toMatchObject({ status: 200, body: '{"status":"ok"}' });
}

/** Sends it, and sees that nothing was stored and that the next request is answered. */
async function expectNothing(pieces: (string | Uint8Array)[], sending: Sending = {}): Promise<WireAnswer[]> {
  const before = await service.stored();
  const { answers } = await exchange(service.port, pieces, sending);
  await expectWell();
  expect(await service.stored()).toEqual(before);
  return answers;
}

describe("a request that is none", () => {
  it.each<[string, () => (string | Uint8Array)[]]>([
    ["an empty line and nothing", () => ["\r\n\r\n"]],
    ["noise", () => [new Uint8Array(300).map((_, i) => (i * 7919) % 256)]],
    ["the beginning of TLS", () => [new Uint8Array([0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3])]],
    ["the preface of HTTP/2", () => ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]],
    ["HTTP/0.9", () => ["GET /v1/charges\r\n\r\n"]],
    ["HTTP/9.9", () => [head("GET /v1/charges HTTP/9.9", host(), key())]],
    ["no version", () => [head("GET /v1/charges", host(), key())]],
    ["a method that there is not", () => [head("FOO /v1/charges HTTP/1.1", host(), key())]],
    ["a method in small letters", () => [head("post /v1/charges HTTP/1.1", host(), key())]],
    ["TRACE", () => [head("TRACE /v1/charges HTTP/1.1", host(), key())]],
    ["a target with a space", () => [head("GET /v1/charges x HTTP/1.1", host(), key())]],
    ["a target with a NUL", () => [head("GET /v1/charges\0 HTTP/1.1", host(), key())]],
    ["a target that is raw UTF-8", () => [head("GET /v1/charges/\xe9\x80\x80 HTTP/1.1", host(), key())]],
    ["a target without a slash", () => [head("GET v1/charges HTTP/1.1", host(), key())]],
    ["a target of dots", () => [head("GET /../../../etc/passwd HTTP/1.1", host(), key())]],
    ["the target *", () => [head("OPTIONS * HTTP/1.1", host())]],
    ["a target of 100 KB", () => [head(`GET /${"x".repeat(100_000)} HTTP/1.1`, host(), key())]],
    ["a header with a NUL", () => [get("/v1/charges", "Authorization: Bearer sk_test_\0")]],
    ["a header without a colon", () => [get("/v1/charges", "nonsense")]],
    ["a header without a name", () => [get("/v1/charges", ": x")]],
    ["a space before the colon", () => [get("/v1/charges", "Authorization : Bearer x")]],
    ["a folded header", () => [get("/v1/charges", "Authorization: Bearer\r\n  x")]],
    ["a lone carriage return", () => [get("/v1/charges", "X-A: a\rX-B: b")]],
    ["1 MB of headers", () => [get("/v1/charges", `X-Filler: ${"x".repeat(1_000_000)}`)]],
    ["10,000 headers", () => [get("/v1/charges", ...Array.from({ length: 10_000 }, (_, i) => `X-${i}: v`))]],
  ])("is refused: %s", async (name, pieces) => {
    const answers = await expectNothing(pieces(), { close: "end", patienceMs: 3000 });
    count(name, answers);
    for (const answer of answers) expectRefused(answer);
  });
});

it("CONNECT opens no tunnel, whatever the local runtime answers to it", async () => {
  let reached = 0;
  const listener = createServer((socket) => {
    reached++;
    socket.end("here");
  });
  const port = await new Promise<number>((resolve) =>
    listener.listen(0, "127.0.0.1", () => resolve((listener.address() as AddressInfo).port)),
  );
  const line = head(`CONNECT 127.0.0.1:${port} HTTP/1.1`, host(), key());
  const answers = await expectNothing([line, good("Smuggled")], { close: "end", patienceMs: 3000 });
  listener.close();
  expect(reached).toBe(0);
  for (const { body } of answers) expect(body).not.toMatch(/here|re_/);
});

describe("a body whose end is in doubt", () => {
  const inner = () => good("Smuggled");
  it.each<[string, () => string]>([
    [
      "a length and chunks, the length shorter",
      () =>
        `${head(
          `POST ${refunds()} HTTP/1.1`,
          host(),
          JSON_TYPE,
          "Content-Length: 4",
          "Transfer-Encoding: chunked",
        )}0\r\n\r\n${inner()}`,
    ],
    [
      "a length and chunks, the length longer",
      () =>
        `${head(
          `POST ${refunds()} HTTP/1.1`,
          host(),
          JSON_TYPE,
          "Transfer-Encoding: chunked",
          `Content-Length: ${inner().length + 5}`,
        )}0\r\n\r\n${inner()}`,
    ],
    [
      "two lengths",
      () =>
        head(
          `POST ${refunds()} HTTP/1.1`,
          host(),
          JSON_TYPE,
          "Content-Length: 0",
          `Content-Length: ${inner().length}`,
        ) + inner(),
    ],
    [
      "a negative length",
      () => head(`POST ${refunds()} HTTP/1.1`, host(), key(), JSON_TYPE, "Content-Length: -1") + REFUND,
    ],
    [
      "a length that is no number",
      () => head(`POST ${refunds()} HTTP/1.1`, host(), key(), JSON_TYPE, "Content-Length: 0x25") + REFUND,
    ],
    [
      "a length past every number",
      () =>
        head(`POST ${refunds()} HTTP/1.1`, host(), key(), JSON_TYPE, `Content-Length: ${"9".repeat(30)}`) +
        REFUND,
    ],
    [
      "a transfer encoding that there is not",
      () =>
        head(`POST ${refunds()} HTTP/1.1`, host(), key(), JSON_TYPE, "Transfer-Encoding: xchunked") + REFUND,
    ],
    [
      "two transfer encodings",
      () =>
        `${head(
          `POST ${refunds()} HTTP/1.1`,
          host(),
          JSON_TYPE,
          "Transfer-Encoding: chunked",
          "Transfer-Encoding: identity",
        )}0\r\n\r\n`,
    ],
    ["a chunk whose size is no number", () => chunked("zz\r\n", REFUND, "\r\n0\r\n\r\n")],
    ["a chunk of a negative size", () => chunked("-25\r\n", REFUND, "\r\n0\r\n\r\n")],
    ["a chunk of an endless size", () => chunked("ffffffffffffffffff\r\n", REFUND, "\r\n0\r\n\r\n")],
    ["a chunk longer than it says", () => chunked("5\r\n", REFUND, "\r\n0\r\n\r\n")],
    ["chunks without an end", () => chunked(`${REFUND.length.toString(16)}\r\n`, REFUND, "\r\n")],
  ])("is not read for more than it is: %s", async (name, request) => {
    const before = await service.stored();
    const { answers } = await exchange(service.port, [request()], { close: "end", expected: 2 });
    count(name, answers);
    await expectWell();
    // A platform that takes the second request for one of its own connection may answer it: whoever sends both holds the
    // key. What it must not do is to answer the first with it.
    const first = answers[0];
    if (first !== undefined) expectRefused(first);
    const after = await service.stored();
    expect(after.charges).toBe(before.charges);
    expect(after.refunds - before.refunds).toBeLessThanOrEqual(answers[1]?.status === 200 ? 1 : 0);
  });

  it("is nothing when the client leaves half-way, politely or not", async () => {
    const whole = good("Half");
    for (const close of ["end", "reset"] as const) {
      for (const length of [whole.length - 1, whole.length - 20, whole.indexOf("\r\n\r\n") + 4, 40]) {
        await expectNothing([whole.slice(0, length)], { close, patienceMs: 400 });
      }
    }
  });

  it("of more than 64 KiB is refused in chunks without a length, and by its length before it comes", async () => {
    const piece = `4000\r\n${" ".repeat(0x4000)}\r\n`;
    const [long] = await expectNothing([chunked(piece.repeat(5), "0\r\n\r\n")], { patienceMs: 5000 });
    expect(long?.status).toBe(413);
    const announced = head(`POST ${refunds()} HTTP/1.1`, host(), key(), JSON_TYPE, "Content-Length: 70000");
    const [early] = await expectNothing([announced, " ".repeat(70_000)], { patienceMs: 5000 });
    expect(early?.status).toBe(413);
  });

  it("on a GET is not read", async () => {
    const request =
      head(`GET ${refunds()} HTTP/1.1`, host(), key(), JSON_TYPE, `Content-Length: ${REFUND.length}`) +
      REFUND;
    const [answer] = await expectNothing([request], { patienceMs: 5000 });
    expect(answer?.status).toBe(200);
  });
});

describe("a good request in an odd shape", () => {
  it("is taken byte by byte", async () => {
    const { refunds: before } = await service.stored();
    const bytes = [...good("Byte by byte", "Connection: close")];
    const { answers } = await exchange(service.port, bytes, { patienceMs: 5000 });
    expect(answers[0]).toMatchObject({ status: 200 });
    expect((await service.stored()).refunds).toBe(before + 1);
  });

  it("is answered in turn when several come at once", async () => {
    const requests = ["/healthz", "/v1/none", "/v1/charges"].map((path) => get(path, key()));
    const { answers } = await exchange(service.port, [requests.join("")], { expected: 3, patienceMs: 5000 });
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 200]);
  });

  it("is told by its key alone, whatever host or absolute address it names", async () => {
    for (const [target, named] of [
      ["/v1/charges", "evil.example.com"],
      ["http://evil.example.com/v1/charges", "evil.example.com"],
      ["http://user:secret@127.0.0.1/v1/charges", "127.0.0.1"],
      ["/v1/charges", ""],
    ]) {
      const request = head(`GET ${target} HTTP/1.1`, `Host: ${named}`);
      const [answer] = await expectNothing([request], { patienceMs: 5000, close: "end" });
      // Nobody without a key is let in by a name; what LOCAL_DEV says to names off this machine is a 503 of its own.
      if (answer !== undefined) expect(answer.status === 503 || answer.status >= 400).toBe(true);
      expect(answer?.body ?? "").not.toContain(service.charge);
      expect(answer?.body ?? "").not.toContain("secret");
    }
  });

  it("may wait for 100 Continue", async () => {
    const { refunds: before } = await service.stored();
    const whole = good("Continued", "Expect: 100-continue", "Connection: close");
    const cut = whole.indexOf("\r\n\r\n") + 4;
    const { answers } = await exchange(service.port, [whole.slice(0, cut), whole.slice(cut)], {
      pauseMs: 100,
      patienceMs: 5000,
    });
    expect(answers[0]?.status).toBe(200);
    expect((await service.stored()).refunds).toBe(before + 1);
  });
});
