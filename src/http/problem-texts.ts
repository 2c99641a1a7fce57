// How every problem reads on the wire: its status, type, code, param, and its text in Chinese and English. One case each;
// the compiler sees to it that none is missing.
import type { ErrorType, Problem } from "./problem.ts";

export interface Rendering {
  status: number;
  type?: ErrorType;
  code?: string;
  param?: string;
  zh: string;
  en: string;
  headers?: Record<string, string>;
}

export function describe(problem: Problem): Rendering {
  const code = problem.code;
  switch (code) {
    case "fully_refunded":
      return {
        status: 400,
        zh: `不能对订单号 ${problem.orderNo} 发起退款，因为已经全额退款了。Charge id: ${problem.charge}。`,
        en: `Order ${problem.orderNo} cannot be refunded: it has already been fully refunded. Charge id: ${problem.charge}.`,
      };
    case "refund_amount_exceeded":
      return {
        status: 400,
        code,
        param: "amount",
        zh: `退款金额超出可退款金额，当前可退款金额为 ${problem.refundable}。`,
        en: `The refund exceeds what can be refunded: ${problem.refundable} is left.`,
      };
    case "charge_not_paid":
      return {
        status: 400,
        code,
        zh: `charge : ${problem.charge} 尚未付款，不能退款。`,
        en: `Charge ${problem.charge} has not been paid and cannot be refunded.`,
      };
    case "charge_reversed":
      return {
        status: 400,
        code,
        zh: `charge : ${problem.charge} 已经撤销，不能退款。`,
        en: `Charge ${problem.charge} has been reversed and cannot be refunded.`,
      };
    case "charge_disputed":
      return {
        status: 400,
        code,
        zh: `该 charge 存在争议，当前可退款金额为 ${problem.refundable}。`,
        en: `The charge is disputed: ${problem.refundable} can be refunded now.`,
      };
    case "charge_frozen":
      return problem.freeze === "lost"
        ? {
            status: 503,
            type: "api_error",
            code,
            headers: { "Retry-After": "60" },
            zh: `charge : ${problem.charge} 的账本需要人工确认，暂时不能退款。`,
            en: `The ledger of charge ${problem.charge} must be confirmed by an operator; it takes no refunds for now.`,
          }
        : {
            status: 400,
            code,
            zh: `charge : ${problem.charge} 的退款结果与渠道不一致，已冻结，请联系运营人员。`,
            en: `Charge ${problem.charge} is frozen: the channel contradicts its books. An operator must look at it.`,
          };
    case "refund_window_closed":
      return {
        status: 400,
        param: "Refund_time",
        zh: `退款时间超出渠道 ${problem.channel} 允许的最晚退款时间`,
        en: `The refund is later than channel ${problem.channel} allows.`,
      };
    case "too_many_refunds":
      return {
        status: 400,
        code,
        zh: `该 charge 的退款次数已达上限 ${problem.limit} 次。`,
        en: `The charge has reached its limit of ${problem.limit} refunds.`,
      };
    case "partial_refund_unsupported":
      return {
        status: 400,
        code,
        param: "amount",
        zh: `渠道 ${problem.channel} 只支持全额退款，退款金额必须为 ${problem.amount}。`,
        en: `Channel ${problem.channel} refunds only the whole amount, ${problem.amount}.`,
      };
    case "idempotency_key_reused":
      return {
        status: 400,
        code,
        zh: `该 Idempotency-Key 已用于参数不同的退款 ${problem.refund}。`,
        en: `This Idempotency-Key was used for refund ${problem.refund} with other parameters.`,
      };
    case "refund_no_reused":
      return {
        status: 400,
        code,
        param: "refund_no",
        zh: `该 refund_no 已用于参数不同的退款 ${problem.refund}。`,
        en: `This refund_no was used for refund ${problem.refund} with other parameters.`,
      };
    case "request_keys_disagree":
      return {
        status: 400,
        code: "idempotency_key_reused",
        zh: "Idempotency-Key 与 refund_no 对应不同的退款。",
        en: "The Idempotency-Key and the refund_no belong to different refunds.",
      };
    case "charge_facts_final":
      return {
        status: 400,
        param: problem.param,
        zh: `该 charge 已有退款发往渠道，不能再修改 ${problem.param}。`,
        en: `A refund of this charge has been sent to the channel: ${problem.param} can no longer change.`,
      };
    case "another_payment":
      return {
        status: 400,
        param: "transaction_no",
        zh: `该 charge 的 transaction_no 已记录为 ${problem.transactionNo}，另一个流水号是另一笔付款。`,
        en: `The charge is recorded with transaction_no ${problem.transactionNo}; another number is another payment.`,
      };
    case "refund_claimed":
      return {
        status: 400,
        code,
        zh: `refund : ${problem.refund} 已由 ${problem.by} 认领。`,
        en: `Refund ${problem.refund} is claimed by ${problem.by}.`,
      };
    case "refund_not_claimed":
      return {
        status: 400,
        code,
        zh: `refund : ${problem.refund} 需要先认领。`,
        en: `Refund ${problem.refund} must be claimed first.`,
      };
    case "channel_processing":
      return {
        status: 400,
        code,
        zh: `支付渠道仍在处理 refund : ${problem.refund}，不能人工处理。`,
        en: `The channel is still processing refund ${problem.refund}; it cannot be resolved by hand.`,
      };
    case "channel_unreachable":
      return {
        status: 503,
        type: "api_error",
        code,
        headers: { "Retry-After": "30" },
        zh: `暂时无法向支付渠道查询 refund : ${problem.refund}，请稍后重试。`,
        en: `The channel cannot be asked about refund ${problem.refund} now; try again later.`,
      };
    case "dispute_amount_missing":
      return {
        status: 400,
        param: "amount",
        zh: "参数 amount 无效：首次告知争议时必须提供。",
        en: "Invalid parameter amount: it is missing, and this dispute is not known yet.",
      };
    case "too_many_disputes":
      return {
        status: 400,
        code,
        zh: `charge : ${problem.charge} 的争议过多。`,
        en: `Charge ${problem.charge} has too many disputes.`,
      };
    case "illegal_transition":
      return {
        status: 400,
        param: "id",
        zh: `refund : ${problem.refund} 当前状态为 ${problem.status}，不能执行该操作。`,
        en: `Refund ${problem.refund} is ${problem.status}; it cannot make this move.`,
      };
    case "unknown_refund":
      return describe({ code: "not_found", object: "refund", id: problem.refund });
    case "invalid_parameter":
      return {
        status: 400,
        param: problem.param,
        zh: `参数 ${problem.param} 无效：${problem.reason[0]}。`,
        en: `Invalid parameter ${problem.param}: ${problem.reason[1]}.`,
      };
    case "unknown_parameter":
      return {
        status: 400,
        param: problem.param,
        zh: `未知参数：${problem.param}。`,
        en: `Unknown parameter: ${problem.param}.`,
      };
    case "malformed_body":
      return { status: 400, ...MALFORMED[problem.reason] };
    case "body_too_large":
      return { status: 413, zh: "请求体超过 64 KiB。", en: "The request body is larger than 64 KiB." };
    case "unsupported_media_type":
      return {
        status: 415,
        zh: "Content-Type 必须是 application/json 或 application/x-www-form-urlencoded。",
        en: "Content-Type must be application/json or application/x-www-form-urlencoded.",
      };
    case "bad_key":
      return {
        status: 401,
        zh: problem.key === null ? "未提供 API KEY。" : `提供了无效的 API KEY: ${problem.key}。`,
        en: problem.key === null ? "No API key was given." : `Invalid API key: ${problem.key}.`,
        headers: { "WWW-Authenticate": 'Basic realm="edge-refunds"' },
      };
    case "signature_invalid":
      return { status: 401, code, ...SIGNATURE[problem.reason] };
    case "scope_missing":
      return {
        status: 401,
        code,
        zh: `该 API KEY 没有 ${problem.scope} 权限。`,
        en: `This API key lacks the scope ${problem.scope}.`,
      };
    case "not_found":
      return {
        status: 404,
        param: "id",
        zh: `未找到 ${problem.object} : ${problem.id}。`,
        en: `No such ${problem.object}: ${problem.id}.`,
      };
    case "no_such_route":
      return { status: 404, zh: `未找到该接口：${problem.path}。`, en: `No such route: ${problem.path}.` };
    case "method_not_allowed":
      return {
        status: 405,
        zh: `该接口不支持 ${problem.method} 方法。`,
        en: `This route does not support ${problem.method}.`,
        headers: { Allow: problem.allow.join(", ") },
      };
    case "channel_not_configured":
      return {
        status: 402,
        type: "channel_error",
        code,
        zh: `渠道 ${problem.channel} 没有可用的账号，不能发起退款。`,
        en: `There is no account for channel ${problem.channel}; it cannot be asked to refund.`,
      };
    case "transaction_no_used":
      return {
        status: 400,
        code,
        param: "transaction_no",
        zh: "该 transaction_no 已属于另一个 charge。",
        en: "This transaction_no belongs to another charge.",
      };
    case "checkout_call":
      return {
        status: 400,
        param: "paid",
        zh: "本服务只记录已收取的付款，不收款：请提供 paid、transaction_no 或 id；下单请求请发往收款服务",
        en: "This service records payments that were collected elsewhere and collects none: give paid, transaction_no or id, or send checkout calls to the service that collects",
      };
    case "endpoint_limit":
      return {
        status: 400,
        zh: `每个应用在每种模式下最多 ${problem.limit} 个 webhook endpoint。`,
        en: `An app may have ${problem.limit} webhook endpoints in each mode.`,
      };
    case "channel_account_exists":
      return {
        status: 400,
        code,
        param: "channel",
        zh: `渠道 ${problem.channel} 已有账号：请更新其密钥，或先停用。`,
        en: `Channel ${problem.channel} has an account: rotate its credentials, or retire it first.`,
      };
    case "channel_account_retired":
      return {
        status: 400,
        code,
        zh: `channel account : ${problem.account} 已停用。`,
        en: `Channel account ${problem.account} is retired.`,
      };
    case "channel_account_merchant":
      return {
        status: 400,
        code,
        param: "credentials",
        zh: `该账号的商户号为 ${problem.merchant}，不能更换：请停用后新建。`,
        en: `The account is merchant ${problem.merchant}'s and stays so: retire it and add another.`,
      };
    case "endpoint_disabled":
      return {
        status: 400,
        code,
        zh: `webhook endpoint : ${problem.endpoint} 已停用，请先启用。`,
        en: `Webhook endpoint ${problem.endpoint} is disabled; enable it first.`,
      };
    case "too_many_secrets": {
      const freeAt = new Date(problem.freeAt).toISOString();
      return {
        status: 400,
        code,
        param: "expires_in",
        zh: `已有 ${problem.limit} 个密钥同时有效，最早的将于 ${freeAt} 失效；expires_in 为 0 会使旧密钥立即失效。`,
        en: `${problem.limit} secrets are valid already; the next of them ends at ${freeAt}. With expires_in 0 all earlier ones end now.`,
      };
    }
    case "delivery_not_resendable":
      return {
        status: 400,
        code,
        zh: `delivery : ${problem.delivery} 当前状态为 ${problem.status}，只有 exhausted 或 skipped 才能重新发送，除非 force 为 true。`,
        en: `Delivery ${problem.delivery} is ${problem.status}; only exhausted and skipped ones are sent again, unless force is true.`,
      };
    case "dead_letter_unreadable":
      return {
        status: 400,
        code,
        param: "id",
        zh: `dead letter : ${problem.letter} 的内容无法识别，不能重新发送。`,
        en: `Dead letter ${problem.letter} is not a message this service understands; it cannot be sent again.`,
      };
    case "too_many_charges_of_order":
      return {
        status: 400,
        param: "order_no",
        zh: "该订单号的付款记录过多。",
        en: "Too many payments are recorded for this order_no.",
      };
    case "unsupported":
    case "unavailable":
      return {
        status: 503,
        type: "api_error",
        headers: { "Retry-After": String(code === "unavailable" ? problem.retryAfterSeconds : 5) },
        zh: "服务暂时不可用，请稍后重试。",
        en: "The service is temporarily unavailable; please try again.",
      };
    case "wrong_namespace":
      return {
        status: 503,
        type: "api_error",
        headers: { "Retry-After": "60" },
        zh: "该数据库属于另一个部署的账本，已停止 live 模式的写入。",
        en: "This database belongs to another deployment's ledgers; live writes are stopped.",
      };
    case "internal":
      return {
        status: 500,
        type: "api_error",
        zh: "服务内部错误。",
        en: "Something went wrong on our side.",
      };
  }
}

const MALFORMED = {
  json: { zh: "请求体不是有效的 JSON。", en: "The request body is not valid JSON." },
  form: { zh: "请求体不是有效的表单。", en: "The request body is not a valid form." },
  utf8: { zh: "请求体不是有效的 UTF-8。", en: "The request body is not valid UTF-8." },
  cut_off: { zh: "请求体不完整。", en: "The request body is incomplete." },
  not_an_object: { zh: "请求体必须是一个对象。", en: "The request body must be an object." },
} as const;

const SIGNATURE = {
  missing: { zh: "请求缺少签名。", en: "The request is not signed." },
  stale: { zh: "签名的时间戳超出 300 秒。", en: "The signature's timestamp is more than 300 seconds off." },
  mismatch: { zh: "签名验证失败。", en: "The signature does not match." },
  used: { zh: "该签名已被使用。", en: "This signature has been used." },
  malformed: { zh: "签名或时间戳格式错误。", en: "The signature or its timestamp is malformed." },
} as const;
