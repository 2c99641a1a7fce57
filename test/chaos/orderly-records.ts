// Records of a small storm that went well: what the checker's tests break.
import type { Charge } from "../../src/charges/charge.ts";
import type { Export } from "../../src/charges/ledger-calls.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import type { Attempt, EndpointRecord, Records, RefundWish, Row, SeenRefund, Shop } from "./records.ts";

export const SHOP: Shop = { app: "app_1", livemode: false, key: "sk_test_1" };
export const OTHER: Shop = { app: "app_2", livemode: false, key: "sk_test_2" };
export const CHARGE = "ch_1";
const ENDPOINT: EndpointRecord = { id: "we_1", shop: SHOP, path: "/well", events: ["*"], healthy: true };

/** One charge of 1000: 300 and 400 went back, 200 were declined, and another 400 were refused. */
export function orderly(): Records {
  const refunds = [made(1, 300, "succeeded"), made(2, 200, "failed"), made(3, 400, "succeeded")];
  const charge = {
    id: CHARGE,
    app: SHOP.app,
    livemode: false,
    amount: 1_000,
    orderNo: "order",
    currency: "cny",
    channel: "alipay",
    refundedElsewhere: 0,
    disputed: 0,
  } as Charge;
  const ledger: Export = { charge, freeze: null, refunds, undelivered: [] };
  const events = refunds.flatMap((refund) => eventsOf(refund));
  const deliveries = events
    .filter(({ type }) => type !== "refund.created")
    .map((event) => ({
      id: `dlv_${event.id}`,
      event: event.id as string,
      endpoint: "we_1",
      status: "delivered",
      attempts: 1,
    }));
  return {
    charges: [
      {
        id: CHARGE,
        app: SHOP.app,
        livemode: false,
        channel: "alipay",
        amount: 1_000,
        currency: "cny",
        orderNo: "order",
        transactionNo: null,
        acknowledgedAt: 1,
      },
    ],
    wishes: [...refunds.map(wishFor), refusedWish()],
    readings: [
      {
        ...at(900),
        shop: SHOP,
        kind: "pages",
        charge: CHARGE,
        from: "newest",
        ids: ["re_3", "re_2", "re_1"],
      },
      {
        ...at(900),
        shop: SHOP,
        kind: "refund",
        charge: CHARGE,
        refund: "re_1",
        status: 200,
        body: seen(refunds[0] as Refund),
      },
      { ...at(900), shop: SHOP, kind: "charge", charge: CHARGE, status: 200, body: balance(700, 0, 300) },
      { ...at(900), shop: SHOP, kind: "charges", ids: [CHARGE] },
      { ...at(900), shop: OTHER, kind: "foreign", path: "/charges/ch_1", status: 404, body: null },
    ],
    booked: refunds.map(({ id, amount, state }) => ({
      channel: "sandbox",
      number: id.slice(3),
      payment: CHARGE,
      amount,
      effects: state === "succeeded" ? 1 : 0,
      moved: state === "succeeded",
      open: false,
    })),
    channelViolations: [],
    receipts: deliveries.map(({ event }) => ({
      path: "/well",
      id: event,
      body: String(events.find(({ id }) => id === event)?.body),
    })),
    endpoints: [ENDPOINT],
    ledgers: new Map([[CHARGE, ledger]]),
    rows: {
      charges: [
        {
          id: CHARGE,
          app: SHOP.app,
          livemode: 0,
          amount: 1_000,
          amount_refunded: 700,
          amount_pending: 0,
          refunded: 1,
          highest_seq: 3,
          freeze: null,
        },
      ],
      refunds: refunds.map(rowOf),
      events,
      deliveries,
      endpoints: [{ id: "we_1", disabled_reason: null }],
      commands: [],
      sightings: [],
    },
    restless: [],
  };
}

export const at = (begunAt: number) => ({ begunAt, endedAt: begunAt + 1, ledgersFail: false });

function made(seq: number, amount: number, state: "succeeded" | "failed"): Refund {
  return {
    id: `re_${seq}`,
    seq,
    amount,
    state,
    description: `#${seq}#`,
    request: `iar_${seq}`,
    requestedAt: seq * 100,
    refundNo: `no-${seq}`,
    idempotencyKey: null,
    attempts: 1,
    version: 2,
    synced: 2,
    syncDueAt: null,
    dueAt: null,
    attention: null,
    timeSucceed: state === "succeeded" ? 7 : null,
  } as Refund;
}

export function seen(refund: Refund): SeenRefund {
  const { id, amount, description, timeSucceed } = refund;
  const status = refund.state as "succeeded" | "failed";
  return {
    id,
    order_no: id.slice(3),
    amount,
    status,
    succeed: status === "succeeded",
    time_succeed: timeSucceed,
    description,
    charge: CHARGE,
    app: SHOP.app,
  };
}

export const answer = (begunAt: number, status: number | null, request: string, body: unknown): Attempt => ({
  ...at(begunAt),
  status,
  request,
  replayed: null,
  body,
});

function wishFor(refund: Refund): RefundWish {
  const { seq, amount, description, refundNo, request } = refund;
  const unanswered = { ...answer(seq * 100 - 50, null, "", null), request: null };
  return {
    token: `#${seq}#`,
    shop: SHOP,
    charge: CHARGE,
    amount,
    description,
    refundNo,
    idempotencyKey: null,
    reuses: null,
    attempts: [unanswered, answer(seq * 100, 200, request, seen(refund))],
  };
}

export const refusal = (code: string) => ({ error: { type: "invalid_request_error", message: "no", code } });

function refusedWish(): RefundWish {
  return {
    ...wishFor(made(4, 400, "failed")),
    attempts: [answer(400, 400, "iar_4", refusal("refund_amount_exceeded"))],
  };
}

export const balance = (refunded: number, pending: number, refundable: number) => ({
  amount: 1_000,
  amount_refunded: refunded,
  amount_pending_refund: pending,
  amount_refundable: refundable,
});

function eventsOf(refund: Refund): Row[] {
  return ["refund.created", `refund.${refund.state}`].map((type, place) => {
    const id = `evt_${refund.seq}${place}`;
    const object = { ...seen(refund), status: place === 0 ? "pending" : refund.state };
    const body = JSON.stringify({ id, type, livemode: false, data: { object } });
    return {
      seq: refund.seq * 10 + place,
      id,
      type,
      app: SHOP.app,
      livemode: 0,
      charge: CHARGE,
      refund: refund.id,
      endpoint: null,
      body,
    };
  });
}

function rowOf(refund: Refund): Row {
  return {
    id: refund.id,
    app: SHOP.app,
    livemode: 0,
    charge: CHARGE,
    seq: refund.seq,
    version: refund.version,
    status: refund.state,
    state: refund.state,
    amount: refund.amount,
    refund_no: refund.refundNo,
    attention: null,
    time_succeed: refund.timeSucceed,
    due_at: null,
    doc: JSON.stringify({ ...refund, synced: 0 }),
  };
}
