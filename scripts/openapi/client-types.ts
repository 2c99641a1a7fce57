// The TypeScript types of the client, made from the document: the schemas, and the paths in the form that openapi-fetch
// reads.
import { compile } from "json-schema-to-typescript";
import type { Document } from "./document.ts";
import type { JsonSchema } from "./schemas.ts";

const HEAD =
  "// The API as types, made from the OpenAPI document by `npm run openapi`. The schemas by name, and every path as\n// openapi-fetch reads it.\n";

/** Makes the module's text. */
export async function clientTypes({ paths, components }: Document): Promise<string> {
  const named = Object.entries(components.schemas ?? {}).filter(([name]) => !name.endsWith("Form"));
  const names = named.map(([name]) => name);
  const root = {
    title: "Schemas",
    type: "object",
    additionalProperties: false,
    required: names,
    properties: Object.fromEntries(names.map((name) => [name, { $ref: `#/definitions/${name}` }])),
    definitions: movedReferences(Object.fromEntries(named)),
  };
  const schemas = await compile(root as never, "Schemas", { bannerComment: "", additionalProperties: false });
  const lines = Object.entries(paths).map(
    ([path, methods]) =>
      `  ${JSON.stringify(path)}: {\n${Object.entries(methods)
        .map(
          ([method, operation]) =>
            `    ${method}: ${operationType(operation, components.responses ?? {})};\n`,
        )
        .join("")}  };\n`,
  );
  return `${HEAD}\n${schemas}\nexport interface paths {\n${lines.join("")}}\n`;
}

function movedReferences(schemas: unknown): unknown {
  return JSON.parse(JSON.stringify(schemas).replaceAll("#/components/schemas/", "#/definitions/"));
}

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description: string;
  schema: JsonSchema;
}

function operationType(operation: JsonSchema, shared: Record<string, JsonSchema>): string {
  const parameters = (operation.parameters ?? []) as Parameter[];
  const groups = ["query", "path", "header"].map((place) => {
    const own = parameters.filter((parameter) => parameter.in === place);
    if (own.length === 0) return "";
    const needed = own.some(({ required }) => required);
    const fields = own.map(
      ({ name, required, schema }) => `${JSON.stringify(name)}${required ? "" : "?"}: ${valueType(schema)}`,
    );
    return `${place}${needed ? "" : "?"}: { ${fields.join("; ")} }; `;
  });
  const given = groups.join("");
  const needed = parameters.some(({ required }) => required);
  const body = operation.requestBody as { required: boolean; content: Content } | undefined;
  const answers = Object.entries(operation.responses as Record<string, JsonSchema>).map(
    ([status, response]) => {
      const { content } =
        (typeof response.$ref === "string" ? shared[nameIn(response.$ref)] : response) ?? {};
      return `${status}: { content: ${contentType(content as Content)} }`;
    },
  );
  return `{ ${given === "" ? "" : `parameters${needed ? "" : "?"}: { ${given}}; `}${
    body === undefined
      ? ""
      : `requestBody${body.required ? "" : "?"}: { content: ${contentType(jsonOf(body.content))} }; `
  }responses: { ${answers.join("; ")} } }`;
}

const nameIn = (reference: string) => reference.replace(/^.*\//, "");

type Content = Record<string, { schema: JsonSchema }>;

/** The client sends JSON: a form says nothing more. */
function jsonOf(content: Content): Content {
  const json = content["application/json"];
  return json === undefined ? content : { "application/json": json };
}

function contentType(content: Content): string {
  const types = Object.entries(content).map(
    ([type, { schema }]) => `${JSON.stringify(type)}: ${valueType(schema)}`,
  );
  return `{ ${types.join("; ")} }`;
}

/** The type of a reference, of a scalar, or of a list of them. */
function valueType(schema: JsonSchema): string {
  if (typeof schema.$ref === "string") return nameIn(schema.$ref);
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map(valueType).join(" | ");
  switch (schema.type) {
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "array":
      return `(${valueType(schema.items as JsonSchema)})[]`;
    case "object":
      return "Record<string, string>";
    default:
      return "string";
  }
}
