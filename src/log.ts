// The one way to write a line into the log: JSON on a single line, so that it can be searched by its fields. A line names
// a request, an object or a kind of failure; no secret, no body and no customer's words are ever among its fields.

export type Level = "warn" | "error";

/** `alert` for what an operator must hear, `failure` for what is handled by itself; `request` where one is known. */
export type Line = Readonly<Record<string, string | number | boolean | null | undefined>>;

export function log(level: Level, line: Line): void {
  console[level](JSON.stringify(line));
}

/** What may be told of an error: its kind. Its message may carry what a client sent, or a parameter of a query. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "Error";
}
