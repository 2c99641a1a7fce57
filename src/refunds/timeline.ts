// What happened to a refund, entry by entry: added to with every change that anybody could ask about, and never changed.
// A ledger keeps the newest few kilobytes; what it drops it has told D1 before.
import type { Verdict } from "../channels/channel.ts";
import type { Actor, Cause, Refund, TimelineEntry } from "./refund.ts";

/** How much of a refund's timeline its ledger keeps, bytes of JSON: a ledger with one refund is four pages. */
const KEPT_MAX = 4096;
const WORDS_MAX = 200;
/** So many changes may wait for D1; what people may say of a refund waits beyond that. */
const UNTOLD_MAX = 200;

/** Why a refund is saved: who did what, when (ms), and in which words. */
export interface Note {
  cause: Cause;
  actor: Actor;
  at: number;
  code?: string;
  words?: string;
}

export const SYSTEM: Actor = { type: "system" };
export const CHANNEL: Actor = { type: "channel" };

/** Whoever uses a key, by name if one was given. */
export function actorOf(apiKey: string, by: string | null): Actor {
  return by === null ? { type: "key", key: apiKey } : { type: "person", key: apiKey, by };
}

/** The refund with the entry that its change deserves; as it is when nothing changed that a reader of it would see. */
export function noted(before: Refund | undefined, after: Refund, note: Note | null): Refund {
  if (note === null || (before !== undefined && !isTold(before, after, note))) return after;
  const entry: TimelineEntry = {
    version: after.version,
    at: note.at,
    state: after.state,
    cause: note.cause,
    actor: note.actor,
    ...(note.code ? { code: cut(note.code) } : {}),
    ...(note.words ? { words: cut(note.words) } : {}),
    ...(after.attention === null ? {} : { attention: after.attention }),
  };
  return { ...after, timeline: kept([...(after.timeline ?? []), entry], after.synced) };
}

/** What is not in D1 yet. */
function untold({ timeline = [], synced }: Refund): TimelineEntry[] {
  return timeline.filter(({ version }) => version > synced);
}

/** Whether D1 has not been told of more than a row should hold: the channel's words must still have room in it. */
export function isFull(refund: Refund): boolean {
  return untold(refund).length >= UNTOLD_MAX;
}

/** Whether nothing is missing from its beginning. */
export function isWhole(timeline: readonly TimelineEntry[]): boolean {
  const cause = timeline[0]?.cause;
  return cause === "created" || cause === "refused";
}

/** The channel's code and words for a timeline. */
export function wordsOf(verdict: Verdict): { code?: string; words?: string } {
  switch (verdict.kind) {
    case "succeeded":
      return verdict.transactionNo === null ? {} : { code: verdict.transactionNo };
    case "declined":
      return { code: verdict.code, words: verdict.words };
    case "accepted":
      return verdict.attention === undefined ? {} : { code: verdict.attention };
    case "notSent":
      return { code: verdict.reason };
    case "unknown":
      return { code: verdict.failureCode ?? "unknown" };
    case "notFound":
      return { code: "not_found" };
  }
}

function isTold(before: Refund, after: Refund, { cause }: Note): boolean {
  if (cause === "updated" || cause === "approved" || cause === "claimed" || cause === "restored") return true;
  if (cause === "adopted") return true;
  return (
    before.state !== after.state ||
    before.attention !== after.attention ||
    before.transactionNo !== after.transactionNo ||
    before.failureCode !== after.failureCode ||
    before.contradictedAt !== after.contradictedAt ||
    before.provisional?.code !== after.provisional?.code
  );
}

/** Only what D1 has may be dropped, the oldest first. */
function kept(timeline: TimelineEntry[], synced: number): TimelineEntry[] {
  let size = bytesOf(timeline);
  let dropped = 0;
  for (const entry of timeline) {
    if (size <= KEPT_MAX || entry.version > synced) break;
    size -= bytesOf(entry) + 1;
    dropped++;
  }
  return dropped === 0 ? timeline : timeline.slice(dropped);
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= WORDS_MAX ? text : `${characters.slice(0, WORDS_MAX).join("")}…`;
}
