// The documents: up to date with the registry, valid, whole, and the same in both languages but for their texts.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { clientTypes } from "../../scripts/openapi/client-types.ts";
import { buildDocument, type Document, operationOf } from "../../scripts/openapi/document.ts";
import { EXAMPLES } from "../../scripts/openapi/examples.ts";
import { FIELDS, PARAMETERS } from "../../scripts/openapi/field-texts.ts";
import { OPERATIONS, TAGS } from "../../scripts/openapi/operations.ts";
import { SAMPLES } from "../../scripts/openapi/problem-samples.ts";
import { errorsOf, nameOf } from "../../scripts/openapi/problems.ts";
import { nameSchemas } from "../../scripts/openapi/schemas.ts";
import { HEADERS, INTRODUCTION, RESPONSES, SECURITY, TITLE } from "../../scripts/openapi/texts.ts";
import { decodeBody } from "../../src/http/decode-body.ts";
import { routes } from "../../src/routes.ts";

const PROJECT = join(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(PROJECT, file), "utf8");

const documents: Record<"en" | "zh", Document> = {
  en: buildDocument(routes, "en"),
  zh: buildDocument(routes, "zh"),
};
const english = documents.en;
const cases = routes.map((route) => [nameOf(route), route] as const);

describe("what is committed", () => {
  it.each([
    ["public/openapi.json", documents.en],
    ["public/openapi.zh.json", documents.zh],
  ])("as %s is what the registry says; if not: npm run openapi", (file, document) => {
    expect(JSON.parse(read(file))).toEqual(document);
  });

  it("as the client's types is what the document says", async () => {
    expect(read("client/api.ts")).toBe(await clientTypes(english));
  });
});

it.each(["en", "zh"] as const)("the document in %s passes the linter without an error", async (language) => {
  const config = await createConfig({
    extends: ["recommended"],
    rules: {
      "no-invalid-media-type-examples": { severity: "error", allowAdditionalProperties: true } as never,
    },
  });
  const found = await lintFromString({ source: JSON.stringify(documents[language]), config });
  const told = found.map(
    ({ severity, ruleId, message, location }) => `${severity} ${ruleId}: ${message} ${location[0]?.pointer}`,
  );
  expect(told).toEqual([]);
});

describe("every route", () => {
  it.each(cases)(
    "%s is in the document, with its scope and an answer for each status it declares",
    (_, route) => {
      const path = route.path.replace(/:(\w+)/g, "{$1}");
      const operation = english.paths[path]?.[route.method.toLowerCase()];
      expect(operation?.operationId).toBe(operationOf(route).id);
      expect(operation?.["x-scope"]).toBe(route.scope);
      const statuses = Object.keys(operation?.responses ?? {});
      for (const status of Object.keys(route.answers)) expect(statuses).toContain(status);
      for (const status of ["401", "403", "429", "503"]) expect(statuses).toContain(status);
    },
  );

  it("and nothing else is", () => {
    const names = routes.map(nameOf);
    expect(Object.keys(OPERATIONS).filter((name) => !names.includes(name))).toEqual([]);
    const operations = Object.values(english.paths).flatMap((methods) => Object.values(methods));
    expect(operations).toHaveLength(routes.length);
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(routes.length);
  });
});

describe("forms", () => {
  const operations = Object.values(english.paths).flatMap((methods) => Object.values(methods));
  const forms = operations.flatMap(({ operationId, requestBody }) => {
    const { content = {} } = (requestBody ?? {}) as {
      content?: Record<string, { schema: { $ref: string } }>;
    };
    const form = content["application/x-www-form-urlencoded"];
    const schema = english.components.schemas?.[form?.schema.$ref.replace(/^.*\//, "") ?? ""];
    return schema === undefined ? [] : [[String(operationId), schema] as const];
  });

  it.each(forms)("of %s are read as the document writes them", (_, { properties }) => {
    for (const [name, schema] of Object.entries(
      properties as Record<string, { type?: string; items?: unknown }>,
    )) {
      const isList = JSON.stringify(schema).startsWith('{"type":"array"') || schema.items !== undefined;
      expect(name.endsWith("[]"), name).toBe(isList);
      // OpenAPI repeats the name of a list.
      const sent = [1, 2].slice(0, isList ? 2 : 1).map((value) => `${encodeURIComponent(name)}=${value}`);
      const { value } = decodeBody(
        new TextEncoder().encode(sent.join("&")),
        "application/x-www-form-urlencoded",
      );
      expect(value).toEqual({ [name.replace(/\[\]$/, "")]: isList ? ["1", "2"] : "1" });
    }
  });

  it("are not documented of a list of hashes, which no form can send", () => {
    expect(forms.map(([id]) => id)).toContain("createWebhookEndpoint");
    expect(forms.map(([id]) => id)).not.toContain("createBatchRefund");
  });
});

describe("examples", () => {
  const schemas = nameSchemas(routes, (route) => operationOf(route).id);
  const named = new Map<string, z.ZodType>();
  for (const { body, answers } of routes) {
    for (const schema of [body, ...Object.values(answers)]) {
      try {
        if (schema !== undefined) named.set(schemas.referenceTo(schema).$ref.replace(/^.*\//, ""), schema);
      } catch {
        // It has no name: an empty body, or a text.
      }
    }
  }

  it.each(Object.entries(EXAMPLES))("of %s are what the service takes and gives", (name, example) => {
    const schema = named.get(name);
    if (schema === undefined) throw new Error(`no route has ${name}`);
    expect(schema.safeParse(example).error).toBeUndefined();
    // What is ours to give has no field that the schema does not know.
    if (!name.endsWith("Body")) expect(schema.parse(example)).toEqual(example);
  });

  it("show every error that there is, on a route that answers with it", () => {
    const shown = new Set(
      routes.flatMap((route) => [...errorsOf(route).values()].flat().map(({ problem }) => problem.code)),
    );
    // What no route answers: paths that are none, methods that are none, and our own failure.
    const others = ["no_such_route", "method_not_allowed", "internal"];
    expect(
      Object.keys(SAMPLES).filter((code) => !shown.has(code as never) && !others.includes(code)),
    ).toEqual([]);
    for (const code of others) expect(SAMPLES).toHaveProperty(code);
  });
});

describe("both languages", () => {
  const texts = [
    TITLE,
    INTRODUCTION,
    ...Object.values(RESPONSES),
    ...Object.values(SECURITY),
    ...Object.values(HEADERS).map(({ text }) => text),
    ...Object.values(FIELDS),
    ...Object.values(PARAMETERS),
  ];

  it("have every text, each in its own script", () => {
    for (const [en, zh] of texts) {
      expect(en).toMatch(/[A-Za-z]/);
      expect(en).not.toMatch(/\p{Script=Han}/u);
      expect(zh).toMatch(/\p{Script=Han}/u);
    }
    for (const [en, zh, about, aboutZh] of Object.values(TAGS)) {
      expect(en + about).not.toMatch(/\p{Script=Han}/u);
      expect(aboutZh).toMatch(/\p{Script=Han}/u);
      expect(zh).not.toBe("");
    }
    for (const { zh } of Object.values(OPERATIONS)) expect(zh).toMatch(/\p{Script=Han}/u);
    for (const { summary } of routes) expect(summary).not.toMatch(/\p{Script=Han}/u);
  });

  it("say the same of everything that programs read", () => {
    const forPrograms = (document: Document) =>
      JSON.parse(
        JSON.stringify(document, (name, value) =>
          typeof value === "string" && ["description", "summary", "title", "message", "name"].includes(name)
            ? ""
            : name === "tags"
              ? []
              : value,
        ),
      );
    expect(forPrograms(documents.zh)).toEqual(forPrograms(english));
  });

  it("have a text for every field of every object, and for every parameter", () => {
    for (const document of Object.values(documents)) {
      const silent: string[] = [];
      const walk = (value: unknown, place: string) => {
        if (typeof value !== "object" || value === null) return;
        const { properties } = value as { properties?: Record<string, { description?: string }> };
        for (const [name, { description = "" }] of Object.entries(properties ?? {})) {
          if (description === "") silent.push(`${place}.${name}`);
        }
        for (const [name, inner] of Object.entries(value)) walk(inner, `${place}/${name}`);
      };
      walk(document.components.schemas, "");
      expect(silent).toEqual([]);
    }
  });
});
