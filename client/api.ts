// The API as types, made from the OpenAPI document by `npm run openapi`. The schemas by name, and every path as
// openapi-fetch reads it.

export interface Schemas {
  AdoptChargeBody: AdoptChargeBody;
  ApiKey: ApiKey;
  App: App;
  AppSettings: AppSettings1;
  ApproveRefundBody: ApproveRefundBody;
  BatchRefund: BatchRefund;
  CancelRefundBody: CancelRefundBody;
  ChannelAccount: ChannelAccount;
  ChannelAccountCheck: ChannelAccountCheck;
  Charge: Charge;
  ClaimRefundBody: ClaimRefundBody;
  CreateApiKeyBody: CreateApiKeyBody;
  CreateAppBody: CreateAppBody;
  CreateBatchRefundBody: CreateBatchRefundBody;
  CreateChannelAccountBody: CreateChannelAccountBody;
  CreateRefundBody: CreateRefundBody;
  CreateWebhookEndpointBody: CreateWebhookEndpointBody;
  CreatedApp: CreatedApp;
  DeadLetter: DeadLetter;
  DeletedWebhookEndpoint: DeletedWebhookEndpoint;
  Dispute: Dispute;
  Error: Error;
  Event: Event;
  Ledger: Ledger;
  LedgerNamespace: LedgerNamespace;
  Limits: Limits;
  ListApiKeysAnswer: ListApiKeysAnswer;
  ListAppsAnswer: ListAppsAnswer;
  ListBatchRefundsAnswer: ListBatchRefundsAnswer;
  ListChannelAccountsAnswer: ListChannelAccountsAnswer;
  ListChargeRefundsAnswer: ListChargeRefundsAnswer;
  ListChargesAnswer: ListChargesAnswer;
  ListDeadLettersAnswer: ListDeadLettersAnswer;
  ListEventsAnswer: ListEventsAnswer;
  ListOrphanNoticesAnswer: ListOrphanNoticesAnswer;
  ListPublicKeysAnswer: ListPublicKeysAnswer;
  ListRefundTimelineAnswer: ListRefundTimelineAnswer;
  ListRefundsAnswer: ListRefundsAnswer;
  ListWebhookDeliveriesAnswer: ListWebhookDeliveriesAnswer;
  ListWebhookDeliveryAttemptsAnswer: ListWebhookDeliveryAttemptsAnswer;
  ListWebhookEndpointsAnswer: ListWebhookEndpointsAnswer;
  OrphanNotice: OrphanNotice;
  PublicKey: PublicKey;
  RebuildLedgersAnswer: RebuildLedgersAnswer;
  RebuildLedgersBody: RebuildLedgersBody;
  RecordChargeBody: RecordChargeBody;
  RecordDisputeBody: RecordDisputeBody;
  RecoverWebhookDeliveriesBody: RecoverWebhookDeliveriesBody;
  Refund: Refund;
  RefundSummary: RefundSummary;
  RejectRefundBody: RejectRefundBody;
  ResendEventBody: ResendEventBody;
  ResolveRefundBody: ResolveRefundBody;
  ReverseChargeBody: ReverseChargeBody;
  RollWebhookSecretBody: RollWebhookSecretBody;
  RotateApiKeyBody: RotateApiKeyBody;
  TimelineEntry: TimelineEntry;
  UpdateApiKeyBody: UpdateApiKeyBody;
  UpdateAppBody: UpdateAppBody;
  UpdateChannelAccountBody: UpdateChannelAccountBody;
  UpdateChargeBody: UpdateChargeBody;
  UpdateRefundBody: UpdateRefundBody;
  UpdateWebhookEndpointBody: UpdateWebhookEndpointBody;
  WebhookDelivery: WebhookDelivery;
  WebhookDeliveryAttempt: WebhookDeliveryAttempt;
  WebhookEndpoint: WebhookEndpoint;
  WebhookEndpointRecovery: WebhookEndpointRecovery;
  WebhookEndpointStats: WebhookEndpointStats;
}
export interface AdoptChargeBody {
  /**
   * Who does this: a name of yours.
   */
  by: string;
  /**
   * Why, in your words.
   */
  reason: string;
}
export interface ApiKey {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "api_key";
  /**
   * Id of the app that the key belongs to.
   */
  app: string;
  /**
   * Whether it is a live key.
   */
  livemode: boolean;
  /**
   * A name of yours, 1 to 100 characters.
   */
  name: string;
  /**
   * What the key may do; never more than the key that makes it.
   */
  scopes: (
    | "refunds:read"
    | "refunds:write"
    | "refunds:approve"
    | "refunds:resolve"
    | "charges:read"
    | "charges:write"
    | "webhooks"
    | "channels"
    | "export"
    | "admin"
  )[];
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * Id of the key that made it; null for a seeded one.
   */
  created_by: string | null;
  /**
   * When it ends, Unix seconds; null for never.
   */
  expires_at: number | null;
  /**
   * When it was revoked, Unix seconds.
   */
  revoked_at: number | null;
  /**
   * Id of the key that replaces it.
   */
  replaced_by: string | null;
  /**
   * When it was last used, Unix seconds, to within an hour.
   */
  last_used_at: number | null;
  /**
   * Addresses and CIDR ranges it may be used from; null for anywhere.
   */
  allowed_ips: string[] | null;
  /**
   * The key itself; only in the answer that makes it.
   */
  key?: string;
}
export interface App {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "app";
  /**
   * A name of yours, 1 to 100 characters.
   */
  name: string;
  /**
   * Id of the app that made it; null for the first one.
   */
  parent: string | null;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  settings: AppSettings;
}
/**
 * The app's settings, for both modes.
 */
export interface AppSettings {
  /**
   * Seconds after its answer in which an SDK's keyless repeat of a refund joins the first one.
   */
  duplicate_window_seconds: number;
  /**
   * Refuse a refund without `amount` instead of refunding everything that is left.
   */
  require_amount: boolean;
  /**
   * The largest `limit` of a charge's refund list.
   */
  list_limit_max: number;
  /**
   * The largest amount of a charge, minor units.
   */
  charge_amount_max: number;
  /**
   * Days after payment in which a channel refunds, by channel.
   */
  refund_windows: {
    [k: string]: number;
  };
  /**
   * Refunds of a charge that have not failed, at most.
   */
  refunds_max: number;
  /**
   * Refunds of a charge in all, failed ones included, at most.
   */
  refund_attempts_max: number;
  /**
   * Take `metadata.refund_no` for the `refund_no`.
   */
  metadata_refund_no: boolean;
  /**
   * Sign every answer (`X-Pingplusplus-Signature`).
   */
  response_signing: boolean;
  /**
   * Your RSA public key, PEM; once set, changing requests must be signed. Null for none.
   */
  public_key: string | null;
  /**
   * Confirm a payment at the channel before its first live refund.
   */
  verify_payments: boolean;
  /**
   * Sum of a charge's refunds within 24 hours above which one waits for approval, minor units by currency.
   */
  approval_limit: {
    [k: string]: number;
  };
  /**
   * Seconds a refund waits before it is sent; until then it can be canceled.
   */
  delay_seconds: number;
  /**
   * What all refunds within 24 hours may come to, minor units by currency, in each mode.
   */
  daily_amount_max: {
    [k: string]: number;
  };
  /**
   * How many refunds may be made within 24 hours, in each mode; null for any number.
   */
  daily_refunds_max: number | null;
  /**
   * Requests a second of one API key; twice as many may come at once.
   */
  rate_limit: number;
  /**
   * Language of messages when the request does not say.
   */
  language: "zh" | "en";
  /**
   * Where new ledgers should live; null for near the first request.
   */
  location_hint: ("wnam" | "enam" | "sam" | "weur" | "eeur" | "apac" | "oc" | "afr" | "me") | null;
}
export interface AppSettings1 {
  /**
   * Seconds after its answer in which an SDK's keyless repeat of a refund joins the first one.
   */
  duplicate_window_seconds: number;
  /**
   * Refuse a refund without `amount` instead of refunding everything that is left.
   */
  require_amount: boolean;
  /**
   * The largest `limit` of a charge's refund list.
   */
  list_limit_max: number;
  /**
   * The largest amount of a charge, minor units.
   */
  charge_amount_max: number;
  /**
   * Days after payment in which a channel refunds, by channel.
   */
  refund_windows: {
    [k: string]: number;
  };
  /**
   * Refunds of a charge that have not failed, at most.
   */
  refunds_max: number;
  /**
   * Refunds of a charge in all, failed ones included, at most.
   */
  refund_attempts_max: number;
  /**
   * Take `metadata.refund_no` for the `refund_no`.
   */
  metadata_refund_no: boolean;
  /**
   * Sign every answer (`X-Pingplusplus-Signature`).
   */
  response_signing: boolean;
  /**
   * Your RSA public key, PEM; once set, changing requests must be signed. Null for none.
   */
  public_key: string | null;
  /**
   * Confirm a payment at the channel before its first live refund.
   */
  verify_payments: boolean;
  /**
   * Sum of a charge's refunds within 24 hours above which one waits for approval, minor units by currency.
   */
  approval_limit: {
    [k: string]: number;
  };
  /**
   * Seconds a refund waits before it is sent; until then it can be canceled.
   */
  delay_seconds: number;
  /**
   * What all refunds within 24 hours may come to, minor units by currency, in each mode.
   */
  daily_amount_max: {
    [k: string]: number;
  };
  /**
   * How many refunds may be made within 24 hours, in each mode; null for any number.
   */
  daily_refunds_max: number | null;
  /**
   * Requests a second of one API key; twice as many may come at once.
   */
  rate_limit: number;
  /**
   * Language of messages when the request does not say.
   */
  language: "zh" | "en";
  /**
   * Where new ledgers should live; null for near the first request.
   */
  location_hint: ("wnam" | "enam" | "sam" | "weur" | "eeur" | "apac" | "oc" | "afr" | "me") | null;
}
export interface ApproveRefundBody {
  /**
   * Who does this: a name of yours.
   */
  by: string;
  /**
   * Why, in your words.
   */
  reason?: string;
}
export interface BatchRefund {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "batch_refund";
  /**
   * Id of the app that it belongs to.
   */
  app: string;
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * Your number of the batch, unique within the app: 3 to 24 letters or digits.
   */
  batch_no: string;
  /**
   * A text of your own.
   */
  description: string;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata: {
    [k: string]: string;
  };
  /**
   * Each charge of the batch and its refund.
   */
  charges: {
    /**
     * Id of the charge.
     */
    charge: string;
    /**
     * Id of the refund.
     */
    refund: string;
    /**
     * Where it stands.
     */
    status: "created" | "pending" | "succeeded" | "failed";
    /**
     * Why it failed, in words; null otherwise.
     */
    failure_msg: string | null;
    /**
     * Amount in minor units of the currency (fen, cents).
     */
    amount: number;
    /**
     * A text of your own.
     */
    description: string;
    /**
     * Where WeChat Pay takes the money from.
     */
    funding_source?: "unsettled_funds" | "recharge_funds";
  }[];
  /**
   * The refunds, newest first.
   */
  refunds: {
    /**
     * What kind of object this is.
     */
    object: "list";
    /**
     * Path of this list, without its query.
     */
    url: null;
    /**
     * Whether there are more in the direction of travel.
     */
    has_more: boolean;
    /**
     * The objects of this page.
     */
    data: Refund[];
  };
  /**
   * Always null.
   */
  refund_url: null;
  /**
   * Where it stands.
   */
  status: "created" | "pending" | "succeeded" | "failed" | "partially_succeeded";
  /**
   * When all of its refunds had succeeded, Unix seconds; null otherwise.
   */
  time_succeeded: number | null;
}
export interface Refund {
  /**
   * Id of the refund, `re_…`.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "refund";
  /**
   * The refund's number at the channel, made from its id.
   */
  order_no: string;
  /**
   * Amount that goes back, in minor units of the charge's currency.
   */
  amount: number;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * Whether the money has gone back: the same as `status` being `succeeded`.
   */
  succeed: boolean;
  /**
   * `pending` until the channel has decided; switch on nothing else.
   */
  status: "pending" | "succeeded" | "failed";
  /**
   * When it succeeded, Unix seconds; null otherwise.
   */
  time_succeed: number | null;
  /**
   * What the customer may read.
   */
  description: string;
  /**
   * Why it failed, for programs; null otherwise.
   */
  failure_code:
    | (
        | "refund_refused_msg"
        | "refund_refused"
        | "refund_retry"
        | "refund_failed"
        | "refund_pending"
        | "refund_wait_operation"
        | "refund_manual_intervention"
        | "refund_unexpected_status"
        | "refund_not_found"
        | "refund_info_from_channel"
        | "channel_connection_error"
        | "channel_request_error"
        | "channel_parse_error"
        | "channel_sign_error"
        | "refund_canceled"
        | "refund_rejected"
      )
    | null;
  /**
   * Why it failed, in words; null otherwise.
   */
  failure_msg: string | null;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata: {
    [k: string]: string;
  };
  /**
   * Id of the charge.
   */
  charge: string;
  /**
   * Your number of the order that is refunded.
   */
  charge_order_no: string;
  /**
   * The channel's serial number of the refund; null until it gave one.
   */
  transaction_no: string | null;
  /**
   * Where WeChat Pay takes the money from.
   */
  funding_source?: "unsettled_funds" | "recharge_funds";
  /**
   * Yours, and what the service adds: `channel_code`, `approval`, `sent_after`, `batch_refund`, …
   */
  extra: {
    [k: string]: unknown;
  };
  /**
   * Id of the app that it belongs to.
   */
  app: string;
  /**
   * Your own number of the refund, unique within its charge: repeating it gives the same refund.
   */
  refund_no?: string;
  /**
   * Why a person is needed, if one is.
   */
  attention?:
    | "channel_abnormal"
    | "conflict"
    | "overdue"
    | "amount_mismatch"
    | "operator_url"
    | "already_refunded"
    | "configuration";
}
export interface CancelRefundBody {
  /**
   * Who does this: a name of yours.
   */
  by?: string;
  /**
   * Why, in your words.
   */
  reason?: string;
}
export interface ChannelAccount {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "channel_account";
  /**
   * Payment channel, as charges name it: `wx_pub`, `alipay`, …
   */
  channel: string;
  /**
   * How the channel is talked to.
   */
  connector: string;
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
  /**
   * Grows with every rotation.
   */
  revision: number;
  /**
   * Who you are at the channel.
   */
  merchant: string;
  /**
   * Names of the keys that the channel's notices are verified by.
   */
  notice_keys: string[];
  /**
   * Where the channel is to send its notices, if it takes one address for all.
   */
  notice_url: string | null;
  /**
   * A text of your own.
   */
  description: string | null;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * When it was retired, Unix seconds.
   */
  retired_at: number | null;
}
export interface ChannelAccountCheck {
  /**
   * What kind of object this is.
   */
  object: "channel_account_check";
  /**
   * Id of the channel account.
   */
  account: string;
  /**
   * Where it stands.
   */
  status: "ok" | "refused" | "unknown" | "unsupported";
  /**
   * What happened, for programs.
   */
  code: string | null;
  /**
   * What happened, in words.
   */
  message: string | null;
}
export interface Charge {
  /**
   * Id of the charge, `ch_…`.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "charge";
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
  /**
   * Whether it was paid.
   */
  paid: boolean;
  /**
   * Whether there is any refund, or was elsewhere.
   */
  refunded: boolean;
  /**
   * Whether the whole payment was reversed.
   */
  reversed: boolean;
  /**
   * Id of the app that it belongs to.
   */
  app: string;
  /**
   * Payment channel, as charges name it: `wx_pub`, `alipay`, …
   */
  channel: string;
  /**
   * Your number of the order.
   */
  order_no: string;
  /**
   * Address of the customer.
   */
  client_ip: string | null;
  /**
   * What was paid, minor units.
   */
  amount: number;
  /**
   * What was settled, minor units.
   */
  amount_settle: number;
  /**
   * ISO 4217 code in lower case.
   */
  currency: string;
  /**
   * What was sold.
   */
  subject: string;
  /**
   * What was sold, at length.
   */
  body: string;
  /**
   * Further facts of the channel.
   */
  extra: {
    [k: string]: unknown;
  };
  /**
   * When it was paid, Unix seconds. Refund windows are counted from it.
   */
  time_paid: number | null;
  /**
   * When it would have expired, Unix seconds.
   */
  time_expire: number | null;
  /**
   * When it was settled, Unix seconds.
   */
  time_settle: number | null;
  /**
   * The channel's serial number of the payment.
   */
  transaction_no: string | null;
  /**
   * Its ten newest refunds, newest first.
   */
  refunds: {
    /**
     * What kind of object this is.
     */
    object: "list";
    /**
     * Path of this list, without its query.
     */
    url: string;
    /**
     * Whether there are more in the direction of travel.
     */
    has_more: boolean;
    /**
     * The objects of this page.
     */
    data: Refund[];
  };
  /**
   * What has gone back, minor units; with what was refunded elsewhere.
   */
  amount_refunded: number;
  /**
   * Always null.
   */
  failure_code: string | null;
  /**
   * Always null.
   */
  failure_msg: string | null;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata: {
    [k: string]: string;
  };
  /**
   * Always empty: payments are collected elsewhere.
   */
  credential: {};
  /**
   * A text of your own.
   */
  description: string | null;
  /**
   * What can be refunded still, minor units.
   */
  amount_refundable: number;
  /**
   * What open refunds hold, minor units.
   */
  amount_pending_refund: number;
}
export interface ClaimRefundBody {
  /**
   * Who does this: a name of yours.
   */
  by: string;
  /**
   * Who had it so far, when it is handed over.
   */
  from?: string;
}
export interface CreateApiKeyBody {
  /**
   * A name of yours, 1 to 100 characters.
   */
  name: string;
  /**
   * Whether it is to be a live key; as the asking key when left out.
   */
  livemode?: boolean | null;
  /**
   * What the key may do; never more than the key that makes it.
   *
   * @minItems 1
   * @maxItems 100
   */
  scopes: [
    (
      | "refunds:read"
      | "refunds:write"
      | "refunds:approve"
      | "refunds:resolve"
      | "charges:read"
      | "charges:write"
      | "webhooks"
      | "channels"
      | "export"
      | "admin"
    ),
    ...(
      | "refunds:read"
      | "refunds:write"
      | "refunds:approve"
      | "refunds:resolve"
      | "charges:read"
      | "charges:write"
      | "webhooks"
      | "channels"
      | "export"
      | "admin"
    )[]
  ];
  /**
   * When it ends, Unix seconds; null for never.
   */
  expires_at?: number | null;
  /**
   * Addresses and CIDR ranges it may be used from; null for anywhere.
   */
  allowed_ips?: [string, ...string[]] | null;
}
export interface CreateAppBody {
  /**
   * A name of yours, 1 to 100 characters.
   */
  name: string;
  /**
   * The app's settings, for both modes.
   */
  settings?: {
    /**
     * Seconds after its answer in which an SDK's keyless repeat of a refund joins the first one.
     */
    duplicate_window_seconds?: number | null;
    /**
     * Refuse a refund without `amount` instead of refunding everything that is left.
     */
    require_amount?: boolean | null;
    /**
     * The largest `limit` of a charge's refund list.
     */
    list_limit_max?: number | null;
    /**
     * The largest amount of a charge, minor units.
     */
    charge_amount_max?: number | null;
    /**
     * Days after payment in which a channel refunds, by channel.
     */
    refund_windows?: {
      [k: string]: number;
    } | null;
    /**
     * Refunds of a charge that have not failed, at most.
     */
    refunds_max?: number | null;
    /**
     * Refunds of a charge in all, failed ones included, at most.
     */
    refund_attempts_max?: number | null;
    /**
     * Take `metadata.refund_no` for the `refund_no`.
     */
    metadata_refund_no?: boolean | null;
    /**
     * Sign every answer (`X-Pingplusplus-Signature`).
     */
    response_signing?: boolean | null;
    /**
     * Your RSA public key, PEM; once set, changing requests must be signed. Null for none.
     */
    public_key?: (string | null) | null;
    /**
     * Confirm a payment at the channel before its first live refund.
     */
    verify_payments?: boolean | null;
    /**
     * Sum of a charge's refunds within 24 hours above which one waits for approval, minor units by currency.
     */
    approval_limit?: {
      [k: string]: number;
    } | null;
    /**
     * Seconds a refund waits before it is sent; until then it can be canceled.
     */
    delay_seconds?: number | null;
    /**
     * What all refunds within 24 hours may come to, minor units by currency, in each mode.
     */
    daily_amount_max?: {
      [k: string]: number;
    } | null;
    /**
     * How many refunds may be made within 24 hours, in each mode; null for any number.
     */
    daily_refunds_max?: (number | null) | null;
    /**
     * Requests a second of one API key; twice as many may come at once.
     */
    rate_limit?: number | null;
    /**
     * Language of messages when the request does not say.
     */
    language?: ("zh" | "en") | null;
    /**
     * Where new ledgers should live; null for near the first request.
     */
    location_hint?: (("wnam" | "enam" | "sam" | "weur" | "eeur" | "apac" | "oc" | "afr" | "me") | null) | null;
  };
}
export interface CreateBatchRefundBody {
  /**
   * Id of the app that it belongs to.
   */
  app?:
    | (
        | string
        | {
            /**
             * Id of the object.
             */
            id: string;
          }
      )
    | null;
  /**
   * Your number of the batch, unique within the app: 3 to 24 letters or digits.
   */
  batch_no: string;
  /**
   * The charges to refund: an id for all that is left of it, or an object.
   *
   * @minItems 1
   * @maxItems 100
   */
  charges: [
    {
      /**
       * Id of the charge.
       */
      charge: string;
      /**
       * Amount in minor units of the currency (fen, cents).
       */
      amount?: number;
      /**
       * A text of your own.
       */
      description?: string;
      /**
       * Where WeChat Pay takes the money from.
       */
      funding_source?: "unsettled_funds" | "recharge_funds";
    },
    ...{
      /**
       * Id of the charge.
       */
      charge: string;
      /**
       * Amount in minor units of the currency (fen, cents).
       */
      amount?: number;
      /**
       * A text of your own.
       */
      description?: string;
      /**
       * Where WeChat Pay takes the money from.
       */
      funding_source?: "unsettled_funds" | "recharge_funds";
    }[]
  ];
  /**
   * A text of your own.
   */
  description: string;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata?: {
    [k: string]: string | number | boolean;
  };
}
export interface CreateChannelAccountBody {
  /**
   * Payment channel, as charges name it: `wx_pub`, `alipay`, …
   */
  channel: string;
  /**
   * What the channel gave you; never shown again.
   */
  credentials: {
    [k: string]: unknown;
  };
  /**
   * A text of your own.
   */
  description?: string | null;
}
export interface CreateRefundBody {
  /**
   * Amount in minor units of the charge's currency. Left out, everything that can be refunded still.
   */
  amount?: number;
  /**
   * Why it goes back; required. The customer may read it.
   */
  description: string;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata?: {
    [k: string]: string | number | boolean;
  };
  /**
   * Where WeChat Pay takes the money from.
   */
  funding_source?: "unsettled_funds" | "recharge_funds";
  /**
   * Kept with the refund as it is, up to 4 KiB.
   */
  extra?: {
    [k: string]: unknown;
  };
  /**
   * Your own number of the refund, unique within its charge: repeating it gives the same refund.
   */
  refund_no?: string;
}
export interface CreateWebhookEndpointBody {
  /**
   * An https address on the public internet.
   */
  url: string;
  /**
   * The types of events it gets; `*` stands for Ping++'s own.
   *
   * @minItems 1
   * @maxItems 32
   */
  enabled_events?: [
    (
      | "*"
      | "refund.succeeded"
      | "refund.failed"
      | "batch_refund.succeeded"
      | "refund.created"
      | "refund.updated"
      | "webhook_endpoint.disabled"
      | "webhook_endpoint.ping"
    ),
    ...(
      | "*"
      | "refund.succeeded"
      | "refund.failed"
      | "batch_refund.succeeded"
      | "refund.created"
      | "refund.updated"
      | "webhook_endpoint.disabled"
      | "webhook_endpoint.ping"
    )[]
  ];
  /**
   * A text of your own.
   */
  description?: string | null;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata?: {
    [k: string]: string | number | boolean;
  };
  /**
   * When deliveries that failed are tried again: over days, or as Ping++ did.
   */
  schedule?: "standard" | "pingpp";
  /**
   * Deliveries a second; null for no limit.
   */
  rate_limit?: number | null;
  /**
   * Where it stands.
   */
  status?: "enabled" | "disabled";
}
export interface CreatedApp {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "app";
  /**
   * A name of yours, 1 to 100 characters.
   */
  name: string;
  /**
   * Id of the app that made it; null for the first one.
   */
  parent: string | null;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  settings: AppSettings2;
  test_key: ApiKey1;
  live_key: ApiKey2;
}
/**
 * The app's settings, for both modes.
 */
export interface AppSettings2 {
  /**
   * Seconds after its answer in which an SDK's keyless repeat of a refund joins the first one.
   */
  duplicate_window_seconds: number;
  /**
   * Refuse a refund without `amount` instead of refunding everything that is left.
   */
  require_amount: boolean;
  /**
   * The largest `limit` of a charge's refund list.
   */
  list_limit_max: number;
  /**
   * The largest amount of a charge, minor units.
   */
  charge_amount_max: number;
  /**
   * Days after payment in which a channel refunds, by channel.
   */
  refund_windows: {
    [k: string]: number;
  };
  /**
   * Refunds of a charge that have not failed, at most.
   */
  refunds_max: number;
  /**
   * Refunds of a charge in all, failed ones included, at most.
   */
  refund_attempts_max: number;
  /**
   * Take `metadata.refund_no` for the `refund_no`.
   */
  metadata_refund_no: boolean;
  /**
   * Sign every answer (`X-Pingplusplus-Signature`).
   */
  response_signing: boolean;
  /**
   * Your RSA public key, PEM; once set, changing requests must be signed. Null for none.
   */
  public_key: string | null;
  /**
   * Confirm a payment at the channel before its first live refund.
   */
  verify_payments: boolean;
  /**
   * Sum of a charge's refunds within 24 hours above which one waits for approval, minor units by currency.
   */
  approval_limit: {
    [k: string]: number;
  };
  /**
   * Seconds a refund waits before it is sent; until then it can be canceled.
   */
  delay_seconds: number;
  /**
   * What all refunds within 24 hours may come to, minor units by currency, in each mode.
   */
  daily_amount_max: {
    [k: string]: number;
  };
  /**
   * How many refunds may be made within 24 hours, in each mode; null for any number.
   */
  daily_refunds_max: number | null;
  /**
   * Requests a second of one API key; twice as many may come at once.
   */
  rate_limit: number;
  /**
   * Language of messages when the request does not say.
   */
  language: "zh" | "en";
  /**
   * Where new ledgers should live; null for near the first request.
   */
  location_hint: ("wnam" | "enam" | "sam" | "weur" | "eeur" | "apac" | "oc" | "afr" | "me") | null;
}
/**
 * Its first test key.
 */
export interface ApiKey1 {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "api_key";
  /**
   * Id of the app that the key belongs to.
   */
  app: string;
  /**
   * Whether it is a live key.
   */
  livemode: boolean;
  /**
   * A name of yours, 1 to 100 characters.
   */
  name: string;
  /**
   * What the key may do; never more than the key that makes it.
   */
  scopes: (
    | "refunds:read"
    | "refunds:write"
    | "refunds:approve"
    | "refunds:resolve"
    | "charges:read"
    | "charges:write"
    | "webhooks"
    | "channels"
    | "export"
    | "admin"
  )[];
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * Id of the key that made it; null for a seeded one.
   */
  created_by: string | null;
  /**
   * When it ends, Unix seconds; null for never.
   */
  expires_at: number | null;
  /**
   * When it was revoked, Unix seconds.
   */
  revoked_at: number | null;
  /**
   * Id of the key that replaces it.
   */
  replaced_by: string | null;
  /**
   * When it was last used, Unix seconds, to within an hour.
   */
  last_used_at: number | null;
  /**
   * Addresses and CIDR ranges it may be used from; null for anywhere.
   */
  allowed_ips: string[] | null;
  /**
   * The key itself; only in the answer that makes it.
   */
  key?: string;
}
/**
 * Its first live key.
 */
export interface ApiKey2 {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "api_key";
  /**
   * Id of the app that the key belongs to.
   */
  app: string;
  /**
   * Whether it is a live key.
   */
  livemode: boolean;
  /**
   * A name of yours, 1 to 100 characters.
   */
  name: string;
  /**
   * What the key may do; never more than the key that makes it.
   */
  scopes: (
    | "refunds:read"
    | "refunds:write"
    | "refunds:approve"
    | "refunds:resolve"
    | "charges:read"
    | "charges:write"
    | "webhooks"
    | "channels"
    | "export"
    | "admin"
  )[];
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * Id of the key that made it; null for a seeded one.
   */
  created_by: string | null;
  /**
   * When it ends, Unix seconds; null for never.
   */
  expires_at: number | null;
  /**
   * When it was revoked, Unix seconds.
   */
  revoked_at: number | null;
  /**
   * Id of the key that replaces it.
   */
  replaced_by: string | null;
  /**
   * When it was last used, Unix seconds, to within an hour.
   */
  last_used_at: number | null;
  /**
   * Addresses and CIDR ranges it may be used from; null for anywhere.
   */
  allowed_ips: string[] | null;
  /**
   * The key itself; only in the answer that makes it.
   */
  key?: string;
}
export interface DeadLetter {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "dead_letter";
  /**
   * The queue that gave up.
   */
  queue: string;
  /**
   * Id of the delivery.
   */
  delivery: string | null;
  /**
   * Id of the refund.
   */
  refund: string | null;
  /**
   * Id of the charge.
   */
  charge: string | null;
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * When it was sent again, Unix seconds.
   */
  redriven_at: number | null;
}
export interface DeletedWebhookEndpoint {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "webhook_endpoint";
  /**
   * It is gone.
   */
  deleted: true;
}
export interface Dispute {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "dispute";
  /**
   * Id of the charge.
   */
  charge: string;
  /**
   * Where it stands.
   */
  status: "opened" | "won" | "lost";
  /**
   * Amount in minor units of the currency (fen, cents).
   */
  amount: number;
  /**
   * When it was last told, Unix seconds.
   */
  updated: number;
  /**
   * What can be refunded still, minor units.
   */
  amount_refundable: number;
}
export interface Error {
  /**
   * What went wrong.
   */
  error: {
    /**
     * Whose fault it was: the request's, ours, or the channel's.
     */
    type: "invalid_request_error" | "api_error" | "channel_error";
    /**
     * For people. Chinese unless `Accept-Language` prefers English.
     */
    message: string;
    /**
     * For programs; left out where there is none.
     */
    code?: string;
    /**
     * The parameter that is wrong; left out where there is none.
     */
    param?: string;
  };
}
export interface Event {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
  /**
   * What happened: `noun.participle`.
   */
  type:
    | "refund.succeeded"
    | "refund.failed"
    | "batch_refund.succeeded"
    | "refund.created"
    | "refund.updated"
    | "webhook_endpoint.disabled"
    | "webhook_endpoint.ping";
  /**
   * What it happened to.
   */
  data: {
    /**
     * The object as it was when the event happened.
     */
    object: {
      [k: string]: unknown;
    };
  };
  /**
   * What kind of object this is.
   */
  object: "event";
  /**
   * Id of the request that made it happen at once; null otherwise.
   */
  request: string | null;
  /**
   * How many endpoints still wait for it.
   */
  pending_webhooks: number;
}
export interface Ledger {
  /**
   * What kind of object this is.
   */
  object: "ledger";
  /**
   * Whether the ledger itself answered, or the database for one that is empty.
   */
  source: "ledger" | "database";
  /**
   * Id of the charge.
   */
  charge: {
    /**
     * Id of the object.
     */
    id: string;
    [k: string]: unknown;
  };
  /**
   * Why it takes no new refunds; null if it does.
   */
  freeze: ("conflict" | "lost") | null;
  /**
   * Who lifted a freeze, when and why.
   */
  adoptions: {
    /**
     * Who does this: a name of yours.
     */
    by: string;
    /**
     * Why, in your words.
     */
    reason: string;
    [k: string]: unknown;
  }[];
  /**
   * The refunds, newest first.
   */
  refunds: {
    /**
     * Id of the object.
     */
    id: string;
    [k: string]: unknown;
  }[];
  /**
   * Ids of events that the database does not have yet.
   */
  undelivered: string[];
}
export interface LedgerNamespace {
  /**
   * What kind of object this is.
   */
  object: "ledger_namespace";
  /**
   * Which deployment's ledgers these are.
   */
  fingerprint: string;
  /**
   * The database belongs to them now.
   */
  adopted: true;
}
export interface Limits {
  /**
   * What kind of object this is.
   */
  object: "limits";
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
  /**
   * Requests a second of one API key; twice as many may come at once.
   */
  rate_limit: {
    /**
     * Requests a second.
     */
    per_second: number;
    /**
     * How many may come at once.
     */
    burst: number;
    /**
     * What is left; null where there is no limit.
     */
    remaining: number;
  };
  /**
   * Limits of the last 24 hours.
   */
  daily: {
    /**
     * How far back is counted, seconds.
     */
    window_seconds: number;
    /**
     * By number.
     */
    refunds: {
      /**
       * The limit; null where there is none.
       */
      max: number | null;
      /**
       * What is used.
       */
      used: number;
      /**
       * What is left; null where there is no limit.
       */
      remaining: number | null;
    };
    /**
     * By amount, minor units, by currency; `*` is any that is not named.
     */
    amounts: {
      [k: string]: {
        /**
         * The limit; null where there is none.
         */
        max: number | null;
        /**
         * What is used.
         */
        used: number;
        /**
         * What is left; null where there is no limit.
         */
        remaining: number | null;
      };
    };
  };
  /**
   * Sum of a charge's refunds within 24 hours above which one waits for approval, minor units by currency.
   */
  approval_limit: {
    [k: string]: number;
  };
  /**
   * Seconds a refund waits before it is sent; until then it can be canceled.
   */
  delay_seconds: number;
}
export interface ListApiKeysAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: ApiKey[];
}
export interface ListAppsAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: App[];
}
export interface ListBatchRefundsAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: BatchRefund[];
}
export interface ListChannelAccountsAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: ChannelAccount[];
}
export interface ListChargeRefundsAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: Refund[];
}
export interface ListChargesAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: Charge[];
  /**
   * How many the filters find; with `include=total_count`.
   */
  total_count?: number;
  /**
   * There are more than were counted.
   */
  total_count_capped?: boolean;
}
export interface ListDeadLettersAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: DeadLetter[];
}
export interface ListEventsAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: Event[];
  /**
   * How many the filters find; with `include=total_count`.
   */
  total_count?: number;
  /**
   * There are more than were counted.
   */
  total_count_capped?: boolean;
}
export interface ListOrphanNoticesAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: OrphanNotice[];
}
export interface OrphanNotice {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "orphan_notice";
  /**
   * Payment channel, as charges name it: `wx_pub`, `alipay`, …
   */
  channel: string;
  /**
   * Id of the charge.
   */
  charge: string | null;
  /**
   * The number of a refund that the notice is about.
   */
  number: string;
  /**
   * What the channel said, as it was understood.
   */
  verdict: {
    [k: string]: unknown;
  };
  /**
   * When it came, Unix seconds.
   */
  received: number;
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
}
export interface ListPublicKeysAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: PublicKey[];
}
export interface PublicKey {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "public_key";
  /**
   * RSA public key, PEM.
   */
  public_key: string;
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
}
export interface ListRefundTimelineAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: TimelineEntry[];
}
export interface TimelineEntry {
  /**
   * What kind of object this is.
   */
  object: "timeline_entry";
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * The same in ms.
   */
  created_ms: number;
  /**
   * Where it stands.
   */
  status: "pending" | "succeeded" | "failed";
  /**
   * Where it stood inside, finer than `status`.
   */
  state: "waiting" | "submitting" | "unknown" | "accepted" | "succeeded" | "failed";
  /**
   * Where it stood before; null at the beginning.
   */
  from: ("waiting" | "submitting" | "unknown" | "accepted" | "succeeded" | "failed") | null;
  /**
   * Why it changed.
   */
  cause:
    | "created"
    | "refused"
    | "sent"
    | "answered"
    | "queried"
    | "notified"
    | "moved"
    | "canceled"
    | "approved"
    | "rejected"
    | "claimed"
    | "resolved"
    | "updated"
    | "restored"
    | "held"
    | "adopted";
  /**
   * Who changed it.
   */
  actor: {
    /**
     * The channel, the service, a key or a person.
     */
    type: "channel" | "system" | "key" | "person";
    /**
     * Id of the API key that was used.
     */
    key: string | null;
    /**
     * The person's name.
     */
    by: string | null;
  };
  /**
   * What happened, for programs.
   */
  code: string | null;
  /**
   * What happened, in words.
   */
  message: string | null;
  /**
   * Why a person is needed, if one is.
   */
  attention:
    | (
        | "channel_abnormal"
        | "conflict"
        | "overdue"
        | "amount_mismatch"
        | "operator_url"
        | "already_refunded"
        | "configuration"
      )
    | null;
}
export interface ListRefundsAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: Refund[];
  /**
   * How many the filters find; with `include=total_count`.
   */
  total_count?: number;
  /**
   * There are more than were counted.
   */
  total_count_capped?: boolean;
}
export interface ListWebhookDeliveriesAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: WebhookDelivery[];
}
export interface WebhookDelivery {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "webhook_delivery";
  /**
   * Id of the event.
   */
  event: string;
  /**
   * The type of the event.
   */
  event_type:
    | "refund.succeeded"
    | "refund.failed"
    | "batch_refund.succeeded"
    | "refund.created"
    | "refund.updated"
    | "webhook_endpoint.disabled"
    | "webhook_endpoint.ping";
  /**
   * Id of the webhook endpoint.
   */
  endpoint: string;
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
  /**
   * Where it stands.
   */
  status: "pending" | "delivered" | "exhausted" | "skipped";
  /**
   * How often it has been tried.
   */
  attempts: number;
  /**
   * A queue gave up on it; the rows still say when it is due.
   */
  dead_lettered: boolean;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * When it is tried next, Unix seconds; null if it waits for a ping or has ended.
   */
  next_attempt_at: number | null;
  /**
   * When it ended, Unix seconds.
   */
  ended_at: number | null;
  /**
   * The newest attempt; null before the first.
   */
  last_attempt?: WebhookDeliveryAttempt | null;
}
export interface WebhookDeliveryAttempt {
  /**
   * What kind of object this is.
   */
  object: "webhook_delivery_attempt";
  /**
   * Which attempt it was, from 1.
   */
  number: number;
  /**
   * Why it was tried.
   */
  trigger: "auto" | "manual";
  /**
   * When it began, Unix seconds.
   */
  started_at: number;
  /**
   * How long it took, ms.
   */
  duration_ms: number;
  /**
   * What the endpoint answered; null if nothing.
   */
  http_status: number | null;
  /**
   * Why nothing was answered.
   */
  failure: string | null;
  /**
   * The first bytes of a 2xx.
   */
  answer: string | null;
}
export interface ListWebhookDeliveryAttemptsAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: WebhookDeliveryAttempt[];
}
export interface ListWebhookEndpointsAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: WebhookEndpoint[];
}
export interface WebhookEndpoint {
  /**
   * Id of the object.
   */
  id: string;
  /**
   * What kind of object this is.
   */
  object: "webhook_endpoint";
  /**
   * Where events are delivered to.
   */
  url: string;
  /**
   * The types of events it gets; `*` stands for Ping++'s own.
   */
  enabled_events: (
    | "*"
    | "refund.succeeded"
    | "refund.failed"
    | "batch_refund.succeeded"
    | "refund.created"
    | "refund.updated"
    | "webhook_endpoint.disabled"
    | "webhook_endpoint.ping"
  )[];
  /**
   * `pending` until it has answered a ping, then `enabled`; `disabled` gets nothing.
   */
  status: "pending" | "enabled" | "disabled";
  /**
   * When deliveries that failed are tried again: over days, or as Ping++ did.
   */
  schedule: "standard" | "pingpp";
  /**
   * Deliveries a second; null for no limit.
   */
  rate_limit: number | null;
  /**
   * A text of your own.
   */
  description: string | null;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata: {
    [k: string]: string;
  };
  /**
   * Whether real money moves: live or test mode.
   */
  livemode: boolean;
  /**
   * When it was made, Unix seconds.
   */
  created: number;
  /**
   * Since when it has been failing, Unix seconds; null while it is well.
   */
  first_failure_at: number | null;
  /**
   * When it is disabled if it goes on failing, Unix seconds.
   */
  disable_at: number | null;
  /**
   * When it was disabled, Unix seconds.
   */
  disabled_at: number | null;
  /**
   * Why it was disabled.
   */
  disabled_reason: ("gone" | "failing" | "by_request" | "unanswered") | null;
  /**
   * The secret that signs deliveries (Standard Webhooks); shown once.
   */
  secret?: string;
}
export interface RebuildLedgersAnswer {
  /**
   * What kind of object this is.
   */
  object: "list";
  /**
   * Path of this list, without its query.
   */
  url: string;
  /**
   * Whether there are more in the direction of travel.
   */
  has_more: boolean;
  /**
   * The objects of this page.
   */
  data: {
    /**
     * Id of the ledger, where it was named by it.
     */
    ledger?: string;
    /**
     * Id of the charge.
     */
    charge: string | null;
    /**
     * Where it stands.
     */
    status: "told" | "not_found" | "unavailable";
  }[];
}
export interface RebuildLedgersBody {
  /**
   * Ids of charges; everything when neither list is given.
   *
   * @minItems 1
   * @maxItems 20
   */
  charges?:
    | [string]
    | [string, string]
    | [string, string, string]
    | [string, string, string, string]
    | [string, string, string, string, string]
    | [string, string, string, string, string, string]
    | [string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ];
  /**
   * Ids of ledgers, as an alert names them.
   *
   * @minItems 1
   * @maxItems 20
   */
  ledgers?:
    | [string]
    | [string, string]
    | [string, string, string]
    | [string, string, string, string]
    | [string, string, string, string, string]
    | [string, string, string, string, string, string]
    | [string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ];
}
export interface RecordChargeBody {
  /**
   * Its id when the charge comes from Ping++; left out otherwise.
   */
  id?: string;
  /**
   * Your app: its id, or `{id}`; the key's own when left out. A whole Ping++ charge object may name the app it had there.
   */
  app?:
    | (
        | string
        | {
            /**
             * Id of the object.
             */
            id: string;
          }
      )
    | null;
  /**
   * Your number of the order.
   */
  order_no: string;
  /**
   * Payment channel, as charges name it: `wx_pub`, `alipay`, …
   */
  channel: string;
  /**
   * What was paid, minor units.
   */
  amount: number;
  /**
   * Address of the customer.
   */
  client_ip?: string | null;
  /**
   * ISO 4217 code in lower case.
   */
  currency?: string;
  /**
   * What was sold.
   */
  subject?: string | null;
  /**
   * What was sold, at length.
   */
  body?: string | null;
  /**
   * Kept with the charge as it is, up to 4 KiB.
   */
  extra?: {
    [k: string]: unknown;
  };
  /**
   * When it would have expired, Unix seconds.
   */
  time_expire?: number | null;
  /**
   * When it was settled, Unix seconds.
   */
  time_settle?: number | null;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata?: {
    [k: string]: string | number | boolean;
  };
  /**
   * A text of your own.
   */
  description?: string | null;
  /**
   * What was settled, minor units.
   */
  amount_settle?: number | null;
  /**
   * When the charge was made, Unix seconds; now when left out.
   */
  created?: number | null;
  /**
   * Whether it was paid. Test mode takes it for true when left out.
   */
  paid?: boolean;
  /**
   * Whether the whole payment was reversed.
   */
  reversed?: boolean;
  /**
   * When it was paid, Unix seconds. Refund windows are counted from it.
   */
  time_paid?: number | null;
  /**
   * The channel's serial number of the payment.
   */
  transaction_no?: string | null;
  /**
   * What was refunded elsewhere already, minor units; held for ever.
   */
  amount_refunded?: number | null;
}
export interface RecordDisputeBody {
  /**
   * The channel's id of the dispute.
   */
  id: string;
  /**
   * Where it stands.
   */
  status: "opened" | "won" | "lost";
  /**
   * What is disputed, minor units; may be left out of one that is known.
   */
  amount?: number;
}
export interface RecoverWebhookDeliveriesBody {
  /**
   * Beginning of the period, Unix seconds.
   */
  since: number;
  /**
   * End of the period, Unix seconds, inclusive.
   */
  until?: number;
}
export interface RefundSummary {
  /**
   * What kind of object this is.
   */
  object: "refund_summary";
  /**
   * IANA name of the time zone whose days are counted.
   */
  time_zone: string;
  /**
   * The period: from `gte` up to `lt`, Unix seconds.
   */
  created: {
    /**
     * First second.
     */
    gte: number;
    /**
     * First second behind it.
     */
    lt: number;
  };
  /**
   * What the rows are grouped by.
   */
  group_by: ("day" | "status" | "channel" | "currency")[];
  /**
   * A row for each group that has refunds.
   */
  data: {
    /**
     * Day in the time zone, `YYYY-MM-DD`.
     */
    day?: string;
    /**
     * Where it stands.
     */
    status?: "pending" | "succeeded" | "failed";
    /**
     * Payment channel, as charges name it: `wx_pub`, `alipay`, …
     */
    channel?: string;
    /**
     * ISO 4217 code in lower case.
     */
    currency: string;
    /**
     * How many refunds.
     */
    count: number;
    /**
     * Amount in minor units of the currency (fen, cents).
     */
    amount: number;
  }[];
}
export interface RejectRefundBody {
  /**
   * Who does this: a name of yours.
   */
  by: string;
  /**
   * Why, in your words.
   */
  reason: string;
}
export interface ResendEventBody {
  /**
   * Id of the webhook endpoint.
   */
  endpoint: string;
  /**
   * Also when it arrived or is on its way.
   */
  force?: boolean;
}
export interface ResolveRefundBody {
  /**
   * How it ended.
   */
  outcome: "succeeded" | "failed";
  /**
   * Who does this: a name of yours.
   */
  by: string;
  /**
   * Why, in your words.
   */
  reason: string;
  /**
   * The channel's serial number of the payment.
   */
  transaction_no?: string;
}
export interface ReverseChargeBody {
  /**
   * A text of your own.
   */
  description?: string;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata?: {
    [k: string]: string | number | boolean;
  };
}
export interface RollWebhookSecretBody {
  /**
   * For how many seconds the earlier secrets go on signing.
   */
  expires_in?: number;
}
export interface RotateApiKeyBody {
  /**
   * For how many seconds the old key goes on working.
   */
  expires_in?: number;
}
export interface UpdateApiKeyBody {
  /**
   * A name of yours, 1 to 100 characters.
   */
  name?: string;
  /**
   * When it ends, Unix seconds; null for never.
   */
  expires_at?: number;
  /**
   * Addresses and CIDR ranges it may be used from; null for anywhere.
   */
  allowed_ips?: [string, ...string[]] | null;
}
export interface UpdateAppBody {
  /**
   * A name of yours, 1 to 100 characters.
   */
  name?: string;
  /**
   * The app's settings, for both modes.
   */
  settings?: {
    /**
     * Seconds after its answer in which an SDK's keyless repeat of a refund joins the first one.
     */
    duplicate_window_seconds?: number | null;
    /**
     * Refuse a refund without `amount` instead of refunding everything that is left.
     */
    require_amount?: boolean | null;
    /**
     * The largest `limit` of a charge's refund list.
     */
    list_limit_max?: number | null;
    /**
     * The largest amount of a charge, minor units.
     */
    charge_amount_max?: number | null;
    /**
     * Days after payment in which a channel refunds, by channel.
     */
    refund_windows?: {
      [k: string]: number;
    } | null;
    /**
     * Refunds of a charge that have not failed, at most.
     */
    refunds_max?: number | null;
    /**
     * Refunds of a charge in all, failed ones included, at most.
     */
    refund_attempts_max?: number | null;
    /**
     * Take `metadata.refund_no` for the `refund_no`.
     */
    metadata_refund_no?: boolean | null;
    /**
     * Sign every answer (`X-Pingplusplus-Signature`).
     */
    response_signing?: boolean | null;
    /**
     * Your RSA public key, PEM; once set, changing requests must be signed. Null for none.
     */
    public_key?: (string | null) | null;
    /**
     * Confirm a payment at the channel before its first live refund.
     */
    verify_payments?: boolean | null;
    /**
     * Sum of a charge's refunds within 24 hours above which one waits for approval, minor units by currency.
     */
    approval_limit?: {
      [k: string]: number;
    } | null;
    /**
     * Seconds a refund waits before it is sent; until then it can be canceled.
     */
    delay_seconds?: number | null;
    /**
     * What all refunds within 24 hours may come to, minor units by currency, in each mode.
     */
    daily_amount_max?: {
      [k: string]: number;
    } | null;
    /**
     * How many refunds may be made within 24 hours, in each mode; null for any number.
     */
    daily_refunds_max?: (number | null) | null;
    /**
     * Requests a second of one API key; twice as many may come at once.
     */
    rate_limit?: number | null;
    /**
     * Language of messages when the request does not say.
     */
    language?: ("zh" | "en") | null;
    /**
     * Where new ledgers should live; null for near the first request.
     */
    location_hint?: (("wnam" | "enam" | "sam" | "weur" | "eeur" | "apac" | "oc" | "afr" | "me") | null) | null;
  };
}
export interface UpdateChannelAccountBody {
  /**
   * Payment channel, as charges name it: `wx_pub`, `alipay`, …
   */
  channel?: string;
  /**
   * What the channel gave you; never shown again.
   */
  credentials?: {
    [k: string]: unknown;
  };
  /**
   * A text of your own.
   */
  description?: string | null;
}
export interface UpdateChargeBody {
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata?: {
    [k: string]: string | number | boolean;
  };
  /**
   * A text of your own.
   */
  description?: string | null;
  /**
   * Whether it was paid.
   */
  paid?: boolean;
  /**
   * When it was paid, Unix seconds. Refund windows are counted from it.
   */
  time_paid?: number;
  /**
   * The channel's serial number of the payment.
   */
  transaction_no?: string;
}
export interface UpdateRefundBody {
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata?: {
    [k: string]: string | number | boolean;
  };
  /**
   * A text of your own.
   */
  description?: string;
}
export interface UpdateWebhookEndpointBody {
  /**
   * Another https address; it is pinged first.
   */
  url?: string;
  /**
   * The types of events it gets; `*` stands for Ping++'s own.
   *
   * @minItems 1
   * @maxItems 32
   */
  enabled_events?: [
    (
      | "*"
      | "refund.succeeded"
      | "refund.failed"
      | "batch_refund.succeeded"
      | "refund.created"
      | "refund.updated"
      | "webhook_endpoint.disabled"
      | "webhook_endpoint.ping"
    ),
    ...(
      | "*"
      | "refund.succeeded"
      | "refund.failed"
      | "batch_refund.succeeded"
      | "refund.created"
      | "refund.updated"
      | "webhook_endpoint.disabled"
      | "webhook_endpoint.ping"
    )[]
  ];
  /**
   * A text of your own.
   */
  description?: string | null;
  /**
   * Your own pairs: at most 20, keys and values together at most 1000 characters.
   */
  metadata?: {
    [k: string]: string | number | boolean;
  };
  /**
   * When deliveries that failed are tried again: over days, or as Ping++ did.
   */
  schedule?: "standard" | "pingpp";
  /**
   * Deliveries a second; null for no limit.
   */
  rate_limit?: number | null;
  /**
   * Where it stands.
   */
  status?: "enabled" | "disabled";
}
export interface WebhookEndpointRecovery {
  /**
   * What kind of object this is.
   */
  object: "webhook_endpoint_recovery";
  /**
   * Id of the webhook endpoint.
   */
  endpoint: string;
  /**
   * Beginning of the period, Unix seconds.
   */
  since: number;
  /**
   * End of the period, Unix seconds, inclusive.
   */
  until: number;
  /**
   * How many deliveries are sent again.
   */
  recovered: number;
}
export interface WebhookEndpointStats {
  /**
   * What kind of object this is.
   */
  object: "webhook_endpoint_stats";
  /**
   * Id of the webhook endpoint.
   */
  endpoint: string;
  /**
   * Beginning of the period, Unix seconds.
   */
  since: number;
  /**
   * End of the period, Unix seconds, inclusive.
   */
  until: number;
  /**
   * Deliveries of the period, by status.
   */
  deliveries: {
    /**
     * On their way.
     */
    pending: number;
    /**
     * Arrived.
     */
    delivered: number;
    /**
     * Tried as often as the schedule says.
     */
    exhausted: number;
    /**
     * Not sent, because the endpoint was disabled.
     */
    skipped: number;
  };
  /**
   * Attempts of the period.
   */
  attempts: {
    /**
     * All.
     */
    total: number;
    /**
     * Answered with a 2xx.
     */
    succeeded: number;
    /**
     * Everything else.
     */
    failed: number;
  };
  /**
   * Attempts that succeeded, 0 to 1; null if there were none.
   */
  success_rate: number | null;
  /**
   * How long attempts took, ms.
   */
  duration_ms: {
    /**
     * Median, ms.
     */
    p50: number | null;
    /**
     * 99th percentile, ms.
     */
    p99: number | null;
    /**
     * The longest, ms.
     */
    max: number | null;
  };
  /**
   * When the oldest one still on its way was made, Unix seconds.
   */
  oldest_pending: number | null;
  /**
   * When one arrived last, Unix seconds.
   */
  last_delivered: number | null;
}

export interface paths {
  "/v1/charges": {
    post: { requestBody: { content: { "application/json": RecordChargeBody } }; responses: { 200: { content: { "application/json": Charge } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    get: { parameters?: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string; "created"?: number; "created[gt]"?: number; "created[gte]"?: number; "created[lt]"?: number; "created[lte]"?: number; "channel"?: string; "currency"?: string; "amount"?: number; "amount[gt]"?: number; "amount[gte]"?: number; "amount[lt]"?: number; "amount[lte]"?: number; "order_no"?: string; "transaction_no"?: string; "description"?: string; "paid"?: boolean; "refunded"?: boolean; "frozen"?: boolean; "sort"?: "-created" | "created" | "-amount" | "amount"; "include"?: "total_count" | ("total_count")[]; "include[]"?: "total_count" | ("total_count")[]; "app[id]"?: string; "metadata"?: Record<string, string> }; }; responses: { 200: { content: { "application/json": ListChargesAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}": {
    get: { parameters: { path: { "charge": string }; }; responses: { 200: { content: { "application/json": Charge } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    post: { parameters: { path: { "charge": string }; }; requestBody?: { content: { "application/json": UpdateChargeBody } }; responses: { 200: { content: { "application/json": Charge } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/reverse": {
    post: { parameters: { path: { "charge": string }; header?: { "Idempotency-Key"?: string; "Prefer"?: string }; }; requestBody?: { content: { "application/json": ReverseChargeBody } }; responses: { 200: { content: { "application/json": Charge } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 402: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/adopt": {
    post: { parameters: { path: { "charge": string }; }; requestBody: { content: { "application/json": AdoptChargeBody } }; responses: { 200: { content: { "application/json": Charge } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/ledger": {
    get: { parameters: { path: { "charge": string }; }; responses: { 200: { content: { "application/json": Ledger } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/ledgers/adopt": {
    post: { requestBody: { content: { "application/json": AdoptChargeBody } }; responses: { 200: { content: { "application/json": LedgerNamespace } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/ledgers/rebuild": {
    post: { requestBody?: { content: { "application/json": RebuildLedgersBody } }; responses: { 200: { content: { "application/json": RebuildLedgersAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/refunds": {
    post: { parameters: { path: { "charge": string }; header?: { "Idempotency-Key"?: string; "Prefer"?: string }; }; requestBody: { content: { "application/json": CreateRefundBody } }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 402: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    get: { parameters: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string; "attention"?: "any" | "channel_abnormal" | "conflict" | "overdue" | "amount_mismatch" | "operator_url" | "already_refunded" | "configuration" }; path: { "charge": string }; }; responses: { 200: { content: { "application/json": ListChargeRefundsAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/refunds/{refund}": {
    get: { parameters: { path: { "charge": string; "refund": string }; }; responses: { 200: { content: { "application/json": Refund } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    post: { parameters: { path: { "charge": string; "refund": string }; }; requestBody?: { content: { "application/json": UpdateRefundBody } }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/refunds/{refund}/cancel": {
    post: { parameters: { path: { "charge": string; "refund": string }; }; requestBody?: { content: { "application/json": CancelRefundBody } }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/refunds/{refund}/approve": {
    post: { parameters: { path: { "charge": string; "refund": string }; header?: { "Prefer"?: string }; }; requestBody: { content: { "application/json": ApproveRefundBody } }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 402: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/refunds/{refund}/reject": {
    post: { parameters: { path: { "charge": string; "refund": string }; }; requestBody: { content: { "application/json": RejectRefundBody } }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/refunds/{refund}/timeline": {
    get: { parameters: { path: { "charge": string; "refund": string }; }; responses: { 200: { content: { "application/json": ListRefundTimelineAnswer } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/refunds/{refund}/sync": {
    post: { parameters: { path: { "charge": string; "refund": string }; }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/refunds/{refund}/claim": {
    post: { parameters: { path: { "charge": string; "refund": string }; }; requestBody: { content: { "application/json": ClaimRefundBody } }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/refunds/{refund}/resolve": {
    post: { parameters: { path: { "charge": string; "refund": string }; }; requestBody: { content: { "application/json": ResolveRefundBody } }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/batch_refunds": {
    post: { requestBody: { content: { "application/json": CreateBatchRefundBody } }; responses: { 200: { content: { "application/json": BatchRefund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    get: { parameters?: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string; "created"?: number; "created[gt]"?: number; "created[gte]"?: number; "created[lt]"?: number; "created[lte]"?: number; "page"?: number; "per_page"?: number }; }; responses: { 200: { content: { "application/json": ListBatchRefundsAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/batch_refunds/{batch}": {
    get: { parameters: { path: { "batch": string }; }; responses: { 200: { content: { "application/json": BatchRefund } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/refunds/summary": {
    get: { parameters?: { query?: { "group_by"?: string | (string)[]; "group_by[]"?: string | (string)[]; "time_zone"?: string; "created"?: number; "created[gt]"?: number; "created[gte]"?: number; "created[lt]"?: number; "created[lte]"?: number; "status"?: "pending" | "succeeded" | "failed"; "channel"?: string; "currency"?: string }; }; responses: { 200: { content: { "application/json": RefundSummary } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/refunds/export": {
    get: { parameters?: { query?: { "created"?: number; "created[gt]"?: number; "created[gte]"?: number; "created[lt]"?: number; "created[lte]"?: number; "channel"?: string; "currency"?: string; "amount"?: number; "amount[gt]"?: number; "amount[gte]"?: number; "amount[lt]"?: number; "amount[lte]"?: number; "order_no"?: string; "transaction_no"?: string; "description"?: string; "status"?: "pending" | "succeeded" | "failed"; "refund_no"?: string; "attention"?: "any" | "channel_abnormal" | "conflict" | "overdue" | "amount_mismatch" | "operator_url" | "already_refunded" | "configuration"; "approval"?: "required" | "approved" | "rejected"; "charge"?: string; "batch"?: string; "sort"?: "-created" | "created" | "-amount" | "amount"; "format"?: "ndjson" | "csv"; "bom"?: boolean; "limit"?: number; "starting_after"?: string; "metadata"?: Record<string, string> }; }; responses: { 200: { content: { "application/x-ndjson": string; "text/csv": string } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/refunds": {
    get: { parameters?: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string; "created"?: number; "created[gt]"?: number; "created[gte]"?: number; "created[lt]"?: number; "created[lte]"?: number; "channel"?: string; "currency"?: string; "amount"?: number; "amount[gt]"?: number; "amount[gte]"?: number; "amount[lt]"?: number; "amount[lte]"?: number; "order_no"?: string; "transaction_no"?: string; "description"?: string; "status"?: "pending" | "succeeded" | "failed"; "refund_no"?: string; "attention"?: "any" | "channel_abnormal" | "conflict" | "overdue" | "amount_mismatch" | "operator_url" | "already_refunded" | "configuration"; "approval"?: "required" | "approved" | "rejected"; "charge"?: string; "batch"?: string; "sort"?: "-created" | "created" | "-amount" | "amount"; "include"?: "total_count" | ("total_count")[]; "include[]"?: "total_count" | ("total_count")[]; "metadata"?: Record<string, string> }; }; responses: { 200: { content: { "application/json": ListRefundsAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/refunds/{refund}": {
    get: { parameters: { path: { "refund": string }; }; responses: { 200: { content: { "application/json": Refund } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/charges/{charge}/disputes": {
    post: { parameters: { path: { "charge": string }; }; requestBody: { content: { "application/json": RecordDisputeBody } }; responses: { 200: { content: { "application/json": Dispute } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/test_helpers/refunds/{refund}/succeed": {
    post: { parameters: { path: { "refund": string }; }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/test_helpers/refunds/{refund}/fail": {
    post: { parameters: { path: { "refund": string }; }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/test_helpers/refunds/{refund}/reverse": {
    post: { parameters: { path: { "refund": string }; }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/test_helpers/refunds/{refund}/abnormal": {
    post: { parameters: { path: { "refund": string }; }; responses: { 200: { content: { "application/json": Refund } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/events/{event}": {
    get: { parameters: { path: { "event": string }; }; responses: { 200: { content: { "application/json": Event } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/events": {
    get: { parameters?: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string; "created"?: number; "created[gt]"?: number; "created[gte]"?: number; "created[lt]"?: number; "created[lte]"?: number; "include"?: "total_count" | ("total_count")[]; "include[]"?: "total_count" | ("total_count")[]; "type"?: string | (string)[]; "type[]"?: string | (string)[]; "delivery_status"?: "pending" | "delivered" | "exhausted" | "skipped"; "charge"?: string; "refund"?: string; "batch"?: string }; }; responses: { 200: { content: { "application/json": ListEventsAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/channel_accounts": {
    post: { requestBody: { content: { "application/json": CreateChannelAccountBody } }; responses: { 200: { content: { "application/json": ChannelAccount } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    get: { responses: { 200: { content: { "application/json": ListChannelAccountsAnswer } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/channel_accounts/{account}": {
    get: { parameters: { path: { "account": string }; }; responses: { 200: { content: { "application/json": ChannelAccount } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    post: { parameters: { path: { "account": string }; }; requestBody?: { content: { "application/json": UpdateChannelAccountBody } }; responses: { 200: { content: { "application/json": ChannelAccount } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    delete: { parameters: { path: { "account": string }; }; responses: { 200: { content: { "application/json": ChannelAccount } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/channel_accounts/{account}/check": {
    post: { parameters: { path: { "account": string }; }; responses: { 200: { content: { "application/json": ChannelAccountCheck } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/orphan_notices": {
    get: { parameters?: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string }; }; responses: { 200: { content: { "application/json": ListOrphanNoticesAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/webhook_endpoints": {
    post: { requestBody: { content: { "application/json": CreateWebhookEndpointBody } }; responses: { 200: { content: { "application/json": WebhookEndpoint } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    get: { responses: { 200: { content: { "application/json": ListWebhookEndpointsAnswer } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/webhook_endpoints/{endpoint}": {
    get: { parameters: { path: { "endpoint": string }; }; responses: { 200: { content: { "application/json": WebhookEndpoint } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    post: { parameters: { path: { "endpoint": string }; }; requestBody?: { content: { "application/json": UpdateWebhookEndpointBody } }; responses: { 200: { content: { "application/json": WebhookEndpoint } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    delete: { parameters: { path: { "endpoint": string }; }; responses: { 200: { content: { "application/json": DeletedWebhookEndpoint } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/webhook_endpoints/{endpoint}/roll_secret": {
    post: { parameters: { path: { "endpoint": string }; }; requestBody?: { content: { "application/json": RollWebhookSecretBody } }; responses: { 200: { content: { "application/json": WebhookEndpoint } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/webhook_endpoints/{endpoint}/ping": {
    post: { parameters: { path: { "endpoint": string }; }; responses: { 200: { content: { "application/json": WebhookDelivery } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/webhook_endpoints/{endpoint}/enable": {
    post: { parameters: { path: { "endpoint": string }; }; responses: { 200: { content: { "application/json": WebhookEndpoint } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/webhook_endpoints/{endpoint}/disable": {
    post: { parameters: { path: { "endpoint": string }; }; responses: { 200: { content: { "application/json": WebhookEndpoint } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/webhook_endpoints/{endpoint}/recover": {
    post: { parameters: { path: { "endpoint": string }; }; requestBody: { content: { "application/json": RecoverWebhookDeliveriesBody } }; responses: { 200: { content: { "application/json": WebhookEndpointRecovery } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/events/{event}/resend": {
    post: { parameters: { path: { "event": string }; }; requestBody: { content: { "application/json": ResendEventBody } }; responses: { 200: { content: { "application/json": WebhookDelivery } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/webhook_endpoints/{endpoint}/stats": {
    get: { parameters: { query?: { "created"?: number; "created[gt]"?: number; "created[gte]"?: number; "created[lt]"?: number; "created[lte]"?: number }; path: { "endpoint": string }; }; responses: { 200: { content: { "application/json": WebhookEndpointStats } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/deliveries": {
    get: { parameters?: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string; "created"?: number; "created[gt]"?: number; "created[gte]"?: number; "created[lt]"?: number; "created[lte]"?: number; "event"?: string; "endpoint"?: string; "status"?: "pending" | "delivered" | "exhausted" | "skipped" }; }; responses: { 200: { content: { "application/json": ListWebhookDeliveriesAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/deliveries/{delivery}": {
    get: { parameters: { path: { "delivery": string }; }; responses: { 200: { content: { "application/json": WebhookDelivery } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/deliveries/{delivery}/attempts": {
    get: { parameters: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string }; path: { "delivery": string }; }; responses: { 200: { content: { "application/json": ListWebhookDeliveryAttemptsAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/dead_letters": {
    get: { parameters?: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string }; }; responses: { 200: { content: { "application/json": ListDeadLettersAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/dead_letters/{dead_letter}/redrive": {
    post: { parameters: { path: { "dead_letter": string }; }; responses: { 200: { content: { "application/json": DeadLetter } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/public_keys": {
    get: { responses: { 200: { content: { "application/json": ListPublicKeysAnswer } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/apps": {
    get: { parameters?: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string }; }; responses: { 200: { content: { "application/json": ListAppsAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    post: { requestBody: { content: { "application/json": CreateAppBody } }; responses: { 200: { content: { "application/json": CreatedApp } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/apps/{app}": {
    get: { parameters: { path: { "app": string }; }; responses: { 200: { content: { "application/json": App } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    post: { parameters: { path: { "app": string }; }; requestBody?: { content: { "application/json": UpdateAppBody } }; responses: { 200: { content: { "application/json": App } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/apps/{app}/keys": {
    get: { parameters: { query?: { "limit"?: number; "starting_after"?: string; "ending_before"?: string }; path: { "app": string }; }; responses: { 200: { content: { "application/json": ListApiKeysAnswer } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    post: { parameters: { path: { "app": string }; }; requestBody: { content: { "application/json": CreateApiKeyBody } }; responses: { 200: { content: { "application/json": ApiKey } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/apps/{app}/keys/{key}": {
    get: { parameters: { path: { "app": string; "key": string }; }; responses: { 200: { content: { "application/json": ApiKey } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    post: { parameters: { path: { "app": string; "key": string }; }; requestBody?: { content: { "application/json": UpdateApiKeyBody } }; responses: { 200: { content: { "application/json": ApiKey } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
    delete: { parameters: { path: { "app": string; "key": string }; }; responses: { 200: { content: { "application/json": ApiKey } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/apps/{app}/keys/{key}/rotate": {
    post: { parameters: { path: { "app": string; "key": string }; }; requestBody?: { content: { "application/json": RotateApiKeyBody } }; responses: { 200: { content: { "application/json": ApiKey } }; 400: { content: { "application/json": Error } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 404: { content: { "application/json": Error } }; 413: { content: { "application/json": Error } }; 415: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/v1/limits": {
    get: { responses: { 200: { content: { "application/json": Limits } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
  "/metrics": {
    get: { responses: { 200: { content: { "text/plain": string } }; 401: { content: { "application/json": Error } }; 403: { content: { "application/json": Error } }; 429: { content: { "application/json": Error } }; 503: { content: { "application/json": Error } } } };
  };
}
