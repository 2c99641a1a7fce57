// Ways to break a body: its document, its text, its bytes, its form, its size and what the headers say of it.
import type { Dice } from "../emulators/dice.ts";
import { type Draft, fieldsOf } from "./draft.ts";
import {
  BYTES,
  CONTENT_TYPES,
  FORM_PIECES,
  KEYS,
  NUMBER_TEXTS,
  STRING_TEXTS,
  TEXTS,
} from "./hostile-values.ts";
import { Fields, type Node, nodeOf, objectsIn, type Place, placesIn, Raw } from "./json-text.ts";

export type Break = (draft: Draft, dice: Dice) => void;

/** `MAX` of `decode-body.ts`. */
const BODY_BYTES_MAX = 64 * 1024;
const FORM = "application/x-www-form-urlencoded";

function anyNode(dice: Dice): Node {
  const kind = dice.between(0, 7);
  switch (kind) {
    case 0:
      return new Raw(dice.pick(NUMBER_TEXTS));
    case 1:
      return new Raw(dice.pick(STRING_TEXTS));
    case 2:
      return nodeOf(dice.pick(TEXTS));
    case 3:
      return new Raw(dice.pick(["null", "true", "false"]));
    case 4:
      return [];
    case 5:
      return new Fields([]);
    case 6:
      return [anyNode(dice)];
    default:
      return new Fields([[JSON.stringify(dice.pick(KEYS)), new Raw(dice.pick(NUMBER_TEXTS))]]);
  }
}

/** Replaces the value at some place; at a new one if there is none. */
function atSomePlace(work: (place: Place, dice: Dice) => void): Break {
  return (draft, dice) => {
    const fields = fieldsOf(draft);
    if (fields.entries.length === 0) fields.entries.push(['"metadata"', new Fields([])]);
    work(dice.pick(placesIn(fields)), dice);
  };
}

function deep(levels: number, dice: Dice): Node {
  const [open, close] = dice.chance(0.5) ? ["[", "]"] : ['{"a":', "}"];
  return new Raw(`${open.repeat(levels)}1${close.repeat(levels)}`);
}

const asText =
  (change: (text: string, dice: Dice) => string): Break =>
  (draft, dice) => {
    fieldsOf(draft);
    // The dice are thrown when the text is made: once, as it is made once.
    const own = dice.fork();
    draft.texts.push((text) => change(text, own));
  };

const asBytes =
  (change: (bytes: Uint8Array, dice: Dice) => Uint8Array): Break =>
  (draft, dice) => {
    fieldsOf(draft);
    const own = dice.fork();
    draft.bytes.push((bytes) => change(bytes, own));
  };

function spliced(bytes: Uint8Array, at: number, inserted: readonly number[], dropped = 0): Uint8Array {
  return new Uint8Array([...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at + dropped)]);
}

function asForm(draft: Draft): void {
  draft.form = true;
  draft.contentType = FORM;
}

export const BODY_BREAKS: Record<string, Break> = {
  "another value": atSomePlace((place, dice) => place.set(anyNode(dice))),
  "another number": atSomePlace((place, dice) => place.set(new Raw(dice.pick(NUMBER_TEXTS)))),
  "another text": atSomePlace((place, dice) => place.set(nodeOf(dice.pick(TEXTS)))),
  "a text no parser likes": atSomePlace((place, dice) => place.set(new Raw(dice.pick(STRING_TEXTS)))),
  "a value quoted": atSomePlace((place) => {
    const node = place.get();
    place.set(node instanceof Raw ? new Raw(JSON.stringify(node.text)) : new Raw('"{}"'));
  }),
  "a value left out": atSomePlace((place) => place.drop()),
  "a value in a list": atSomePlace((place) => place.set([place.get()])),
  "a value nested deep": atSomePlace((place, dice) =>
    place.set(deep(dice.pick([5, 99, 100, 101, 500, 2000, 9000]), dice)),
  ),
  "many pairs": atSomePlace((place, dice) => {
    const count = dice.pick([20, 21, 50, 1000]);
    place.set(new Fields(Array.from({ length: count }, (_, i) => [`"k${i}"`, new Raw('"v"')])));
  }),
  "many items": atSomePlace((place, dice) =>
    place.set(Array.from({ length: dice.pick([33, 1000, 5000]) }, () => new Raw("1"))),
  ),
  "one more key": (draft, dice) => {
    const object = dice.pick(objectsIn(fieldsOf(draft)));
    object.entries.push([JSON.stringify(dice.pick(KEYS)), anyNode(dice)]);
  },
  "a key twice": (draft, dice) => {
    const object = dice.pick(objectsIn(fieldsOf(draft)));
    const [key] = dice.pick([...object.entries, ['"metadata"', new Raw("1")] as [string, Node]]);
    object.entries.splice(dice.between(0, object.entries.length), 0, [key, anyNode(dice)]);
  },
  "a key spelt with escapes": (draft, dice) => {
    const entry = fieldsOf(draft).entries[0];
    if (entry === undefined) return;
    const name = JSON.parse(entry[0]) as string;
    const spelt = [...name].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
    entry[0] = dice.chance(0.5) ? `"${spelt}"` : `"${spelt}\\u0000"`;
  },
  "another document": (draft, dice) => {
    fieldsOf(draft);
    draft.texts = [
      () =>
        dice.pick([
          "",
          " ",
          "[]",
          "[[]]",
          "[{}]",
          "null",
          "true",
          "0",
          '"a"',
          "{",
          "}",
          "[",
          "{}{}",
          "\u0000",
        ]),
    ];
  },
  "a text cut off": asText((text, dice) => text.slice(0, dice.between(0, Math.max(0, text.length - 1)))),
  "something left over": asText(
    (text, dice) => text + dice.pick([",", "}", "{}", "x", "\n\n", "//", "\u0000", ";"]),
  ),
  "something before": asText(
    (text, dice) => dice.pick(["\ufeff", "\ufeff\ufeff", ")]}',\n", " \n", "//x\n", "/**/", "x"]) + text,
  ),
  "a comma too many": asText((text) => text.replace(/[}\]]/, ",$&")),
  "a comment inside": asText((text) => text.replace(/[,{]/, "$&/* x */")),
  "single quotes": asText((text) => text.replaceAll('"', "'")),
  "keys without quotes": asText((text) => text.replaceAll(/"(\w+)":/g, "$1:")),
  "a character changed": asText((text, dice) => {
    const at = dice.between(0, text.length);
    return (
      text.slice(0, at) +
      dice.pick(['"', "\\", "{", "[", ":", ",", "\u0000", "\ud800", "é", "%", "&"]) +
      text.slice(at + 1)
    );
  }),
  "bytes that are not UTF-8": asBytes((bytes, dice) =>
    spliced(bytes, dice.between(0, bytes.length), dice.pick(BYTES)),
  ),
  "a byte changed": asBytes((bytes, dice) =>
    spliced(bytes, dice.between(0, Math.max(0, bytes.length - 1)), [dice.between(0, 255)], 1),
  ),
  "UTF-16": asBytes((bytes, dice) => {
    const mark = dice.chance(0.5) ? [0xff, 0xfe] : [];
    return new Uint8Array([...mark, ...[...bytes].flatMap((byte) => [byte, 0])]);
  }),
  "the same as a form": asForm,
  "a form's piece added": (draft, dice) => {
    asForm(draft);
    fieldsOf(draft);
    const piece = dice.pick(FORM_PIECES);
    draft.texts.push(dice.chance(0.5) ? (text) => `${text}&${piece}` : (text) => `${piece}&${text}`);
  },
  "a form's piece alone": (draft, dice) => {
    asForm(draft);
    fieldsOf(draft);
    const piece = dice.pick(FORM_PIECES);
    draft.texts.push(() => piece);
  },
  "JSON called a form": (draft) => {
    fieldsOf(draft);
    draft.contentType = FORM;
  },
  "a form called JSON": (draft) => {
    fieldsOf(draft);
    draft.form = true;
  },
  "another content type": (draft, dice) => {
    fieldsOf(draft);
    draft.contentType = dice.pick(CONTENT_TYPES);
  },
  "two content types": (draft, dice) => {
    fieldsOf(draft);
    draft.headers.push(["Content-Type", dice.pick(CONTENT_TYPES) ?? "text/plain"]);
  },
  "a content encoding": (draft, dice) => {
    fieldsOf(draft);
    draft.headers.push([
      "Content-Encoding",
      dice.pick(["gzip", "deflate", "br", "identity", "x", "gzip, gzip", ""]),
    ]);
    if (dice.chance(0.3))
      draft.bytes.push(
        () => new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
      );
  },
  "a size about the limit": asText((text, dice) => {
    const size = BODY_BYTES_MAX + dice.pick([-1, 0, 1, 2, 5000, 300_000]);
    return text.padEnd(size - (new TextEncoder().encode(text).length - text.length), " ");
  }),
  "a long value about the limit": atSomePlace((place, dice) =>
    place.set(nodeOf(dice.pick(["x", "é", "😀", "\u0001"]).repeat(dice.pick([8000, 16_000, 60_000])))),
  ),
  "a wrong length announced": (draft, dice) => {
    fieldsOf(draft);
    draft.headers.push([
      "Content-Length",
      dice.pick(["0", "-1", "1", "65537", "99999999999", "abc", "1e3", ""]),
    ]);
  },
  "no body": (draft) => {
    draft.tree = null;
  },
};
