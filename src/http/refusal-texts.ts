// How every refusal of a ledger reads on the wire: its status, type, code, param, and its text in Chinese and English. One
// case each; the compiler sees to it that none is missing.
import type { Refusal } from "../refunds/refusal.ts";
import type { Rendering } from "./problem-texts.ts";

export function describeRefusal(refusal: Refusal): Rendering {
  const code = refusal.code;
  switch (code) {
    case "fully_refunded":
      return {
        status: 400,
        zh: `不能对订单号 ${refusal.orderNo} 发起退款，因为已经全额退款了。Charge id: ${refusal.charge}。`,
        en: `Order ${refusal.orderNo} cannot be refunded: it has already been fully refunded. Charge id: ${refusal.charge}.`,
      };
    case "refund_amount_exceeded":
      return {
        status: 400,
        code,
        param: "amount",
        zh: `退款金额超出可退款金额，当前可退款金额为 ${refusal.refundable}。`,
        en: `The refund exceeds what can be refunded: ${refusal.refundable} is left.`,
      };
    case "charge_not_paid":
      return {
        status: 400,
        code,
        zh: `charge : ${refusal.charge} 尚未付款，不能退款。`,
        en: `Charge ${refusal.charge} has not been paid and cannot be refunded.`,
      };
    case "charge_reversed":
      return {
        status: 400,
        code,
        zh: `charge : ${refusal.charge} 已经撤销，不能退款。`,
        en: `Charge ${refusal.charge} has been reversed and cannot be refunded.`,
      };
    case "charge_disputed":
      return {
        status: 400,
        code,
        zh: `该 charge 存在争议，当前可退款金额为 ${refusal.refundable}。`,
        en: `The charge is disputed: ${refusal.refundable} can be refunded now.`,
      };
    case "charge_frozen":
      return refusal.freeze === "lost"
        ? {
            status: 503,
            type: "api_error",
            code,
            headers: { "Retry-After": "60" },
            zh: `charge : ${refusal.charge} 的账本需要人工确认，暂时不能退款。`,
            en: `The ledger of charge ${refusal.charge} must be confirmed by an operator; it takes no refunds for now.`,
          }
        : {
            status: 400,
            code,
            zh: `charge : ${refusal.charge} 的退款结果与渠道不一致，已冻结，请联系运营人员。`,
            en: `Charge ${refusal.charge} is frozen: the channel contradicts its books. An operator must look at it.`,
          };
    case "charge_not_frozen":
      return {
        status: 400,
        code,
        zh: `charge : ${refusal.charge} 未被冻结。`,
        en: `Charge ${refusal.charge} is not frozen: there is nothing to adopt.`,
      };
    case "refund_outcome_unknown":
      return {
        status: 400,
        code,
        zh: `refund : ${refusal.refund} 的结果尚未得到支付渠道的答复，暂时不能确认账本。`,
        en: `The channel has not said yet what became of refund ${refusal.refund}; its charge cannot be adopted before.`,
      };
    case "refund_window_closed":
      return {
        status: 400,
        param: "Refund_time",
        zh: `退款时间超出渠道 ${refusal.channel} 允许的最晚退款时间`,
        en: `The refund is later than channel ${refusal.channel} allows.`,
      };
    case "too_many_refunds":
      return {
        status: 400,
        code,
        zh: `该 charge 的退款次数已达上限 ${refusal.limit} 次。`,
        en: `The charge has reached its limit of ${refusal.limit} refunds.`,
      };
    case "partial_refund_unsupported":
      return {
        status: 400,
        code,
        param: "amount",
        zh: `渠道 ${refusal.channel} 只支持全额退款，退款金额必须为 ${refusal.amount}。`,
        en: `Channel ${refusal.channel} refunds only the whole amount, ${refusal.amount}.`,
      };
    case "idempotency_key_reused":
      return {
        status: 400,
        code,
        zh: `该 Idempotency-Key 已用于参数不同的退款 ${refusal.refund}。`,
        en: `This Idempotency-Key was used for refund ${refusal.refund} with other parameters.`,
      };
    case "refund_no_reused":
      return {
        status: 400,
        code,
        param: "refund_no",
        zh: `该 refund_no 已用于参数不同的退款 ${refusal.refund}。`,
        en: `This refund_no was used for refund ${refusal.refund} with other parameters.`,
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
        param: refusal.param,
        zh: `该 charge 已有退款发往渠道或等待发出，不能再修改 ${refusal.param}。`,
        en: `A refund of this charge has been sent to the channel, or waits to be: ${refusal.param} can no longer change.`,
      };
    case "another_payment":
      return {
        status: 400,
        param: "transaction_no",
        zh: `该 charge 的 transaction_no 已记录为 ${refusal.transactionNo}，另一个流水号是另一笔付款。`,
        en: `The charge is recorded with transaction_no ${refusal.transactionNo}; another number is another payment.`,
      };
    case "refund_claimed":
      return {
        status: 400,
        code,
        zh: `refund : ${refusal.refund} 已由 ${refusal.by} 认领。`,
        en: `Refund ${refusal.refund} is claimed by ${refusal.by}.`,
      };
    case "refund_not_claimed":
      return {
        status: 400,
        code,
        zh: `refund : ${refusal.refund} 需要先认领。`,
        en: `Refund ${refusal.refund} must be claimed first.`,
      };
    case "channel_processing":
      return {
        status: 400,
        code,
        zh: `支付渠道仍在处理 refund : ${refusal.refund}，不能人工处理。`,
        en: `The channel is still processing refund ${refusal.refund}; it cannot be resolved by hand.`,
      };
    case "channel_unreachable":
      return {
        status: 503,
        type: "api_error",
        code,
        headers: { "Retry-After": "30" },
        zh: `暂时无法向支付渠道查询 refund : ${refusal.refund}，请稍后重试。`,
        en: `The channel cannot be asked about refund ${refusal.refund} now; try again later.`,
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
        zh: `charge : ${refusal.charge} 的争议过多。`,
        en: `Charge ${refusal.charge} has too many disputes.`,
      };
    case "illegal_transition":
      return {
        status: 400,
        param: "id",
        zh: `refund : ${refusal.refund} 当前状态为 ${refusal.status}，不能执行该操作。`,
        en: `Refund ${refusal.refund} is ${refusal.status}; it cannot make this move.`,
      };
    case "channel_not_configured":
      return {
        status: 402,
        type: "channel_error",
        code,
        zh: `渠道 ${refusal.channel} 没有可用的账号，不能发起退款。`,
        en: `There is no account for channel ${refusal.channel}; it cannot be asked to refund.`,
      };
    case "charge_not_reversible":
      return {
        status: 400,
        code,
        zh: `charge : ${refusal.charge} 已有退款或争议，不能撤销。`,
        en: `Charge ${refusal.charge} has refunds or disputes and cannot be reversed.`,
      };
    case "refund_already_sent":
      return {
        status: 400,
        code,
        zh: `refund : ${refusal.refund} 已发往支付渠道，不能取消。`,
        en: `Refund ${refusal.refund} has been sent to the channel and can no longer be canceled.`,
      };
    case "refund_not_awaiting_approval":
      return {
        status: 400,
        code,
        zh: `refund : ${refusal.refund} 不在等待审批。`,
        en: `Refund ${refusal.refund} is not waiting for approval.`,
      };
    case "approval_by_creator":
      return {
        status: 400,
        code,
        zh: `refund : ${refusal.refund} 不能由创建它的 API KEY 审批。`,
        en: `Refund ${refusal.refund} cannot be decided on with the API key that created it.`,
      };
    case "too_many_changes":
      return {
        status: 503,
        type: "api_error",
        code,
        headers: { "Retry-After": "60" },
        zh: `refund : ${refusal.refund} 的修改过多，尚未全部保存，请稍后重试。`,
        en: `Refund ${refusal.refund} was changed too often to be recorded yet; try again later.`,
      };
    case "allowance_exceeded":
      return {
        status: 503,
        type: "api_error",
        headers: { "Retry-After": "5" },
        zh: "超出应用 24 小时内的退款限额。",
        en: "The refund exceeds what the app may refund within 24 hours.",
      };
    case "unsupported":
      return {
        status: 503,
        type: "api_error",
        headers: { "Retry-After": "5" },
        zh: "服务暂时不可用，请稍后重试。",
        en: "The service is temporarily unavailable; please try again.",
      };
    case "unknown_refund":
      return {
        status: 404,
        param: "id",
        zh: `未找到 refund : ${refusal.refund}。`,
        en: `No such refund: ${refusal.refund}.`,
      };
  }
}
