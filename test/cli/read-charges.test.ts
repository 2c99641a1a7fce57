// Files of charges, read line by line.
import { describe, expect, it } from "vitest";
import { type ChargeLine, type Format, fingerprintOf, readCharges } from "../../cli/read-charges.ts";

const CHARGE = {
  order_no: "o1",
  channel: "wx",
  amount: 100,
  client_ip: "127.0.0.1",
  subject: "s",
  body: "b",
  paid: true,
};

/** Reads a text handed over in pieces of a few bytes: a line, or a character, may begin in one and end in another. */
async function read(
  format: Format,
  text: string | Uint8Array,
  livemode = false,
  piece = 7,
): Promise<ChargeLine[]> {
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  async function* pieces() {
    for (let from = 0; from < bytes.length; from += piece) yield bytes.subarray(from, from + piece);
  }
  const lines: ChargeLine[] = [];
  for await (const line of readCharges(pieces(), format, livemode)) lines.push(line);
  return lines;
}

const ndjson = (...charges: object[]) => charges.map((charge) => JSON.stringify(charge)).join("\n");

describe("NDJSON", () => {
  it("a bad line is named and the lines after it are read", async () => {
    const lines = await read("ndjson", `${ndjson(CHARGE)}\n\n{"order_no":\n${ndjson(CHARGE)}`);
    expect(lines.map((line) => [line.line, "error" in line])).toEqual([
      [1, false],
      [3, true],
      [4, false],
    ]);
  });

  it("a line separator inside a string does not end the line", async () => {
    const [line] = await read("ndjson", ndjson({ ...CHARGE, subject: "a\u2028b" }));
    expect(line).toMatchObject({ body: { subject: "a\u2028b" } });
  });

  it("a whole charge counts what was refunded elsewhere, and is refused while a refund still runs there", async () => {
    const refunds = (status: string) => ({
      object: "list",
      has_more: false,
      data: [{ amount: 40, status, succeed: status === "succeeded" }],
    });
    const [done, failed, running] = await read(
      "ndjson",
      ndjson(
        { ...CHARGE, object: "charge", refunds: refunds("succeeded") },
        { ...CHARGE, refunds: refunds("failed") },
        { ...CHARGE, refunds: refunds("pending") },
      ),
    );
    expect(done).toMatchObject({ body: { amount_refunded: 40 } });
    expect(failed).toMatchObject({ body: { amount_refunded: 0 } });
    expect(running).toMatchObject({ error: expect.stringContaining("still pending") });
  });

  it("a live charge is not recorded with a test key", async () => {
    const [line] = await read("ndjson", ndjson({ ...CHARGE, livemode: true }));
    expect(line).toMatchObject({ error: expect.stringContaining("livemode") });
  });

  it("bytes that are no UTF-8 are an error", async () => {
    const [line] = await read("ndjson", Buffer.from([0x7b, 0xff, 0x7d, 0x0a]));
    expect(line).toEqual({ line: 1, error: "not UTF-8" });
  });
});

describe("CSV", () => {
  const HEADER = "order_no,channel,amount,paid,client_ip,subject,body,shop,metadata.till";
  const row = (amount: string, subject = "s") => `o1,wx,${amount},true,127.0.0.1,${subject},b,north,7`;

  it("cells have their field's type and further columns become metadata", async () => {
    expect(await read("csv", `\ufeff${HEADER}\r\n${row("100")}\r\n`)).toEqual([
      { line: 2, body: { ...CHARGE, metadata: { shop: "north", till: "7" } } },
    ]);
  });

  it("a bad line has the number an editor shows, after empty lines and lines inside quotes", async () => {
    const lines = await read(
      "csv",
      `${HEADER}\n\n${row("100", '"a\nb"')}\n${row("1.5")}\n${row("100")},more\n`,
    );
    expect(lines.map((line) => [line.line, "error" in line ? line.error.split(":")[0] : "good"])).toEqual([
      [3, "good"],
      [5, "amount"],
      [6, "10 cells under 9 columns"],
    ]);
  });

  it("a broken quote is an error, and every row before it is read", async () => {
    for (const [broken, piece] of [
      ['"o2,wx', 7],
      [`o"2,wx`, 7],
      ['"o2"x,wx', 7],
      ['"o2"x,wx', 10_000],
    ] as const) {
      const text = `${HEADER}\n${row("100")}\n${row("200")}\n${broken}\n`;
      const lines = await read("csv", text, false, piece);
      expect(lines.map((line) => [line.line, "error" in line])).toEqual([
        [2, false],
        [3, false],
        [4, true],
      ]);
      expect(lines[2]).toMatchObject({ error: expect.stringContaining("not CSV") });
    }
  });

  it("text in another encoding is an error", async () => {
    const bytes = Buffer.concat([
      Buffer.from(`${HEADER}\no1,wx,100,true,,`),
      Buffer.from([0xb2, 0xe2, 0x2c]),
      Buffer.from("b,,\n"),
    ]);
    const [line] = await read("csv", bytes);
    expect(line).toMatchObject({ line: 2, error: expect.stringContaining("UTF-8") });
  });
});

it("a fingerprint is the charge's, at one service, with one key", () => {
  const one = fingerprintOf("a", CHARGE);
  expect(fingerprintOf("a", { ...CHARGE })).toBe(one);
  expect(fingerprintOf("b", CHARGE)).not.toBe(one);
  expect(fingerprintOf("a", { ...CHARGE, amount: 101 })).not.toBe(one);
});
