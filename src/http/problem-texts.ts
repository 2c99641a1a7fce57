// How every problem reads on the wire: its status, type, code, param, and its text in Chinese and English. One case each;
// the compiler sees to it that none is missing. What ledgers refuse reads as `refusal-texts.ts` says.
import type { ErrorType, Problem } from "./problem.ts";
import { describeRefusal } from "./refusal-texts.ts";

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
    case "ip_not_allowed":
      return {
        status: 401,
        code,
        zh: "该 API KEY 不允许从此 IP 地址使用。",
        en: "This API key may not be used from this IP address.",
      };
    case "live_key_required":
      return {
        status: 401,
        code,
        zh: "该操作涉及 live 模式，需要使用 live 模式的 API KEY。",
        en: "This reaches into live mode: use a live API key.",
      };
    case "key_too_broad":
      return {
        status: 401,
        code,
        param: problem.param,
        zh: `API KEY 的 ${problem.param} 不能超出当前使用的 API KEY。`,
        en: `An API key must not reach beyond the one that you use: ${problem.param}.`,
      };
    case "key_limit":
      return {
        status: 400,
        code,
        zh: `每个应用最多可有 ${problem.limit} 个使用中的 API KEY。`,
        en: `An app may have ${problem.limit} API keys in use.`,
      };
    case "key_ended":
      return {
        status: 400,
        code,
        zh: `API KEY : ${problem.key} 已轮换、已吊销或已过期。`,
        en: `API key ${problem.key} was rotated or revoked, or has expired.`,
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
    case "transaction_no_used":
      return {
        status: 400,
        code,
        param: "transaction_no",
        zh: "该 transaction_no 已属于另一个 charge。",
        en: "This transaction_no belongs to another charge.",
      };
    case "batch_no_used":
      return {
        status: 400,
        code,
        param: "batch_no",
        zh: `batch_no : ${problem.batchNo} 已被参数不同的批量退款 ${problem.batch} 使用。`,
        en: `Batch ${problem.batch} has the batch_no ${problem.batchNo} with other parameters.`,
      };
    case "batch_refused": {
      const refused = describeRefusal(problem.refusal);
      return {
        ...refused,
        param: "charges",
        zh: `批量退款未受理，charge : ${problem.charge} 不能退款：${refused.zh}`,
        en: `The batch was refused because of charge ${problem.charge}: ${refused.en}`,
      };
    }
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
    case "daily_limit_exceeded": {
      const { currency, max, left, roomAt } = problem;
      const when = roomAt === null ? null : new Date(roomAt).toISOString();
      const later =
        when === null ? ["", ""] : [`，额度最早于 ${when} 前后释放`, `; more may be free about ${when}`];
      const limit =
        currency === null
          ? [`24 小时退款笔数上限 ${max} 笔，剩余 ${left} 笔`, `${max} refunds in 24 hours: ${left} are left`]
          : [
              `24 小时退款金额上限 ${max}（${currency}），剩余 ${left}`,
              `${max} ${currency} of refunds in 24 hours: ${left} is left`,
            ];
      return {
        status: 400,
        code,
        ...(currency === null ? {} : { param: "amount" }),
        zh: `退款超出该应用的限额：${limit[0]}${later[0]}。`,
        en: `The refund exceeds the app's limit of ${limit[1]}${later[1]}.`,
      };
    }
    case "rate_limited":
      return {
        status: problem.status,
        code,
        headers: { "Retry-After": "1" },
        zh: `请求过于频繁，该 API KEY 每秒最多 ${problem.perSecond} 次，请稍后重试。`,
        en: `Too many requests: this API key may make ${problem.perSecond} a second. Please try again in a moment.`,
      };
    case "unavailable":
      return {
        status: 503,
        type: "api_error",
        headers: { "Retry-After": String(problem.retryAfterSeconds) },
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
    default:
      return describeRefusal(problem);
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
