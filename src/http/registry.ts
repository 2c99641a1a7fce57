// Every route of the API with its schemas, in one form: mounted by the app, and read by whatever documents or tests it.
import type { Context } from "hono";
import type * as z from "zod";
import type { Principal } from "../auth/principal.ts";
import type { Rate } from "../auth/rate-limit.ts";
import type { Scope } from "../auth/scope.ts";
import type { Env } from "../env.ts";
import type { Language } from "../refunds/refund.ts";

export type Method = "GET" | "POST" | "DELETE";

/** What every handler finds on its request. */
export interface Variables {
  requestId: string;
  /** When it came, ms. */
  startedAt: number;
  language: Language;
  principal: Principal;
  /** When its key, its signature and its scope had been found good, ms; from then on its time is its handler's. */
  admittedAt: number;
  /** What its key has left. */
  rate: Rate;
  /** The decoded body: an object, `{}` when none was sent. */
  body: Record<string, unknown>;
  /** Whether the body came as a form, whose values are all text. */
  form: boolean;
  /** The exact bytes of the body. */
  rawBody: Uint8Array<ArrayBuffer>;
  /** The request's verified signature, if it carries one. */
  signature: string | null;
}

export interface AppEnv {
  Bindings: Env;
  Variables: Variables;
}

/** What a handler answers with; what every answer says besides is added when it becomes a Response. */
export interface Answer {
  body: string | ReadableStream | null;
  /** 200 when left out. */
  status?: number;
  headers: Record<string, string>;
}

export interface RouteContext<Params, Query, Body> {
  /** Hono's context: bindings, variables, the request itself. */
  c: Context<AppEnv>;
  params: Params;
  query: Query;
  body: Body;
}

export interface Route {
  method: Method;
  /** Hono's notation: `/v1/charges/:charge/refunds`. */
  path: string;
  scope: Scope;
  summary: string;
  /** Ours, beyond Ping++: unknown body fields are refused, and a signature covers the method and works once. */
  own: boolean;
  /** Works in live mode also with a database that belongs to another deployment's ledgers. */
  foreign?: boolean;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** Status → schema of the answer's JSON. */
  answers: Record<number, z.ZodType>;
  handler: (context: RouteContext<never, never, never>) => Promise<Answer> | Answer;
}

type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : Record<string, never>;

/** Declares a route; its handler sees the outputs of the schemas. */
export function route<
  Params extends z.ZodObject | undefined = undefined,
  Query extends z.ZodObject | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
>(spec: {
  method: Method;
  path: string;
  scope: Scope;
  summary: string;
  own?: boolean;
  foreign?: boolean;
  params?: Params;
  query?: Query;
  body?: Body;
  answers: Record<number, z.ZodType>;
  handler: (context: RouteContext<Output<Params>, Output<Query>, Output<Body>>) => Promise<Answer> | Answer;
}): Route {
  return { ...spec, own: spec.own ?? false } as Route;
}

/** Answers with a JSON text that is already rendered. */
export function jsonText(text: string, headers?: Record<string, string>): Answer {
  return { body: text, headers: { "Content-Type": "application/json; charset=utf-8", ...headers } };
}

export function json(value: unknown, headers?: Record<string, string>): Answer {
  return jsonText(JSON.stringify(value), headers);
}
