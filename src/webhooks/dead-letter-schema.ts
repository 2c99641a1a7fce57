// Dead letters on the wire: what a letter is about, by id, and never the message itself, which can carry a whole
// command to refund.
import * as z from "zod";
import { pageQuery } from "../http/pagination.ts";
import { isId } from "../ids.ts";

export const deadLetterListQuery = z.object(pageQuery(100, 10));

export const deadLetterSchema = z.strictObject({
  id: z.string(),
  object: z.literal("dead_letter"),
  queue: z.string(),
  delivery: z.string().nullable(),
  refund: z.string().nullable(),
  charge: z.string().nullable(),
  livemode: z.boolean(),
  created: z.int(),
  redriven_at: z.int().nullable(),
});
export type DeadLetterObject = z.output<typeof deadLetterSchema>;

/** A letter as it is kept. What it is about comes from the message as it was, and may be anything. */
export interface StoredLetter {
  id: string;
  queue: string;
  delivery: unknown;
  refund: unknown;
  charge: unknown;
  livemode: boolean;
  /** ms since the epoch. */
  createdAt: number;
  redrivenAt: number | null;
}

export function deadLetterObject(letter: StoredLetter): DeadLetterObject {
  return {
    id: letter.id,
    object: "dead_letter",
    queue: letter.queue,
    delivery: idOrNull("delivery", letter.delivery),
    refund: idOrNull("refund", letter.refund),
    charge: idOrNull("charge", letter.charge),
    livemode: letter.livemode,
    created: Math.floor(letter.createdAt / 1000),
    redriven_at: letter.redrivenAt === null ? null : Math.floor(letter.redrivenAt / 1000),
  };
}

function idOrNull(kind: "delivery" | "refund" | "charge", value: unknown): string | null {
  return typeof value === "string" && isId(kind, value) ? value : null;
}
