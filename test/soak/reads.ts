// Requests that read, and requests that are refused. What was told before a reading began must be in it.
import type { Dice } from "../emulators/dice.ts";
import { type Answer, type Ask, bodyOf, errorOf } from "./ask.ts";
import type { Books, Charge } from "./books.ts";
import { create, saw } from "./writes.ts";

const PAGE = 20;

export function retrieve(books: Books, dice: Dice): Ask {
  const told = books.anyRefund(dice);
  if (told === undefined) return create(books, "create", dice);
  const { charge } = told.wish;
  return {
    kind: "retrieve",
    shop: charge.shop,
    method: "GET",
    path: `/v1/charges/${charge.id}/refunds/${told.id}`,
    judge: (answer) =>
      answer.status === 200 ? saw(told, bodyOf(answer)) : "a refund that was told is not found",
  };
}

export function list(books: Books, dice: Dice): Ask {
  const charge = books.anyRefund(dice)?.wish.charge ?? books.anyCharge(dice);
  if (charge === undefined) return create(books, "create", dice);
  const before = charge.told.map(({ id }) => id);
  return {
    kind: "list",
    shop: charge.shop,
    method: "GET",
    path: `/v1/charges/${charge.id}/refunds?limit=${PAGE}`,
    judge(answer) {
      const { object, data, has_more: hasMore } = bodyOf(answer) as unknown as List;
      if (answer.status !== 200 || object !== "list") return "a list cannot be read";
      const ids = new Set(data.map(({ id }) => id));
      if (ids.size < data.length) return "a refund stands twice in a list";
      if (data.some((refund) => refund.charge !== charge.id)) return "a refund of another charge is listed";
      const missing = hasMore ? undefined : before.find((id) => !ids.has(id));
      return missing === undefined ? null : `${missing} was told and is not listed`;
    },
  };
}

interface List {
  object: string;
  data: { id: string; charge: string }[];
  has_more: boolean;
}

export function readCharge(books: Books, dice: Dice): Ask {
  const charge = books.anyCharge(dice);
  if (charge === undefined) return create(books, "create", dice);
  const before = sum(charge, "succeeded");
  return {
    kind: "charge",
    shop: charge.shop,
    method: "GET",
    path: `/v1/charges/${charge.id}`,
    judge(answer) {
      const body = bodyOf(answer);
      if (answer.status !== 200 || body.id !== charge.id) return "a recorded charge cannot be read";
      const [refunded, pending, left] = ["amount_refunded", "amount_pending_refund", "amount_refundable"].map(
        (name) => Number(body[name]),
      );
      const all = Number(refunded) + Number(pending) + Number(left);
      if (all !== charge.amount || Number(left) < 0) return "its parts are not the whole";
      return Number(refunded) < before ? `${before} had been refunded before` : null;
    },
  };
}

function sum({ told }: Charge, status: string): number {
  return told.reduce((total, one) => total + (one.status === status ? one.amount : 0), 0);
}

/** Lists across charges come from D1: what they hold may be a little old, and they are never refused. */
export function readCharges(books: Books, dice: Dice): Ask {
  const cursor = books.anyCharge(dice);
  if (cursor === undefined) return create(books, "create", dice);
  const query = dice.pick([
    `limit=${PAGE}`,
    `limit=${PAGE}&starting_after=${cursor.id}`,
    `limit=${PAGE}&channel=alipay`,
    `limit=${PAGE}&paid=true&refunded=true`,
  ]);
  return { ...listOf(cursor, `/v1/charges?${query}`), kind: "charges" };
}

export function readEvents(books: Books, dice: Dice): Ask {
  const any = books.anyCharge(dice);
  if (any === undefined) return create(books, "create", dice);
  const path = dice.pick([
    `/v1/events?limit=${PAGE}`,
    `/v1/events?limit=${PAGE}&type=refund.failed`,
    `/v1/deliveries?limit=${PAGE}`,
  ]);
  return { ...listOf(any, path), kind: "events" };
}

function listOf({ shop }: Charge, path: string): Omit<Ask, "kind"> {
  return {
    shop,
    method: "GET",
    path,
    judge(answer) {
      const { object, data } = bodyOf(answer);
      const isRight = answer.status === 200 && object === "list" && Array.isArray(data);
      return isRight && data.length <= PAGE ? null : "a list cannot be read";
    },
  };
}

/** Asks for what nobody gets: the answer says which mistake it was, and nothing comes of it. */
export function refused(books: Books, dice: Dice): Ask {
  const charge = books.anyCharge(dice);
  if (charge === undefined) return create(books, "create", dice);
  const { shop, id, amount } = charge;
  const path = `/v1/charges/${id}/refunds`;
  const json = { "Content-Type": "application/json" };
  const post = (body: unknown, headers: Record<string, string> = json) => ({
    method: "POST" as const,
    path,
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const description = "#refused# by mistake";
  const other = books.foreignShop(charge);
  const [status, request]: [number, Pick<Ask, "method" | "path"> & Partial<Ask>] = dice.pick([
    [400, post({ amount: amount + 1, description })],
    [400, post({ amount: 1 })],
    [400, post({ amount: "1", description })],
    [400, post({ amout: 1, description })],
    [400, post({ amount: 1, description, metadata: { deep: { er: 1 } } })],
    [400, post('{"amount": 1, "description"')],
    [415, post(`amount=1&description=${description}`, { "Content-Type": "text/plain" })],
    [404, { method: "GET", path: `/v1/charges/${id}/refunds/re_${"0".repeat(24)}` }],
    [404, { method: "GET", path: `/v1/charges/ch_${"0".repeat(24)}` }],
    [404, { ...post({ amount: 1, description }), shop: other }],
    [404, { method: "GET", path: `/v1/charges/${id}`, shop: other }],
    [401, { method: "GET", path, shop: { ...shop, key: `sk_test_${"0".repeat(24)}` } }],
    [405, { ...post({ amount: 1, description }), method: "PUT" }],
    [400, { method: "GET", path: `${path}?limit=0` }],
  ]);
  return { shop, ...request, kind: "refused", judge: (answer) => judgeRefusal(answer, status) };
}

function judgeRefusal(answer: Answer, status: number): string | null {
  const { type, message } = errorOf(answer);
  if (answer.status !== status) return `a mistake that is a ${status}`;
  return typeof type === "string" && typeof message === "string" ? null : "an error without its words";
}
