// The documents' own texts, in English and in Chinese.
import type { Scope } from "../../src/auth/scope.ts";
import type { Text } from "./field-texts.ts";

export const TITLE: Text = ["edge-refunds", "edge-refunds 退款 API"];

export const INTRODUCTION: Text = [
  `Refunds for payments that were collected elsewhere, in the protocol of Ping++: its SDKs work unmodified.

Amounts are integers in minor units of the currency (fen, cents), times are Unix seconds. A key that begins with
\`sk_test_\` moves no money. Bodies are JSON or forms, up to 64 KiB; in forms lists are \`name[]=…\` and hashes \`name[key]=…\`. Every answer carries \`Request-Id\`.

## Errors

Errors are JSON: \`{"error": {"type", "message", "code", "param"}}\`; \`code\` and \`param\` are left out where there is
none. Messages are Chinese unless \`Accept-Language\` prefers English.`,
  `为在别处收取的款项退款，遵循 Ping++ 协议，其 SDK 无需修改即可使用。

金额为整数，单位是币种的最小单位（如分）；时间为 Unix 秒。以 \`sk_test_\` 开头的 Key 不动用资金。
请求体为 JSON 或表单，最多 64 KiB；表单中列表写作 \`name[]=…\`，对象写作 \`name[key]=…\`。每个应答都带有 \`Request-Id\`。

## 错误

错误为 JSON：\`{"error": {"type", "message", "code", "param"}}\`；没有 \`code\` 或 \`param\` 时省略该字段。
错误信息默认为中文，\`Accept-Language\` 偏好英文时为英文。`,
];

/** The heading of the table that shows one of every error. */
export const ALL_ERRORS: Text = ["All errors, with an example of each", "全部错误及示例"];

export const SCOPE = (scope: Scope): Text => [
  `Needs a key with the scope \`${scope}\`.`,
  `需要具有 \`${scope}\` 权限的 Key。`,
];

export const SECURITY: Record<"basic" | "bearer", Text> = {
  basic: ["The API key as the user name, without a password.", "以 API Key 作为用户名，密码为空。"],
  bearer: ["The API key as the token.", "以 API Key 作为令牌。"],
};

/** By status. */
export const RESPONSES: Record<number, Text> = {
  200: ["It was done.", "成功。"],
  400: ["A parameter is wrong, or a rule refuses it.", "参数有误，或规则不允许。"],
  401: ["The key, its scope or the signature is missing or wrong.", "Key、权限或签名缺失或有误。"],
  402: ["The channel cannot be asked; nothing was stored.", "无法请求支付渠道；未保存任何内容。"],
  403: [
    "Too many requests, to SDKs of Ping++ that know no 429.",
    "请求过于频繁（发给不识别 429 的 Ping++ SDK）。",
  ],
  404: ["There is no such object in this app and mode.", "此应用与模式下没有该对象。"],
  413: ["The body is larger than 64 KiB.", "请求体超过 64 KiB。"],
  415: ["The body is neither JSON nor a form.", "请求体既非 JSON 也非表单。"],
  429: ["Too many requests.", "请求过于频繁。"],
  503: ["Not now: try again after `Retry-After` seconds.", "暂不可用：请在 `Retry-After` 秒后重试。"],
};

export const HEADERS: Record<string, { type: "string" | "integer"; text: Text }> = {
  "Request-Id": { type: "string", text: ["Id of the request, `iar_…`.", "请求 id，`iar_…`。"] },
  "Idempotent-Replayed": {
    type: "string",
    text: [
      "`true` if this is an earlier request's refund; `inferred` if that follows from an SDK's way of repeating.",
      "`true` 表示这是先前请求的退款；`inferred` 表示由 SDK 的重试行为推断。",
    ],
  },
  "RateLimit-Limit": { type: "integer", text: ["How many requests may come at once.", "瞬时请求数上限。"] },
  "RateLimit-Remaining": { type: "integer", text: ["How many are left.", "剩余请求数。"] },
  "RateLimit-Reset": {
    type: "integer",
    text: ["Seconds until all are there again.", "恢复全部额度所需秒数。"],
  },
  "WWW-Authenticate": {
    type: "string",
    text: ["How to send a key, where none that is known was sent.", "未发送有效 Key 时，说明如何发送。"],
  },
  "Retry-After": { type: "integer", text: ["Seconds to wait.", "需等待的秒数。"] },
};
