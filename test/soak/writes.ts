// Requests that write: payments to be recorded, refunds of every kind, and the same refunds again under their keys.
import { randomUUID } from "node:crypto";
import type { Dice } from "../emulators/dice.ts";
import { type Answer, type Ask, bodyOf, type Kind } from "./ask.ts";
import type { Books, Charge, Status, Told, Wish } from "./books.ts";

/** What a refund meets at the channel, and how often; nothing special for the rest. Every one of them ends. */
const TRIGGERS: [share: number, trigger: string][] = [
  [0.05, "pending:2"],
  [0.04, "pending_fails:2"],
  [0.04, "declined"],
  [0.01, "balance_too_small"],
  [0.03, "timeout_succeeded"],
  [0.03, "timeout_lost"],
  [0.02, "error:1"],
  [0.02, "throttled:1"],
  [0.01, "late_landing"],
];
const SLOW_MS = 300;
const STATUSES: readonly unknown[] = ["pending", "succeeded", "failed"];
const AMOUNT_MAX = 900;

const JSON_TYPE = { "Content-Type": "application/json" };
const FORM_TYPE = { "Content-Type": "application/x-www-form-urlencoded" };

export function record(books: Books, dice: Dice): Ask {
  const charge = books.newCharge(dice);
  const isWechat = dice.chance(0.3);
  const body = {
    order_no: charge.orderNo,
    channel: isWechat ? "wx_pub" : "alipay",
    amount: charge.amount,
    currency: "cny",
    subject: "Tea",
    body: "Two tins of tea",
    client_ip: "192.0.2.1",
    paid: true,
    ...(dice.chance(0.5) ? { transaction_no: randomUUID() } : {}),
    ...(dice.chance(0.3) ? { metadata: { shelf: "12", clerk: "Li" } } : {}),
  };
  return {
    kind: "record",
    shop: charge.shop,
    method: "POST",
    path: "/v1/charges",
    headers: JSON_TYPE,
    body: JSON.stringify(body),
    judge(answer) {
      const { id, object, paid, amount, order_no: orderNo, refunded } = bodyOf(answer);
      const isRight =
        object === "charge" && paid === true && amount === charge.amount && orderNo === charge.orderNo;
      if (answer.status !== 200 || !isRight || refunded !== false) {
        books.unrecorded(charge);
        return "a payment was not recorded as it was told";
      }
      books.recorded(charge, String(id));
      return null;
    },
    unsettled: () => books.unrecorded(charge),
  };
}

/** Records a payment where there is nothing to refund. */
export function create(
  books: Books,
  kind: Kind & ("create" | "create async" | "create slow"),
  dice: Dice,
): Ask {
  const charge = books.takeOpen(dice);
  if (charge === null) return record(books, dice);
  const wish = newWish(books, charge, kind, dice);
  books.wishes.set(wish.token, wish);
  return askFor(books, wish, kind, false);
}

/** A refund that was made, asked for once more; or one whose answer never came. */
export function repeat(books: Books, dice: Dice): Ask {
  const unsettled = books.unsettled.shift();
  if (unsettled !== undefined) return askFor(books, unsettled, "repeat", false);
  for (let tries = 0; tries < 10; tries++) {
    const told = books.anyRefund(dice);
    if (told?.wish.isKeyed) return askFor(books, told.wish, "repeat", true);
  }
  return create(books, "create", dice);
}

function askFor(books: Books, wish: Wish, kind: Kind, isKnown: boolean): Ask {
  return {
    kind,
    shop: wish.charge.shop,
    method: "POST",
    path: `/v1/charges/${wish.charge.id}/refunds`,
    headers: wish.headers,
    body: wish.body,
    judge(answer) {
      const replayed = answer.headers["idempotent-replayed"];
      if (answer.status !== 200) return "a refund that fits was refused";
      if (isKnown && replayed !== "true") return "a repeat was not told to be one";
      if (kind.startsWith("create") && replayed !== undefined) return "a new refund was told to be a repeat";
      return heard(books, wish, answer);
    },
    unsettled() {
      if (wish.isKeyed && wish.refund === null) books.unsettled.push(wish);
    },
  };
}

function heard(books: Books, wish: Wish, answer: Answer): string | null {
  const { id, amount, app } = bodyOf(answer) as { id: string; amount: number; app: string };
  if (app !== wish.charge.shop.app) return "it is another app's";
  if (wish.amount === null ? !(amount > 0 && amount <= wish.charge.amount) : amount !== wish.amount) {
    return `it was to be of ${wish.amount ?? "all that is left"}`;
  }
  if (wish.refund === null) {
    wish.refund = { id, wish, amount, status: "pending" };
    wish.charge.told.push(wish.refund);
    books.refunds.push(wish.refund);
  }
  return saw(wish.refund, bodyOf(answer));
}

/** What is wrong with a refund as it is shown now, after what was told of it before. */
export function saw(told: Told, body: Record<string, unknown>): string | null {
  const { wish } = told;
  const facts = {
    object: "refund",
    id: told.id,
    order_no: told.id.slice("re_".length),
    amount: told.amount,
    charge: wish.charge.id,
    charge_order_no: wish.charge.orderNo,
  };
  for (const [name, value] of Object.entries(facts)) {
    if (body[name] !== value) return `${told.id} has ${name} ${body[name]} instead of ${value}`;
  }
  if (!String(body.description).startsWith(wish.token)) return `${told.id} has another's description`;
  const { status, succeed, time_succeed: succeededAt } = body;
  const isSuccess = status === "succeeded";
  if (!STATUSES.includes(status) || succeed !== isSuccess || (succeededAt !== null) !== isSuccess) {
    return `${told.id} is ${status}, ${succeed}, ${succeededAt}`;
  }
  // An answer may have been overtaken by a later one; it may not take back what is final.
  if (told.status !== "pending" && status !== "pending" && status !== told.status) {
    return `${told.id} was ${told.status} and is ${status}`;
  }
  if (status !== "pending") told.status = status as Status;
  return null;
}

function newWish(books: Books, charge: Charge, kind: Kind, dice: Dice): Wish {
  const isFirst = charge.asked === 0 && charge.wanted === 0;
  // Of a charge that is refunded but once.
  const amount = isFirst && dice.chance(0.05) ? null : dice.between(1, AMOUNT_MAX);
  charge.asked += amount ?? charge.amount;
  const token = `#${books.wishes.size}#`;
  const roll = dice.next();
  const refundNo = roll < 0.4 ? randomUUID() : null;
  const idempotencyKey = roll > 0.35 && roll < 0.7 ? randomUUID() : null;
  const fields = {
    description: `${token}${triggerOf(kind, dice)}`,
    ...(amount === null ? {} : { amount }),
    ...(refundNo === null ? {} : { refund_no: refundNo }),
  };
  const hasMetadata = dice.chance(0.2);
  const isForm = dice.chance(0.1);
  return {
    token,
    charge,
    amount,
    body: isForm
      ? new URLSearchParams({
          ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)])),
          ...(hasMetadata ? { "metadata[reason]": "broken" } : {}),
        }).toString()
      : JSON.stringify({ ...fields, ...(hasMetadata ? { metadata: { reason: "broken" } } : {}) }),
    headers: {
      ...(isForm ? FORM_TYPE : JSON_TYPE),
      ...(idempotencyKey === null ? {} : { "Idempotency-Key": idempotencyKey }),
      ...(kind === "create async" ? { Prefer: "respond-async" } : {}),
    },
    isKeyed: refundNo !== null || idempotencyKey !== null,
    refund: null,
  };
}

function triggerOf(kind: Kind, dice: Dice): string {
  if (kind === "create slow") return ` [sandbox:slow:${SLOW_MS}]`;
  let roll = dice.next();
  for (const [share, trigger] of TRIGGERS) {
    if (roll < share) return ` [sandbox:${trigger}]`;
    roll -= share;
  }
  return " Returned";
}
