// Values that a zod schema accepts, thrown with seeded dice: where a fuzzed request begins before it is broken. What a
// schema cannot tell (that an address must be public, that an id must be one's own) comes by the field's name.
import type * as z from "zod";
import type { Dice } from "../emulators/dice.ts";

/** Values of fields by name, where the schema alone does not say what will do. */
export type Examples = Record<string, (dice: Dice) => unknown>;

interface Def {
  type: string;
  innerType?: z.ZodType;
  in?: z.ZodType;
  out?: z.ZodType;
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  options?: z.ZodType[];
  entries?: Record<string, string>;
  values?: unknown[];
}

const WORDS = [
  "a",
  "Tea",
  "退货",
  "cny",
  "wx",
  "wx_pub",
  "alipay",
  "R-1",
  "1",
  "2026",
  "Two tins",
  "é",
  "😀",
];
const NUMBERS = [1, 2, 3, 7, 10, 100, 999, 0, 5000, 1_700_000_000];

export function validValue(schema: z.ZodType, name: string, dice: Dice, examples: Examples): unknown {
  const example = examples[name];
  if (example !== undefined) return example(dice);
  const def = schema.def as unknown as Def;
  const within = (inner: z.ZodType | undefined) =>
    inner === undefined ? null : validValue(inner, name, dice, examples);
  switch (def.type) {
    case "optional":
    case "nullable":
    case "default":
      return within(def.innerType);
    case "pipe":
      return within((def.in?.def as unknown as Def | undefined)?.type === "transform" ? def.out : def.in);
    case "union":
      return within(dice.pick(def.options ?? []));
    case "object":
      return validObject(def.shape ?? {}, dice, examples);
    case "array":
      return Array.from({ length: dice.between(1, 2) }, () => within(def.element));
    case "record":
      return Object.fromEntries(
        Array.from({ length: dice.between(0, 3) }, () => [dice.pick(WORDS), dice.pick(WORDS)]),
      );
    case "enum":
      return dice.pick(Object.values(def.entries ?? {}));
    case "literal":
      return def.values?.[0];
    case "boolean":
      return dice.chance(0.5);
    case "number":
      return accepted(schema, NUMBERS, dice) ?? 1;
    case "string":
      return accepted(schema, WORDS, dice) ?? "1";
    default:
      return dice.pick([...WORDS, 1, true, null]);
  }
}

/** All that is required, and some of what is not. */
export function validObject(
  shape: Record<string, z.ZodType>,
  dice: Dice,
  examples: Examples,
): Record<string, unknown> {
  const fields: [string, unknown][] = [];
  for (const [name, schema] of Object.entries(shape)) {
    const isRequired = !schema.safeParse(undefined).success;
    const value = validValue(schema, name, dice, examples);
    if ((isRequired || dice.chance(0.4)) && schema.safeParse(value).success) fields.push([name, value]);
  }
  return Object.fromEntries(fields);
}

function accepted<T>(schema: z.ZodType, candidates: readonly T[], dice: Dice): T | undefined {
  const fitting = candidates.filter((candidate) => schema.safeParse(candidate).success);
  return fitting.length === 0 ? undefined : dice.pick(fitting);
}
