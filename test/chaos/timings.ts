// The times of the product that a storm of seconds cannot wait for, each shortened in the same order of magnitude, so
// that time-outs stay within leases and leases within alarms. It is the product's own text that changes: a constant
// that was renamed or moved fails the bundling, loudly.
import type { Patch } from "../mutants/patch.ts";

const TIMES: [file: string, find: string, replace: string][] = [
  ["src/refunds/drive-refund.ts", "CHANNEL_TIMEOUT_MS = 15_000", "CHANNEL_TIMEOUT_MS = 3_000"],
  ["src/refunds/drive-refund.ts", "GRACE_MS = 1_000", "GRACE_MS = 200"],
  ["src/refunds/drive-refund.ts", "ACCOUNT_RETRY_MS = 30_000", "ACCOUNT_RETRY_MS = 1_000"],
  ["src/refunds/reserve-refund.ts", "LEASE_MS = 20_000", "LEASE_MS = 4_000"],
  [
    "src/refunds/settle-refund.ts",
    "1_000, 3_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000,",
    "200, 600, 1_000, 2_000, 3_000,",
  ],
  ["src/refunds/verify-payment.ts", "CLAIM_TIMEOUT_MS = 5_000", "CLAIM_TIMEOUT_MS = 1_000"],
  ["src/refunds/verify-payment.ts", " CHECK_TIMEOUT_MS = 10_000", " CHECK_TIMEOUT_MS = 2_000"],
  ["src/refunds/verify-payment.ts", "TURNED_AWAY_TIMEOUT_MS = 4_000", "TURNED_AWAY_TIMEOUT_MS = 800"],
  ["src/refunds/verify-payment.ts", " RETRY_MS = 30_000", " RETRY_MS = 1_000"],
  ["src/charges/driver.ts", "ACCOUNT_TIMEOUT_MS = 3_000", "ACCOUNT_TIMEOUT_MS = 600"],
  ["src/charges/driver.ts", "PAUSE_MAX_MS = 60_000", "PAUSE_MAX_MS = 3_000"],
  ["src/charges/driver.ts", "CHECKED_FAST_MS = 3_000", "CHECKED_FAST_MS = 600"],
  ["src/charges/driver.ts", "THROTTLED_MAX_MS = 60_000", "THROTTLED_MAX_MS = 4_000"],
  ["src/charges/projector.ts", "TIMEOUT_MS = 10_000", "TIMEOUT_MS = 2_000"],
  ["src/charges/projector.ts", "[2_000, 5_000, 15_000, 60_000, 300_000]", "[400, 1_000, 3_000]"],
  ["src/charges/ledger.ts", "ALARM_WORK_MS = 45_000", "ALARM_WORK_MS = 9_000"],
  ["src/charges/ledger.ts", "DEAD_MAN_MS = 60_000", "DEAD_MAN_MS = 12_000"],
  ["src/charges/alarm-clock.ts", "LATE_MS = 30_000", "LATE_MS = 6_000"],
  ["src/charges/alarm-clock.ts", "ASKING_MS = 20_000", "ASKING_MS = 4_000"],
  ["src/reconciliation/poke-ledgers.ts", "OVERDUE_MS = 600_000", "OVERDUE_MS = 20_000"],
  ["src/reconciliation/sweep-commands.ts", "CARRY_SECONDS = 60", "CARRY_SECONDS = 2"],
  [
    "src/reconciliation/sweep-commands.ts",
    "[5_000, 30_000, 60_000, 300_000, 900_000]",
    "[1_000, 2_000, 3_000]",
  ],
  ["src/channels/wechatpay/facts.ts", "SETTLING_MS = 60_000", "SETTLING_MS = 3_000"],
  ["src/channels/wechatpay/facts.ts", "SPACING_MS = 63_000", "SPACING_MS = 300"],
  ["src/channels/wechatpay/client.ts", "THROTTLED_MS = 5_000", "THROTTLED_MS = 1_000"],
  ["src/channels/alipay/facts.ts", "SPACING_MS = 6_000", "SPACING_MS = 300"],
  ["src/channels/alipay/facts.ts", "SETTLING_MS = 10_000", "SETTLING_MS = 3_000"],
  ["src/channels/alipay/verdict.ts", "NAMED_MS = 86_400_000", "NAMED_MS = 5_000"],
  ["src/channels/alipay/client.ts", "THROTTLED_MS = 3_000", "THROTTLED_MS = 1_000"],
  ["src/channels/stripe/facts.ts", " SETTLING_MS = 10_000", " SETTLING_MS = 3_000"],
  ["src/webhooks/delivery-repository.ts", " LEASE_MS = 60_000", " LEASE_MS = 5_000"],
  ["src/webhooks/client.ts", "POST_TIMEOUT_MS = 15_000", "POST_TIMEOUT_MS = 2_000"],
  ["src/auth/key-cache.ts", "PAUSE_MS = 5_000", "PAUSE_MS = 500"],
];

export const SHORT_TIMES: readonly Patch[] = TIMES.map(([file, find, replace]) => ({ file, find, replace }));
