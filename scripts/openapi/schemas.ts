// The schemas of the registry as JSON Schema, by name: what several routes answer with is written down once. Names come
// from the objects' own `object`, and from the operations for bodies, lists and what has no name of its own.
import * as z from "zod";
import type { Route } from "../../src/http/registry.ts";

export type JsonSchema = { [key: string]: unknown };

/** Where a document keeps its schemas. */
const reference = (name: string) => `#/components/schemas/${name}`;

/** `webhook_endpoint` or `createRefund` → `WebhookEndpoint`, `CreateRefund`. */
export function pascalCase(name: string): string {
  return name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> {
  return schema instanceof z.ZodObject ? (schema.shape as Record<string, z.ZodType>) : {};
}

/** The name an object gives itself; null for lists, and for what says none. */
function ownName(schema: z.ZodType): string | null {
  const shape = shapeOf(schema);
  if (shape.error !== undefined && Object.keys(shape).length === 1) return "Error";
  if (!(shape.object instanceof z.ZodLiteral) || shape.object.value === "list") return null;
  const name = pascalCase(String(shape.object.value));
  if (shape.deleted !== undefined) return `Deleted${name}`;
  return shape.test_key === undefined ? name : `Created${name}`;
}

/** The schemas inside a schema, one level down. */
function innerSchemas(schema: z.ZodType): z.ZodType[] {
  const { innerType, element } = schema.def as { innerType?: z.ZodType; element?: z.ZodType };
  const inner = [innerType, element, ...Object.values(shapeOf(schema))];
  return inner.filter((one) => one !== undefined);
}

/** What zod says, without what follows from JavaScript alone, and with the bounds that refinements hold in their texts. */
function rewrite({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: object }, closed: boolean) {
  const written = jsonSchema as JsonSchema;
  if (written.maximum === Number.MAX_SAFE_INTEGER) delete written.maximum;
  if (written.minimum === Number.MIN_SAFE_INTEGER) delete written.minimum;
  if (JSON.stringify(written.propertyNames) === '{"type":"string"}') delete written.propertyNames;
  if (!closed && written.additionalProperties === false) delete written.additionalProperties;
  for (const check of (zodSchema as z.ZodType).def.checks ?? []) {
    const { error } = check._zod.def;
    const length = /^length:(\d+)-(\d+)$/.exec(typeof error === "function" ? String(error({} as never)) : "");
    if (length === null) continue;
    if (length[1] !== "0") written.minLength = Number(length[1]);
    written.maxLength = Number(length[2]);
  }
}

type Direction = "input" | "output";

/**
 * A schema as JSON Schema. What a client sends is as strict as the service; what it receives may have further fields, so
 * that a client made from the document goes on working when one is added.
 */
export function jsonSchemaOf(schema: z.ZodType, io: Direction): JsonSchema {
  const { $schema: _, ...written } = z.toJSONSchema(schema, {
    io,
    target: "draft-2020-12",
    override: (context) => rewrite(context, io === "input"),
  });
  return written;
}

export interface NamedSchemas {
  /** By name, in the order of the names. */
  written: Record<string, JsonSchema>;
  /** A reference to a body's or an answer's schema. */
  referenceTo(schema: z.ZodType): { $ref: string };
}

/** Names and writes the bodies and the answers of all routes. Throws when two schemas would share a name. */
export function nameSchemas(routes: readonly Route[], operationIdOf: (route: Route) => string): NamedSchemas {
  const names = new Map<z.ZodType, string>();
  const registries = { input: z.registry<{ id: string }>(), output: z.registry<{ id: string }>() };
  const give = (schema: z.ZodType, name: string, io: Direction) => {
    if (names.has(schema)) return;
    if ([...names.values()].includes(name)) throw new Error(`two schemas would be named ${name}`);
    names.set(schema, name);
    registries[io].add(schema, { id: name });
  };
  const giveOwn = (schema: z.ZodType) => {
    const name = ownName(schema);
    if (name !== null) give(schema, name, "output");
    if (name === "App") give(shapeOf(schema).settings as z.ZodType, "AppSettings", "output");
    for (const inner of innerSchemas(schema)) giveOwn(inner);
  };
  for (const { answers } of routes) {
    for (const schema of Object.values(answers)) giveOwn(schema);
  }
  for (const route of routes) {
    const operation = pascalCase(operationIdOf(route));
    if (route.body !== undefined && hasFields(route.body)) give(route.body, `${operation}Body`, "input");
    const answer = route.answers[200];
    if (answer instanceof z.ZodObject) give(answer, `${operation}Answer`, "output");
  }
  const all = (["input", "output"] as const).flatMap((io) => {
    const { schemas } = z.toJSONSchema(registries[io], {
      io,
      target: "draft-2020-12",
      uri: reference,
      override: (context) => rewrite(context, io === "input"),
    });
    return Object.entries(schemas).map(([name, { $schema: _, $id: __, ...written }]) => [name, written]);
  }) as [string, JsonSchema][];
  return {
    written: Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1))),
    referenceTo(schema) {
      const name = names.get(schema);
      if (name === undefined) throw new Error("a schema of the registry has no name");
      return { $ref: reference(name) };
    },
  };
}

/** Whether a body has anything to say: many routes take an empty one. */
export function hasFields(body: z.ZodType): boolean {
  return Object.keys(shapeOf(body)).length > 0;
}

/** What is at the heart of a schema, below what makes it optional. */
function heartOf(schema: z.ZodType): z.ZodType {
  const { innerType } = schema.def as { innerType?: z.ZodType };
  return innerType === undefined ? schema : heartOf(innerType);
}

/** A value of a query string: all are text there, and mean numbers and truth values. */
export function queryValueSchema(schema: z.ZodType): JsonSchema {
  const written = jsonSchemaOf(schema, "input");
  if (JSON.stringify(written.enum) === '["true","false"]') return boolean(written);
  const { pattern, type: _, ...kept } = written;
  const heart = heartOf(schema);
  if (!(heart instanceof z.ZodPipe) || typeof pattern !== "string" || !pattern.startsWith("^\\d")) {
    return written;
  }
  const out = heart.def.out as z.ZodType;
  const bounds = out instanceof z.ZodNumber ? jsonSchemaOf(out, "input") : {};
  // Said behind the text's turning into a number, so that zod does not take it for one of the text's.
  const byDefault = schema instanceof z.ZodDefault ? { default: schema.def.defaultValue } : {};
  return { ...kept, type: "integer", minimum: 0, ...bounds, ...byDefault };
}

function boolean({ default: byDefault }: JsonSchema): JsonSchema {
  return { type: "boolean", ...(byDefault === undefined ? {} : { default: byDefault === "true" }) };
}
