// One delivery as a merchant has to take it: believed only when both signatures over the raw bytes are right.
import { verify } from "node:crypto";
import { Webhook } from "standardwebhooks";

export interface Delivery {
  received_at: string;
  id: string | null;
  type: string | null;
  verified: boolean;
  /** Why it is not believed. */
  problem: string | null;
  object: Record<string, unknown> | null;
  event: unknown;
}

export interface Trust {
  secret: string;
  /** PEM, of this app and mode. */
  publicKeys: readonly string[];
}

/** Checks the secret's signature (Standard Webhooks), then Ping++'s. */
export function receiveDelivery(
  trust: Trust,
  headers: Record<string, string>,
  body: Buffer,
  receivedAt: Date,
): Delivery {
  const problem = problemWith(trust, headers, body);
  const event = eventOf(body);
  return {
    received_at: receivedAt.toISOString(),
    id: headers["webhook-id"] ?? null,
    type: typeof event?.type === "string" ? event.type : null,
    verified: problem === null,
    problem,
    object: event?.data?.object ?? null,
    event: problem === null ? event : null,
  };
}

function problemWith(
  { secret, publicKeys }: Trust,
  headers: Record<string, string>,
  body: Buffer,
): string | null {
  try {
    new Webhook(secret).verify(body, headers);
  } catch (error) {
    return `webhook-signature: ${error instanceof Error ? error.message : error}`;
  }
  const signature = Buffer.from(headers["x-pingplusplus-signature"] ?? "", "base64");
  return publicKeys.some((key) => verify("RSA-SHA256", body, key, signature))
    ? null
    : "X-Pingplusplus-Signature: not made with a key of GET /v1/public_keys";
}

function eventOf(body: Buffer): { type?: unknown; data?: { object?: Record<string, unknown> } } | null {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return null;
  }
}
