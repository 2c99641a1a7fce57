// What every command is handed: the client for the key and URL it was called with, and how to print.
import type { Client } from "./client.ts";
import { UsageError } from "./outcome.ts";

export interface Context {
  /** Throws a usage error when there is no usable key. */
  client(): Client;
  isJson(): boolean;
  /** What to do when nobody reads the output any more; by default the command ends at once. */
  onReaderGone(end: () => void): void;
}

/** A whole number from an option. */
export function wholeNumber(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,16}$/.test(text) && value >= min && value <= max) return value;
    throw new UsageError(`${name}: a whole number from ${min} to ${max}, not "${text}"`);
  };
}

/** Collects `name=value` options, repeated, into an object. */
export function pair(text: string, before: Record<string, string> = {}): Record<string, string> {
  const cut = text.indexOf("=");
  if (cut < 1) throw new UsageError(`--metadata: key=value, not "${text}"`);
  return { ...before, [text.slice(0, cut)]: text.slice(cut + 1) };
}

/** A path segment: an id as typed can hold anything. */
export function segment(id: string): string {
  // A dot alone or doubled would be taken for a step in the path.
  if (id === "" || /^\.{1,2}$/.test(id)) throw new UsageError(`"${id}" is no id`);
  return encodeURIComponent(id);
}
