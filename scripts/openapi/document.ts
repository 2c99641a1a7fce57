// The OpenAPI document of the registry, in one language. It says what the registry and the texts say, and the same for
// the same input: nothing in it depends on when or where it is made.
import type * as z from "zod";
import { renderProblem } from "../../src/http/problem.ts";
import type { Route } from "../../src/http/registry.ts";
import type { Language } from "../../src/refunds/refund.ts";
import { EXAMPLES } from "./examples.ts";
import { BOUNDS, FIELDS, PARAMETERS, type Text } from "./field-texts.ts";
import { OPERATIONS, type Operation, TAGS } from "./operations.ts";
import { errorsOf, errorTable, type NamedProblem, nameOf, paramsOf, renderedError } from "./problems.ts";
import { hasFields, type JsonSchema, type NamedSchemas, nameSchemas, queryValueSchema } from "./schemas.ts";
import { ALL_ERRORS, HEADERS, INTRODUCTION, RESPONSES, SCOPE, SECURITY, TITLE } from "./texts.ts";

export type Document = JsonSchema & {
  paths: Record<string, Record<string, JsonSchema>>;
  components: Record<string, Record<string, JsonSchema>>;
};

/** Answers that are no JSON, by route. */
const TEXTS: Record<string, string[]> = {
  "GET /v1/refunds/export": ["application/x-ndjson", "text/csv"],
  "GET /metrics": ["text/plain"],
};
/** Searches by pairs of the metadata, which have any name. */
const SEARCHES = ["GET /v1/charges", "GET /v1/refunds", "GET /v1/refunds/export"];
/** What takes a key of its own, and waits for the channel. */
const REFUNDING = [`POST /v1/charges/:charge/refunds`, "POST /v1/charges/:charge/reverse"];
const WAITING = [...REFUNDING, "POST /v1/charges/:charge/refunds/:refund/approve"];

export function operationOf(route: Route): Operation {
  const operation = OPERATIONS[nameOf(route)];
  if (operation === undefined) {
    throw new Error(`scripts/openapi/operations.ts says nothing of ${nameOf(route)}: please add it`);
  }
  return operation;
}

/** Makes the document. Throws when a text is missing. */
export function buildDocument(routes: readonly Route[], language: Language): Document {
  const say = ([en, zh]: Text) => (language === "en" ? en : zh);
  const schemas = nameSchemas(routes, (route) => operationOf(route).id);
  const examples = new Map<string, JsonSchema>();
  const paths: Document["paths"] = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operationObject(route, { language, say, schemas, examples });
  }
  const responses = shareResponses(paths);
  return {
    openapi: "3.1.1",
    info: {
      title: say(TITLE),
      version: "1",
      description: `${say(INTRODUCTION)}\n\n<details><summary>${say(ALL_ERRORS)}</summary>\n\n${errorTable(language)}\n\n</details>`,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{ basic: [] }, { bearer: [] }],
    tags: Object.values(TAGS).map(([en, zh, about, aboutZh]) => ({
      name: say([en, zh]),
      description: say([about, aboutZh]),
    })),
    paths,
    webhooks: { event: eventWebhook(say) },
    components: {
      schemas: describeSchemas(schemas.written, say),
      responses,
      examples: Object.fromEntries([...examples].sort(([a], [b]) => (a < b ? -1 : 1))),
      headers: Object.fromEntries(
        Object.entries(HEADERS).map(([name, { type, text }]) => [
          name,
          { description: say(text), schema: { type } },
        ]),
      ),
      securitySchemes: {
        basic: { type: "http", scheme: "basic", description: say(SECURITY.basic) },
        bearer: { type: "http", scheme: "bearer", description: say(SECURITY.bearer) },
      },
    },
  };
}

const RESPONSE_NAMES: Record<string, string> = {
  400: "BadRequest",
  401: "Unauthorized",
  402: "ChannelNotAsked",
  403: "TooManyRequestsOfSdk",
  404: "NotFound",
  413: "BodyTooLarge",
  415: "UnsupportedMediaType",
  429: "TooManyRequests",
  503: "Unavailable",
};

/** Writes errors that several operations share down once, and leaves references in their places. */
function shareResponses(paths: Document["paths"]): Record<string, JsonSchema> {
  const shared: Record<string, JsonSchema> = {};
  const names = new Map<string, string>();
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  const all = operations.map(({ responses }) => responses as Record<string, JsonSchema>);
  const texts = all.flatMap((responses) =>
    Object.values(responses).map((response) => JSON.stringify(response)),
  );
  const counts = Map.groupBy(texts, (text) => text);
  for (const responses of all) {
    for (const [status, response] of Object.entries(responses)) {
      const text = JSON.stringify(response);
      const base = RESPONSE_NAMES[status];
      if (base === undefined || (counts.get(text)?.length ?? 0) < 2) continue;
      const variants = Object.keys(shared).filter((name) => name.replace(/\d+$/, "") === base).length;
      const name = names.get(text) ?? `${base}${variants === 0 ? "" : variants + 1}`;
      names.set(text, name);
      shared[name] = response;
      responses[status] = { $ref: `#/components/responses/${name}` };
    }
  }
  return Object.fromEntries(Object.entries(shared).sort(([a], [b]) => (a < b ? -1 : 1)));
}

interface Writing {
  language: Language;
  say(text: Text): string;
  schemas: NamedSchemas;
  /** Filled on the way: every error that some route names. */
  examples: Map<string, JsonSchema>;
}

function operationObject(route: Route, writing: Writing): JsonSchema {
  const { language, say } = writing;
  const { id, tag, zh } = operationOf(route);
  const [en, chinese] = TAGS[tag];
  const parameters = parametersOf(route, say);
  const body =
    route.body !== undefined && hasFields(route.body) ? requestBody(route.body, id, writing) : null;
  return {
    operationId: id,
    tags: [say([en, chinese])],
    summary: language === "en" ? route.summary : zh,
    description: say(SCOPE(route.scope)),
    "x-scope": route.scope,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === null ? {} : { requestBody: body }),
    responses: {
      200: success(route, writing),
      ...Object.fromEntries(
        [...errorsOf(route)].map(([status, problems]) => [status, failure(status, problems, writing)]),
      ),
    },
  };
}

function parametersOf(route: Route, say: Writing["say"]): JsonSchema[] {
  const described = (name: string, place: string) => ({
    name,
    in: place,
    description: say(parameterText(name)),
  });
  const name = nameOf(route);
  const query = Object.entries((route.query?.shape ?? {}) as Record<string, z.ZodType>);
  const text = { type: "string" };
  return [
    ...paramsOf(route.path).map((param) => ({ ...described(param, "path"), required: true, schema: text })),
    ...query.map(([param, schema]) => ({ ...described(param, "query"), schema: queryValueSchema(schema) })),
    ...(SEARCHES.includes(name)
      ? [
          {
            ...described("metadata", "query"),
            style: "deepObject",
            explode: true,
            schema: { type: "object", additionalProperties: text, maxProperties: 3 },
          },
        ]
      : []),
    ...(REFUNDING.includes(name)
      ? [{ ...described("Idempotency-Key", "header"), schema: { ...text, minLength: 1, maxLength: 255 } }]
      : []),
    ...(WAITING.includes(name) ? [{ ...described("Prefer", "header"), schema: text }] : []),
  ];
}

/** The text of a parameter; a bound of a range says so. Throws when there is none. */
function parameterText(name: string): Text {
  const [, outer = "", bound = ""] = /^(\w+)\[(\w+)\]$/.exec(name) ?? [];
  const [whole, end] = [PARAMETERS[outer], BOUNDS[bound]];
  const text =
    PARAMETERS[name] ??
    (whole && end ? ([`${whole[0]} ${end[0]}`, `${whole[1]}${end[1]}`] as const) : undefined);
  if (text === undefined)
    throw new Error(`scripts/openapi/field-texts.ts says nothing of the parameter ${name}`);
  return text;
}

function requestBody(body: z.ZodType, id: string, { schemas }: Writing): JsonSchema {
  const schema = schemas.referenceTo(body);
  const name = schema.$ref.replace(/^.*\//, "");
  const written = schemas.written[name] ?? {};
  const example = EXAMPLES[name];
  const form = formContent(name, schemas.written);
  return {
    required: Array.isArray(written.required),
    content: {
      "application/json": {
        schema,
        ...(example === undefined ? {} : { examples: { [id]: { value: example } } }),
      },
      ...(form === null ? {} : { "application/x-www-form-urlencoded": form }),
    },
  };
}

/** A property's schema without the null, and each of several kinds by itself. */
const kindsOf = (schema: JsonSchema): JsonSchema[] =>
  Array.isArray(schema.anyOf) ? schema.anyOf.flatMap(kindsOf) : [schema];

/**
 * A body as a form: lists are `name[]` there, and hashes `name[key]`. Null for a list of hashes, which OpenAPI has no way to
 * write. A form with lists has a schema of its own, for its names are others.
 */
function formContent(name: string, written: NamedSchemas["written"]): JsonSchema | null {
  const body = written[name] ?? {};
  const properties = Object.entries(body.properties as Record<string, JsonSchema>);
  const listIn = (schema: JsonSchema) => kindsOf(schema).find(({ type }) => type === "array");
  const lists = properties.flatMap(([field, schema]) => {
    const list = listIn(schema);
    return list === undefined ? [] : [[field, list] as const];
  });
  if (lists.some(([, { items }]) => (items as JsonSchema).type === "object")) return null;
  const hashes = properties.filter(([, schema]) => kindsOf(schema).some(({ type }) => type === "object"));
  const encoding = Object.fromEntries(
    hashes.map(([field]) => [field, { style: "deepObject", explode: true }]),
  );
  const more = hashes.length === 0 ? {} : { encoding };
  if (lists.length === 0) return { schema: { $ref: `#/components/schemas/${name}` }, ...more };
  const listed = (field: string) => (lists.some(([list]) => list === field) ? `${field}[]` : field);
  const formName = name.replace(/Body$/, "Form");
  written[formName] = {
    ...body,
    ...(Array.isArray(body.required) ? { required: body.required.map(listed) } : {}),
    properties: Object.fromEntries(
      properties.map(([field, schema]) => [listed(field), listIn(schema) ?? schema]),
    ),
  };
  return { schema: { $ref: `#/components/schemas/${formName}` }, ...more };
}

const header = (name: string) => ({ $ref: `#/components/headers/${name}` });
const headersNamed = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, header(name)]));
const RATE = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"] as const;

function success(route: Route, { say, schemas }: Writing): JsonSchema {
  const name = nameOf(route);
  const texts = TEXTS[name];
  const answer = route.answers[200] as z.ZodType;
  const replayed = REFUNDING.includes(name) ? ["Idempotent-Replayed"] : [];
  const headers = headersNamed(["Request-Id", ...RATE, ...replayed]);
  const description = say(RESPONSES[200] as Text);
  if (texts !== undefined) {
    const content = Object.fromEntries(texts.map((type) => [type, { schema: { type: "string" } }]));
    return { description, headers, content };
  }
  const schema = schemas.referenceTo(answer);
  const schemaName = schema.$ref.replace(/^.*\//, "");
  const example = EXAMPLES[schemaName];
  return {
    description,
    headers,
    content: {
      "application/json": {
        schema,
        ...(example === undefined ? {} : { examples: { [schemaName]: { value: example } } }),
      },
    },
  };
}

function failure(
  status: number,
  problems: readonly NamedProblem[],
  { language, say, examples }: Writing,
): JsonSchema {
  const text = RESPONSES[status];
  if (text === undefined) throw new Error(`scripts/openapi/texts.ts says nothing of the status ${status}`);
  for (const { name, problem } of problems) {
    examples.set(name, { summary: problem.code, value: renderedError(problem, language) });
  }
  const waits = problems.some(({ problem }) => "Retry-After" in renderProblem(problem, language).headers);
  const names = [
    "Request-Id",
    ...(status === 401 || status === 413 ? [] : RATE),
    ...(waits ? ["Retry-After"] : []),
    ...(status === 401 ? ["WWW-Authenticate"] : []),
  ];
  return {
    description: say(text),
    headers: headersNamed(names),
    content: {
      "application/json": {
        schema: { $ref: "#/components/schemas/Error" },
        examples: Object.fromEntries(
          problems.map(({ name }) => [name, { $ref: `#/components/examples/${name}` }]),
        ),
      },
    },
  };
}

function eventWebhook(say: Writing["say"]): JsonSchema {
  return {
    post: {
      operationId: "receiveEvent",
      tags: [say([TAGS.events[0], TAGS.events[1]])],
      summary: say(["An event is delivered to an endpoint of yours", "向您的 endpoint 投递事件"]),
      description: say([
        "Answer with any 2xx. Verify `webhook-signature` (Standard Webhooks) or `X-Pingplusplus-Signature` over the raw body first.",
        "以任意 2xx 应答。请先用原始请求体验证 `webhook-signature`（Standard Webhooks）或 `X-Pingplusplus-Signature`。",
      ]),
      security: [],
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: { $ref: "#/components/schemas/Event" },
            examples: { Event: { value: EXAMPLES.Event } },
          },
        },
      },
      responses: {
        "2XX": { description: say(["Received.", "已收到。"]) },
        default: { description: say(["Not received: it is sent again.", "未收到，将会重试。"]) },
      },
    },
  };
}

/** Gives every property of every schema its text. Throws when there is none. */
function describeSchemas(written: NamedSchemas["written"], say: Writing["say"]): Record<string, JsonSchema> {
  const describe = (value: unknown, outer: string): unknown => {
    if (Array.isArray(value)) return value.map((one) => describe(one, outer));
    if (typeof value !== "object" || value === null) return value;
    const { properties, ...kept } = value as JsonSchema;
    const described = Object.fromEntries(
      Object.entries(kept).map(([name, one]) => [name, describe(one, outer)]),
    );
    if (properties === undefined) return described;
    const fields = Object.entries(properties as Record<string, JsonSchema>).map(([name, schema]) => {
      const [whole, field] = [outer.replace(/Form$/, "Body"), name.replace(/\[\]$/, "")];
      const text = FIELDS[`${whole}.${field}`] ?? FIELDS[field];
      if (text === undefined)
        throw new Error(`scripts/openapi/field-texts.ts says nothing of ${outer}.${name}`);
      return [name, { description: say(text), ...(describe(schema, name) as JsonSchema) }];
    });
    return { ...described, properties: Object.fromEntries(fields) };
  };
  return Object.fromEntries(
    Object.entries(written)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, schema]) => [name, describe(schema, name) as JsonSchema]),
  );
}
