// What the documents say of every route beyond the registry: its name for programs, its chapter, its summary in Chinese
// (the English one is the registry's), and the errors that are its own. What any route can answer stands in `problems.ts`.
import type { Code } from "./problem-samples.ts";

export const TAGS = {
  charges: [
    "Charges",
    "支付",
    "Payments that were collected elsewhere, recorded so that they can be refunded.",
    "在别处收取的款项，记录后才能退款。",
  ],
  refunds: [
    "Refunds",
    "退款",
    "Money going back. A refund is pending until its channel has decided.",
    "退回的款项。支付渠道作出决定之前，退款状态为 pending。",
  ],
  batches: [
    "Batch refunds",
    "批量退款",
    "Refunds of up to a hundred charges under one number.",
    "一个批次号下最多一百笔支付的退款。",
  ],
  test_helpers: [
    "Test helpers",
    "测试辅助",
    "Decide how a refund of test mode ends.",
    "决定测试模式的退款如何结束。",
  ],
  events: [
    "Events",
    "事件",
    "What happened, as it was when it happened.",
    "已发生的事情，内容为发生时的快照。",
  ],
  webhooks: [
    "Webhooks",
    "Webhook",
    "Where events are delivered to, and what became of each delivery.",
    "事件投递到哪里，以及每次投递的结果。",
  ],
  channels: [
    "Channels",
    "支付渠道",
    "Accounts at payment channels. Live keys only.",
    "支付渠道的账户，仅限 live 模式。",
  ],
  administration: [
    "Administration",
    "管理",
    "Apps, their settings and their API keys.",
    "应用、应用设置与 API Key。",
  ],
  operation: ["Operation", "运维", "What operators look at, and put right.", "运维人员查看与修复的内容。"],
} as const satisfies Record<string, readonly [en: string, zh: string, about: string, aboutZh: string]>;

export type Tag = keyof typeof TAGS;

export interface Operation {
  id: string;
  tag: Tag;
  zh: string;
  problems?: readonly Code[];
}

/** Why a charge takes no refund. */
const REFUSALS = [
  "request_keys_disagree",
  "idempotency_key_reused",
  "charge_frozen",
  "charge_not_paid",
  "charge_reversed",
  "fully_refunded",
  "refund_window_closed",
  "too_many_refunds",
  "charge_disputed",
  "partial_refund_unsupported",
  "refund_amount_exceeded",
  "channel_not_configured",
  "daily_limit_exceeded",
  "allowance_exceeded",
] as const satisfies readonly Code[];
const DECISIONS = ["charge_frozen", "too_many_changes", "unsupported"] as const satisfies readonly Code[];
const HELPED = ["illegal_transition", "unsupported"] as const satisfies readonly Code[];

const CHARGE = "/v1/charges/:charge";
const REFUND = `${CHARGE}/refunds/:refund`;
const ENDPOINT = "/v1/webhook_endpoints/:endpoint";
const HELPER = "/v1/test_helpers/refunds/:refund";
const KEY = "/v1/apps/:app/keys/:key";

export const OPERATIONS: Record<string, Operation> = {
  "POST /v1/charges": {
    id: "recordCharge",
    tag: "charges",
    zh: "记录一笔在别处收取的款项",
    problems: ["checkout_call", "transaction_no_used", "another_payment", "too_many_charges_of_order"],
  },
  "GET /v1/charges": { id: "listCharges", tag: "charges", zh: "搜索支付；不带条件时按时间倒序列出全部" },
  [`GET ${CHARGE}`]: { id: "retrieveCharge", tag: "charges", zh: "查询一笔支付及其退款" },
  [`POST ${CHARGE}`]: {
    id: "updateCharge",
    tag: "charges",
    zh: "更新一笔支付，或记录其已付款",
    problems: ["charge_facts_final", "another_payment", "transaction_no_used"],
  },
  [`POST ${CHARGE}/reverse`]: {
    id: "reverseCharge",
    tag: "charges",
    zh: "撤销一笔支付：全额退回；已有退款占用金额时拒绝",
    problems: ["charge_not_reversible", ...REFUSALS],
  },
  [`POST ${CHARGE}/disputes`]: {
    id: "recordDispute",
    tag: "charges",
    zh: "告知一笔支付发生争议，或争议的结果",
    problems: ["dispute_amount_missing", "too_many_disputes"],
  },
  [`POST ${CHARGE}/adopt`]: {
    id: "adoptCharge",
    tag: "operation",
    zh: "解除支付的冻结：其账本曾丢失，或渠道结果与账本矛盾",
    problems: ["charge_not_frozen", "refund_outcome_unknown", "channel_unreachable"],
  },
  [`GET ${CHARGE}/ledger`]: { id: "retrieveLedger", tag: "operation", zh: "查看一笔支付的完整账本" },
  "POST /v1/ledgers/adopt": {
    id: "adoptLedgers",
    tag: "operation",
    zh: "让此数据库归属本部署的账本，使 live 资金恢复流转",
  },
  "POST /v1/ledgers/rebuild": {
    id: "rebuildLedgers",
    tag: "operation",
    zh: "让账本把所知的一切重新写入数据库",
  },
  [`POST ${CHARGE}/refunds`]: {
    id: "createRefund",
    tag: "refunds",
    zh: "创建退款",
    problems: ["refund_no_reused", ...REFUSALS],
  },
  [`GET ${CHARGE}/refunds`]: {
    id: "listChargeRefunds",
    tag: "refunds",
    zh: "列出一笔支付的退款，按时间倒序",
  },
  [`GET ${REFUND}`]: { id: "retrieveChargeRefund", tag: "refunds", zh: "查询一笔退款" },
  [`POST ${REFUND}`]: {
    id: "updateRefund",
    tag: "refunds",
    zh: "修改退款的 metadata 或说明；只有在发往渠道之前修改，渠道才会得知",
    problems: DECISIONS,
  },
  [`POST ${REFUND}/cancel`]: {
    id: "cancelRefund",
    tag: "refunds",
    zh: "取消尚未发往渠道的退款",
    problems: ["refund_already_sent", ...DECISIONS],
  },
  [`POST ${REFUND}/approve`]: {
    id: "approveRefund",
    tag: "refunds",
    zh: "批准超过应用限额的退款；不能使用创建该退款的 Key",
    problems: ["refund_not_awaiting_approval", "approval_by_creator", "channel_not_configured", ...DECISIONS],
  },
  [`POST ${REFUND}/reject`]: {
    id: "rejectRefund",
    tag: "refunds",
    zh: "拒绝超过应用限额的退款，不发往渠道；不能使用创建该退款的 Key",
    problems: ["refund_not_awaiting_approval", "approval_by_creator", ...DECISIONS],
  },
  [`GET ${REFUND}/timeline`]: {
    id: "listRefundTimeline",
    tag: "refunds",
    zh: "列出一笔退款经历的一切，按时间正序",
  },
  [`POST ${REFUND}/sync`]: { id: "syncRefund", tag: "refunds", zh: "立即向渠道查询退款，已结束的也可以" },
  [`POST ${REFUND}/claim`]: {
    id: "claimRefund",
    tag: "refunds",
    zh: "认领需要人工处理的退款",
    problems: ["refund_claimed", "illegal_transition"],
  },
  [`POST ${REFUND}/resolve`]: {
    id: "resolveRefund",
    tag: "refunds",
    zh: "由人工结束渠道留待处理的退款；结束前会再查询一次渠道",
    problems: [
      "refund_not_claimed",
      "refund_claimed",
      "channel_processing",
      "channel_unreachable",
      "illegal_transition",
    ],
  },
  "POST /v1/batch_refunds": {
    id: "createBatchRefund",
    tag: "batches",
    zh: "用一个批次号为最多一百笔支付退款",
    problems: ["batch_no_used", "batch_refused", "daily_limit_exceeded", "allowance_exceeded"],
  },
  "GET /v1/batch_refunds/:batch": {
    id: "retrieveBatchRefund",
    tag: "batches",
    zh: "查询一个批次及其全部退款",
  },
  "GET /v1/batch_refunds": {
    id: "listBatchRefunds",
    tag: "batches",
    zh: "列出批次，按时间倒序，各附前几笔退款；可用游标，也可按 Ping++ 的页码",
  },
  "GET /v1/refunds/summary": {
    id: "summarizeRefunds",
    tag: "refunds",
    zh: "按状态、渠道、币种和时区自然日统计退款笔数与金额",
  },
  "GET /v1/refunds/export": {
    id: "exportRefunds",
    tag: "refunds",
    zh: "把搜索到的退款导出为 NDJSON 或 CSV，按时间正序",
  },
  "GET /v1/refunds": { id: "listRefunds", tag: "refunds", zh: "跨支付搜索退款" },
  "GET /v1/refunds/:refund": { id: "retrieveRefund", tag: "refunds", zh: "仅凭 id 查询一笔退款" },
  [`POST ${HELPER}/succeed`]: {
    id: "succeedTestRefund",
    tag: "test_helpers",
    zh: "让测试退款成功",
    problems: HELPED,
  },
  [`POST ${HELPER}/fail`]: {
    id: "failTestRefund",
    tag: "test_helpers",
    zh: "让处理中的测试退款失败",
    problems: HELPED,
  },
  [`POST ${HELPER}/reverse`]: {
    id: "reverseTestRefund",
    tag: "test_helpers",
    zh: "让已成功的测试退款最终失败",
    problems: HELPED,
  },
  [`POST ${HELPER}/abnormal`]: {
    id: "breakTestRefund",
    tag: "test_helpers",
    zh: "让处理中的测试退款需要人工处理",
    problems: HELPED,
  },
  "GET /v1/events/:event": { id: "retrieveEvent", tag: "events", zh: "查询一个事件" },
  "GET /v1/events": {
    id: "listEvents",
    tag: "events",
    zh: "列出事件，按时间倒序；带 delivery_status 时仅列出有该状态投递的事件",
  },
  "POST /v1/events/:event/resend": {
    id: "resendEvent",
    tag: "webhooks",
    zh: "向一个 endpoint 重新发送事件",
    problems: ["delivery_not_resendable", "endpoint_disabled"],
  },
  "POST /v1/channel_accounts": {
    id: "createChannelAccount",
    tag: "channels",
    zh: "添加渠道账户；凭据不会再显示",
    problems: ["channel_account_exists", "channel_account_merchant"],
  },
  "GET /v1/channel_accounts": {
    id: "listChannelAccounts",
    tag: "channels",
    zh: "列出渠道账户，按时间倒序，包括已停用的",
  },
  "GET /v1/channel_accounts/:account": {
    id: "retrieveChannelAccount",
    tag: "channels",
    zh: "查询一个渠道账户",
  },
  "POST /v1/channel_accounts/:account": {
    id: "updateChannelAccount",
    tag: "channels",
    zh: "轮换账户凭据：商户不变，版本递增",
    problems: ["channel_account_retired", "channel_account_merchant"],
  },
  "DELETE /v1/channel_accounts/:account": {
    id: "retireChannelAccount",
    tag: "channels",
    zh: "停用账户：不再用于新退款，未完成的退款仍会查询",
  },
  "POST /v1/channel_accounts/:account/check": {
    id: "checkChannelAccount",
    tag: "channels",
    zh: "不动用资金，向渠道验证凭据",
  },
  "GET /v1/orphan_notices": {
    id: "listOrphanNotices",
    tag: "channels",
    zh: "列出渠道发来、但找不到对应退款的通知，按时间倒序",
  },
  "POST /v1/webhook_endpoints": {
    id: "createWebhookEndpoint",
    tag: "webhooks",
    zh: "创建 webhook endpoint 并发送 ping；密钥仅在此应答中显示",
    problems: ["endpoint_limit"],
  },
  "GET /v1/webhook_endpoints": {
    id: "listWebhookEndpoints",
    tag: "webhooks",
    zh: "列出全部 webhook endpoint，按时间倒序",
  },
  [`GET ${ENDPOINT}`]: { id: "retrieveWebhookEndpoint", tag: "webhooks", zh: "查询一个 webhook endpoint" },
  [`POST ${ENDPOINT}`]: {
    id: "updateWebhookEndpoint",
    tag: "webhooks",
    zh: "更新 webhook endpoint；更换地址后须先应答 ping 才会收到事件",
  },
  [`DELETE ${ENDPOINT}`]: {
    id: "deleteWebhookEndpoint",
    tag: "webhooks",
    zh: "删除 webhook endpoint；尚未投递的将被跳过",
  },
  [`POST ${ENDPOINT}/roll_secret`]: {
    id: "rollWebhookSecret",
    tag: "webhooks",
    zh: "轮换密钥；新密钥仅在此应答中显示，旧密钥在一段时间内仍会签名",
    problems: ["too_many_secrets"],
  },
  [`POST ${ENDPOINT}/ping`]: {
    id: "pingWebhookEndpoint",
    tag: "webhooks",
    zh: "立即 ping 一个 webhook endpoint；返回该次投递及其尝试",
    problems: ["endpoint_disabled"],
  },
  [`POST ${ENDPOINT}/enable`]: {
    id: "enableWebhookEndpoint",
    tag: "webhooks",
    zh: "启用 webhook endpoint：先发送 ping，应答后开始接收事件",
  },
  [`POST ${ENDPOINT}/disable`]: {
    id: "disableWebhookEndpoint",
    tag: "webhooks",
    zh: "停用 webhook endpoint：未投递的以及期间发生的事件记为跳过",
  },
  [`POST ${ENDPOINT}/recover`]: {
    id: "recoverWebhookDeliveries",
    tag: "webhooks",
    zh: "重新发送一段时间内（最多 14 天）失败或跳过的投递",
    problems: ["endpoint_disabled"],
  },
  [`GET ${ENDPOINT}/stats`]: {
    id: "retrieveWebhookStats",
    tag: "webhooks",
    zh: "统计一段时间的投递与尝试：默认最近 24 小时，可查最近 30 天内任意时段",
  },
  "GET /v1/deliveries": { id: "listWebhookDeliveries", tag: "webhooks", zh: "列出 webhook 投递，按时间倒序" },
  "GET /v1/deliveries/:delivery": {
    id: "retrieveWebhookDelivery",
    tag: "webhooks",
    zh: "查询一次 webhook 投递及其最近一次尝试",
  },
  "GET /v1/deliveries/:delivery/attempts": {
    id: "listWebhookDeliveryAttempts",
    tag: "webhooks",
    zh: "列出一次投递的全部尝试，按时间正序；保留 30 天",
  },
  "GET /v1/dead_letters": { id: "listDeadLetters", tag: "operation", zh: "列出队列放弃的消息，按时间倒序" },
  "POST /v1/dead_letters/:dead_letter/redrive": {
    id: "redriveDeadLetter",
    tag: "operation",
    zh: "重新发送死信的消息；已结束的投递保持不变",
    problems: ["dead_letter_unreadable"],
  },
  "GET /v1/public_keys": {
    id: "listPublicKeys",
    tag: "webhooks",
    zh: "列出用于验证 webhook 与应答签名的公钥",
  },
  "GET /v1/apps": { id: "listApps", tag: "administration", zh: "列出本应用及其创建的应用，按时间倒序" },
  "POST /v1/apps": {
    id: "createApp",
    tag: "administration",
    zh: "创建应用；首批 API Key 仅在此应答中显示",
    problems: ["live_key_required"],
  },
  "GET /v1/apps/:app": { id: "retrieveApp", tag: "administration", zh: "查询应用及其全部设置，含默认值" },
  "POST /v1/apps/:app": {
    id: "updateApp",
    tag: "administration",
    zh: "更新应用名称与两种模式共用的设置；设为 null 即恢复默认值",
    problems: ["live_key_required"],
  },
  "GET /v1/apps/:app/keys": {
    id: "listApiKeys",
    tag: "administration",
    zh: "列出应用的 API Key，按时间倒序；test Key 只能看到 test Key",
  },
  "POST /v1/apps/:app/keys": {
    id: "createApiKey",
    tag: "administration",
    zh: "创建 API Key；Key 本身仅在此应答中显示",
    problems: ["live_key_required", "key_too_broad", "key_limit"],
  },
  [`GET ${KEY}`]: { id: "retrieveApiKey", tag: "administration", zh: "查询一个 API Key，不含 Key 本身" },
  [`POST ${KEY}`]: {
    id: "updateApiKey",
    tag: "administration",
    zh: "更新 API Key：名称、允许的来源地址，或提前到期时间",
    problems: ["key_too_broad", "key_ended"],
  },
  [`DELETE ${KEY}`]: { id: "revokeApiKey", tag: "administration", zh: "吊销 API Key，33 秒内在所有位置失效" },
  [`POST ${KEY}/rotate`]: {
    id: "rotateApiKey",
    tag: "administration",
    zh: "用同样权限的新 Key 替换旧 Key；旧 Key 在一段时间内仍可用",
    problems: ["key_too_broad", "key_limit", "key_ended"],
  },
  "GET /v1/limits": {
    id: "retrieveLimits",
    tag: "administration",
    zh: "查询应用退款与此 Key 的各项限制及已用额度",
  },
  "GET /metrics": {
    id: "readMetrics",
    tag: "operation",
    zh: "此 Key 所属应用与模式的指标，Prometheus 文本格式",
  },
};
