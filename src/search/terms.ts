// What an object is found by: the words of its description and the pairs of its metadata. The same rules make the terms
// of an object and those of a question, so what one leaves out the other leaves out too. Chinese, Japanese and Korean
// put no spaces between words (and Thai and its neighbours none either): there every two characters in a row are a term.

/** Of one object; together with its pairs that makes 64 at most. */
export const WORDS_MAX = 44;
const CHARACTERS_MAX = 32;
const PAIR_MAX = 64;

/** Letters and digits in a row, with the marks that belong to them. */
const RUNS = /[\p{L}\p{N}\p{M}]+/gu;
const UNSPACED =
  "\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Bopo}\\p{scx=Hang}\\p{scx=Thai}\\p{scx=Laoo}\\p{scx=Khmr}\\p{scx=Mymr}";
/** Splits a run where its writing changes: `iPhone手机壳` is a word and a row of characters. */
const PARTS = new RegExp(`[${UNSPACED}]+|[^${UNSPACED}]+`, "gu");
const IS_UNSPACED = new RegExp(`^[${UNSPACED}]`, "u");

/** The distinct terms of a text in the order of the text, the first of them if they are many; maybe none. */
export function wordsOf(text: string): string[] {
  const words = new Set<string>();
  for (const [run] of text.normalize("NFKC").toLowerCase().matchAll(RUNS)) {
    for (const [part] of run.matchAll(PARTS)) {
      for (const word of IS_UNSPACED.test(part) ? pairsOf(part) : [part])
        words.add(cut(word, CHARACTERS_MAX));
    }
  }
  return [...words].slice(0, WORDS_MAX);
}

/** The term of a pair of metadata, exactly as it is. No word is like it: words hold no brackets. */
export function pairTerm(key: string, value: string): string {
  return cut(JSON.stringify([key, value]), PAIR_MAX);
}

/** Whether the term says all of the pair: others may begin like a long one. */
export function isWhole(key: string, value: string): boolean {
  const text = JSON.stringify([key, value]);
  return cut(text, PAIR_MAX) === text;
}

/** All terms of an object, each once. */
export function termsOf(object: {
  description: string | null;
  metadata: Readonly<Record<string, string>>;
}): string[] {
  const pairs = Object.entries(object.metadata).map(([key, value]) => pairTerm(key, value));
  return [...new Set([...pairs, ...wordsOf(object.description ?? "")])];
}

/** Every two characters in a row; one alone says too little to be looked for. */
function pairsOf(part: string): string[] {
  const characters = [...part];
  return characters.slice(1).map((character, i) => `${characters[i]}${character}`);
}

function cut(text: string, max: number): string {
  return [...text].slice(0, max).join("");
}
