import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { csvRow, harmless } from "../../src/http/csv.ts";

/** Reads CSV as RFC 4180 has it, written from its grammar. */
function parse(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell = "";
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (at >= text.length) throw new Error("a quote is not closed");
        if (text[at] !== '"') cell += text[at];
        else if (text[at + 1] === '"') cell += text[at++];
        else break;
      }
      at++;
    } else {
      while (at < text.length && !/[",\r\n]/.test(text[at] as string)) cell += text[at++];
    }
    row.push(cell);
    if (text[at] === ",") at++;
    else if (text.startsWith("\r\n", at)) {
      at += 2;
      rows.push(row);
      row = [];
    } else throw new Error(`a cell goes on after its end, at ${at}`);
    if (row.length > 0 && text.startsWith("\r\n", at)) {
      row.push("");
      at += 2;
      rows.push(row);
      row = [];
    }
  }
  return rows;
}

const FORMULA = /^[\p{Z}\p{Cc}\p{Cf}"]*[=+\-@＝＋－＠]/u;
const dangerous = fc.string({
  unit: fc.constantFrom(..."=+-@＝＋－＠\t\r\n \u00a0\u3000\ufeff\u200b\u00ad\"';,|a1退😀"),
  maxLength: 12,
});
const cell = fc.oneof(
  dangerous,
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.integer(),
  fc.constant(null),
);
const rows = fc.array(fc.array(cell, { minLength: 2, maxLength: 5 }), { minLength: 1, maxLength: 4 });
const harmlessOf = (value: string | number | null) =>
  typeof value === "string" ? harmless(value) : String(value ?? "");

describe("a table as CSV", () => {
  it("parses back to its cells, whatever they hold", () => {
    fc.assert(
      fc.property(rows, (table) => {
        expect(parse(table.map(csvRow).join(""))).toEqual(table.map((row) => row.map(harmlessOf)));
      }),
    );
  });

  it("loses nothing: an apostrophe here and there is all that is added", () => {
    fc.assert(
      fc.property(dangerous, (text) => {
        const shown = [...harmless(text)];
        const without = [...text].every((sign) => {
          while (shown[0] !== sign && shown[0] === "'") shown.shift();
          return shown.shift() === sign;
        });
        expect(without && shown.length === 0).toBe(true);
      }),
    );
  });

  it("has no text that begins like a formula", () => {
    fc.assert(
      fc.property(fc.oneof(dangerous, fc.string({ unit: "binary" })), (text) => {
        expect(harmless(text)).not.toMatch(FORMULA);
        expect(harmless(text)).not.toMatch(/^[\t\r\n]/);
      }),
    );
  });

  it("has none either for a program that separates cells at semicolons or tabs and knows no quotes", () => {
    const text = fc.array(fc.array(dangerous, { minLength: 2, maxLength: 4 }), { maxLength: 3 });
    fc.assert(
      fc.property(text, (table) => {
        for (const piece of table
          .map(csvRow)
          .join("")
          .split(/[;\t\r\n]/))
          expect(piece).not.toMatch(FORMULA);
      }),
    );
  });

  it.each([
    ["=1+1", "'=1+1"],
    ["+86 10 5555", "'+86 10 5555"],
    ["-2", "'-2"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["\t=1", "'\t'=1"],
    ["\rx", "'\rx"],
    ["\nx", "'\nx"],
    ["＝1", "'＝1"],
    ["＋1", "'＋1"],
    ["－1", "'－1"],
    ["＠x", "'＠x"],
    ["   =1", "'   =1"],
    ["\u3000=1", "'\u3000=1"],
    ["\u200b=1", "'\u200b=1"],
    ['"=1', "'\"=1"],
    ["tea;=1", "tea;'=1"],
    ["tea\n=1", "tea\n'=1"],
    ["a=b, c-d, e@f", "a=b, c-d, e@f"],
    ["退货", "退货"],
    ["", ""],
  ])("shows %j as %j", (text, shown) => {
    expect(harmless(text)).toBe(shown);
  });

  it("leaves numbers alone and quotes what needs it", () => {
    expect(csvRow(["re_1", -5, null, "a,b", 'c"d', "e\nf", "2026-11-23T07:00:00Z"])).toBe(
      're_1,-5,,"a,b","c""d","e\nf",2026-11-23T07:00:00Z\r\n',
    );
  });
});
