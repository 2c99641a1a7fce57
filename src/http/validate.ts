// The one wrapper around zValidator: what is wrong with an input becomes a problem that names the parameter.
// zValidator would read the body itself and take anything but JSON for `{}`; here it is handed the decoded object.
import { zValidator } from "@hono/zod-validator";
import type { MiddlewareHandler } from "hono";
import type * as z from "zod";
import { ProblemError } from "./problem.ts";
import type { AppEnv } from "./registry.ts";

type Failure = { success: boolean; error?: z.core.$ZodError };

export function validate(target: "param" | "query", schema: z.ZodObject): MiddlewareHandler<AppEnv> {
  const hook = (result: Failure & { data?: unknown }) => refuse(result, result.data);
  // No schema of ours needs to wait for anything, and zod is quicker where it need not.
  return zValidator(target, schema, hook, { validationFunction: (s, value) => s.safeParse(value) as never });
}

export function validateBody(schema: z.ZodType): MiddlewareHandler<AppEnv> {
  const readForm = formReader(schema);
  return (c, next) => {
    const given = c.get("body");
    const body = c.get("form") ? readForm(given) : given;
    const hook = (result: Failure) => refuse(result, body);
    return zValidator("json", schema, hook, { validationFunction: (s) => s.safeParse(body) as never })(
      c as never,
      next,
    ) as Promise<undefined>;
  };
}

function refuse(result: Failure, given: unknown): undefined {
  if (result.success) return;
  const issue = result.error?.issues[0];
  if (issue === undefined) throw new ProblemError({ code: "internal" });
  if (issue.code === "unrecognized_keys") {
    throw new ProblemError({ code: "unknown_parameter", param: issue.keys[0] ?? "" });
  }
  throw new ProblemError({
    code: "invalid_parameter",
    param: paramOf(issue.path, given),
    reason: isMissing(given, issue.path) ? ["缺少该参数", "it is required"] : reasonOf(issue),
  });
}

/** A field of the body; of a list also which entry it is: `charges[3][amount]`. */
function paramOf([field = "body", entry, ...inner]: readonly PropertyKey[], given: unknown): string {
  const isList = Array.isArray((given as Record<PropertyKey, unknown> | undefined)?.[field]);
  if (!isList || typeof entry !== "number" || inner.length === 0) return String(field);
  return [String(field), ...[entry, ...inner].map((part) => `[${String(part)}]`)].join("");
}

function isMissing(given: unknown, path: readonly PropertyKey[]): boolean {
  return path.length === 1 && !Object.hasOwn(given as object, path[0] as PropertyKey);
}

/** The errors our own refinements name. */
const RULES: Record<string, [zh: string, en: string]> = {
  metadata_pairs: ["最多 20 个键值对", "it may hold 20 pairs at most"],
  metadata_empty_key: ["键不能为空", "keys must not be empty"],
  metadata_characters: ["键和值合计最多 1000 个字符", "keys and values may hold 1000 characters together"],
  address: [
    "每一项必须为 IPv4 或 IPv6 地址，或 CIDR 网段",
    "each must be an IPv4 or IPv6 address, or a CIDR range",
  ],
  batch_no: ["必须为 3 到 24 位字母或数字", "it must be 3 to 24 letters or digits"],
  too_many_charges: ["最多 100 个", "there may be 100 at most"],
  extra_bytes: ["不能超过 4 KiB", "it may be 4 KiB at most"],
};

function reasonOf(issue: z.core.$ZodIssue): [zh: string, en: string] {
  const length = /^length:(\d+)-(\d+)$/.exec(issue.message);
  if (length !== null) {
    return [
      `长度必须为 ${length[1]} 到 ${length[2]} 个字符`,
      `it must have ${length[1]} to ${length[2]} characters`,
    ];
  }
  const rule = RULES[issue.message];
  if (rule !== undefined) return rule;
  switch (issue.code) {
    case "invalid_type":
      return [`类型必须为 ${issue.expected}`, `it must be of type ${issue.expected}`];
    case "too_small":
      return [`不能小于 ${issue.minimum}`, `it must be at least ${issue.minimum}`];
    case "too_big":
      return [`不能大于 ${issue.maximum}`, `it must be at most ${issue.maximum}`];
    case "invalid_value":
      return [`必须为 ${issue.values.join("、")} 之一`, `it must be one of ${issue.values.join(", ")}`];
    case "invalid_format":
      return ["格式错误", "its format is wrong"];
    default:
      return ["值无效", "its value is not allowed"];
  }
}

/** Numbers and booleans come as text in a form, and in a form alone: JSON types are never coerced. */
function formReader(schema: z.ZodType): (body: Record<string, unknown>) => Record<string, unknown> {
  const kinds = new Map<string, string>();
  const shape = (schema as { shape?: Record<string, z.ZodType> }).shape ?? {};
  for (const [name, inner] of Object.entries(shape)) kinds.set(name, kindOf(inner));
  return (body) =>
    Object.fromEntries(Object.entries(body).map(([name, value]) => [name, readText(kinds.get(name), value)]));
}

function readText(kind: string | undefined, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (kind === "number" && /^-?\d{1,16}$/.test(value)) return Number(value);
  if (kind === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}

/** The type at the heart of a schema, below what makes it optional. */
function kindOf(schema: z.ZodType): string {
  const def = schema.def as { type: string; innerType?: z.ZodType };
  return def.innerType === undefined ? def.type : kindOf(def.innerType);
}
