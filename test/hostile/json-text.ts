// JSON as text that can be wrong: what a parser would repair or refuse (numbers as they are spelt, keys that come twice,
// escapes without a partner) can be written here, and any place in a document can be found and replaced.

/** A scalar, spelt exactly so. */
export class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An object: its keys as JSON texts, quotes included, in order and as often as they come. */
export class Fields {
  readonly entries: [key: string, value: Node][];
  constructor(entries: [string, Node][]) {
    this.entries = entries;
  }
}

export type Node = Raw | Fields | Node[];

export function nodeOf(value: unknown): Node {
  if (Array.isArray(value)) return value.map(nodeOf);
  if (typeof value === "object" && value !== null) {
    return new Fields(Object.entries(value).map(([key, inner]) => [JSON.stringify(key), nodeOf(inner)]));
  }
  return new Raw(JSON.stringify(value) ?? "null");
}

export function textOf(node: Node): string {
  if (node instanceof Raw) return node.text;
  if (Array.isArray(node)) return `[${node.map(textOf).join(",")}]`;
  return `{${node.entries.map(([key, inner]) => `${key}:${textOf(inner)}`).join(",")}}`;
}

/** A place in a document whose value can be read and replaced. */
export interface Place {
  get(): Node;
  set(node: Node): void;
  /** Removes it from what holds it. */
  drop(): void;
}

/** Every place below a node. */
export function placesIn(node: Node): Place[] {
  const places: Place[] = [];
  const visit = (inner: Node): void => {
    if (Array.isArray(inner)) {
      for (const i of inner.keys()) {
        places.push({
          get: () => inner[i] as Node,
          set: (next) => void inner.splice(i, 1, next),
          drop: () => void inner.splice(i, 1),
        });
        visit(inner[i] as Node);
      }
    } else if (inner instanceof Fields) {
      for (const entry of inner.entries) {
        places.push({
          get: () => entry[1],
          set: (next) => void entry.splice(1, 1, next),
          drop: () => void inner.entries.splice(inner.entries.indexOf(entry), 1),
        });
        visit(entry[1]);
      }
    }
  };
  visit(node);
  return places;
}

/** Every object in a document, the whole one included. */
export function objectsIn(node: Node): Fields[] {
  if (node instanceof Raw) return [];
  if (Array.isArray(node)) return node.flatMap(objectsIn);
  return [node, ...node.entries.flatMap(([, inner]) => objectsIn(inner))];
}

/** The document as a form: hashes and lists in brackets, scalars without their quotes. */
export function formOf(node: Node): string {
  const pairs: string[] = [];
  const visit = (name: string, inner: Node): void => {
    if (inner instanceof Raw) {
      pairs.push(`${encode(name)}=${encode(plainOf(inner.text))}`);
    } else if (Array.isArray(inner)) {
      for (const item of inner) visit(`${name}[]`, item);
    } else {
      for (const [key, value] of inner.entries) {
        visit(name === "" ? plainOf(key) : `${name}[${plainOf(key)}]`, value);
      }
    }
  };
  visit("", node);
  return pairs.join("&");
}

function plainOf(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}

/** Brackets stay as they are, as every client sends them; a lone surrogate has no percent-encoding. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll("%5B", "[").replaceAll("%5D", "]");
}
