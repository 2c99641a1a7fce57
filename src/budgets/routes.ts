// What limits an app and its key, and how much of it is used.
import * as z from "zod";
import { json, type Route, route } from "../http/registry.ts";
import { amountOf, maxOf, WINDOW_SECONDS } from "./limits.ts";
import { findUsed } from "./take-allowance.ts";

const standing = z.object({
  max: z.int().nullable(),
  used: z.int(),
  remaining: z.int().nullable(),
});

const limitsSchema = z.object({
  object: z.literal("limits"),
  livemode: z.boolean(),
  rate_limit: z.object({ per_second: z.int(), burst: z.int(), remaining: z.int() }),
  daily: z.object({
    window_seconds: z.int(),
    refunds: standing,
    /** By currency; `*` is any currency that is not named. */
    amounts: z.record(z.string(), standing),
  }),
  approval_limit: z.record(z.string(), z.int()),
  delay_seconds: z.int(),
});

export const limitRoutes: Route[] = [
  route({
    method: "GET",
    path: "/v1/limits",
    scope: "refunds:read",
    summary: "What limits the app's refunds and this key, and how much of it is used",
    answers: { 200: limitsSchema },
    async handler({ c }) {
      const { principal, rate } = c.var;
      const { livemode, settings } = principal;
      // Asked of the budget also where nothing is limited: it adds up once for all who ask, and not again at once.
      const used = await findUsed(c.env, principal);
      const currencies = new Set([...Object.keys(settings.daily_amount_max), ...Object.keys(used.amounts)]);
      const limits = { count: settings.daily_refunds_max, amounts: settings.daily_amount_max };
      return json({
        object: "limits",
        livemode,
        rate_limit: { per_second: settings.rate_limit, burst: rate.limit, remaining: rate.remaining },
        daily: {
          window_seconds: WINDOW_SECONDS,
          refunds: standingOf(limits.count, used.count),
          amounts: Object.fromEntries(
            [...currencies]
              .sort()
              .map((currency) => [currency, standingOf(maxOf(limits, currency), amountOf(used, currency))]),
          ),
        },
        approval_limit: settings.approval_limit,
        delay_seconds: settings.delay_seconds,
      } satisfies z.infer<typeof limitsSchema>);
    },
  }),
];

function standingOf(max: number | null, used: number) {
  return { max, used, remaining: max === null ? null : Math.max(0, max - used) };
}
