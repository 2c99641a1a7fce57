// An example of each main object and body, as the service writes and reads them.

import { DEFAULT_SETTINGS } from "../../src/apps/schema.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import type { DeliveryObject } from "../../src/webhooks/delivery-schema.ts";
import type { EndpointObject } from "../../src/webhooks/schema.ts";

const TAIL = "0123456789ABCDEFGHIJKLMN";
const CREATED = 1_767_225_600;
const APP = `app_${TAIL}`;

const refund: RefundObject = {
  id: `re_${TAIL}`,
  object: "refund",
  order_no: TAIL,
  amount: 100,
  created: CREATED + 3600,
  succeed: true,
  status: "succeeded",
  time_succeed: CREATED + 3601,
  description: "Returned",
  failure_code: null,
  failure_msg: null,
  metadata: { ticket: "4711" },
  charge: `ch_${TAIL}`,
  charge_order_no: "order-1",
  transaction_no: "2026010122001400",
  extra: {},
  app: APP,
  refund_no: "return-1",
};

const charge: ChargeObject = {
  id: `ch_${TAIL}`,
  object: "charge",
  created: CREATED,
  livemode: false,
  paid: true,
  refunded: true,
  reversed: false,
  app: APP,
  channel: "alipay",
  order_no: "order-1",
  client_ip: "192.0.2.1",
  amount: 10_000,
  amount_settle: 10_000,
  currency: "cny",
  subject: "Tea",
  body: "Two tins of tea",
  extra: {},
  time_paid: CREATED,
  time_expire: null,
  time_settle: null,
  transaction_no: "2026010122001399",
  refunds: { object: "list", url: `/v1/charges/ch_${TAIL}/refunds`, has_more: false, data: [refund] },
  amount_refunded: 100,
  failure_code: null,
  failure_msg: null,
  metadata: {},
  credential: {},
  description: null,
  amount_refundable: 9_900,
  amount_pending_refund: 0,
};

const event = {
  id: `evt_${TAIL}`,
  created: CREATED + 3601,
  livemode: false,
  type: "refund.succeeded",
  data: { object: refund },
  object: "event",
  request: `iar_${TAIL}`,
  pending_webhooks: 0,
};

const endpoint: EndpointObject = {
  id: `we_${TAIL}`,
  object: "webhook_endpoint",
  url: "https://shop.example.com/hooks",
  enabled_events: ["refund.succeeded", "refund.failed"],
  status: "enabled",
  schedule: "standard",
  rate_limit: null,
  description: null,
  metadata: {},
  livemode: false,
  created: CREATED,
  first_failure_at: null,
  disable_at: null,
  disabled_at: null,
  disabled_reason: null,
};

const delivery: DeliveryObject = {
  id: `dlv_${TAIL}`,
  object: "webhook_delivery",
  event: `evt_${TAIL}`,
  event_type: "refund.succeeded",
  endpoint: `we_${TAIL}`,
  livemode: false,
  status: "delivered",
  attempts: 1,
  dead_lettered: false,
  created: CREATED + 3601,
  next_attempt_at: null,
  ended_at: CREATED + 3602,
};

const key = {
  id: `key_${TAIL}`,
  object: "api_key",
  app: APP,
  livemode: false,
  name: "Till",
  scopes: ["refunds:read", "refunds:write"],
  created: CREATED,
  created_by: null,
  expires_at: null,
  revoked_at: null,
  replaced_by: null,
  last_used_at: null,
  allowed_ips: null,
};

const app = {
  id: APP,
  object: "app",
  name: "My shop",
  parent: null,
  created: CREATED,
  settings: DEFAULT_SETTINGS,
};

const batch = {
  id: `br_${TAIL}`,
  object: "batch_refund",
  app: APP,
  livemode: false,
  created: CREATED + 3600,
  batch_no: "20260101A",
  description: "Returned",
  metadata: {},
  charges: [
    {
      charge: `ch_${TAIL}`,
      refund: `re_${TAIL}`,
      status: "succeeded",
      failure_msg: null,
      amount: 100,
      description: "Returned",
    },
  ],
  refunds: { object: "list", url: null, has_more: false, data: [refund] },
  refund_url: null,
  status: "succeeded",
  time_succeeded: CREATED + 3601,
};

/** By the name of the schema. */
export const EXAMPLES: Record<string, unknown> = {
  Refund: refund,
  Charge: charge,
  Event: event,
  WebhookEndpoint: endpoint,
  WebhookDelivery: delivery,
  ApiKey: key,
  App: app,
  BatchRefund: batch,
  ListChargeRefundsAnswer: {
    object: "list",
    url: `/v1/charges/ch_${TAIL}/refunds`,
    has_more: false,
    data: [refund],
  },
  RecordChargeBody: {
    order_no: "order-1",
    channel: "alipay",
    amount: 10_000,
    currency: "cny",
    subject: "Tea",
    body: "Two tins of tea",
    client_ip: "192.0.2.1",
    paid: true,
    transaction_no: "2026010122001399",
  },
  CreateRefundBody: {
    amount: 100,
    description: "Returned",
    refund_no: "return-1",
    metadata: { ticket: "4711" },
  },
  CreateBatchRefundBody: {
    batch_no: "20260101A",
    charges: [{ charge: `ch_${TAIL}`, amount: 100 }],
    description: "Returned",
  },
  CreateWebhookEndpointBody: { url: "https://shop.example.com/hooks" },
  CreateApiKeyBody: { name: "Till", scopes: ["refunds:read", "refunds:write"] },
  CreateAppBody: { name: "My shop", settings: { require_amount: true } },
  UpdateAppBody: { settings: { delay_seconds: 60, daily_amount_max: { cny: 1_000_000 } } },
};
