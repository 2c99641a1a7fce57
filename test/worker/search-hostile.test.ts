import { describe, expect, it } from "vitest";
import { mintId } from "../../src/ids.ts";
import { random, TestApp } from "../harness.ts";

const long = "v".repeat(200);
const enc = encodeURIComponent;
describe("a search with every filter", () => {
  const common = [
    "channel=alipay",
    "currency=cny",
    "order_no=A1",
    "transaction_no=T1",
    `description=${enc("tins of tea and a good deal more of them than anybody asked for 质量很好的商品")}`,
    ...["k1", "k2", "k3"].map((k) => `metadata[${k}]=${long}`),
    "created[gte]=1",
    "created[lte]=99999999999",
    "created[gt]=0",
    "created[lt]=999999999999",
    "amount[gte]=1",
    "amount[lte]=100000",
    "include=total_count",
  ];
  const refund = [
    ...common,
    "status=pending",
    "refund_no=R1",
    "attention=any",
    "approval=required",
    `charge=${mintId("charge", random)}`,
    `batch=${mintId("batch", random)}`,
  ];
  const charge = [...common, "paid=true", "refunded=false", "frozen=true"];
  for (const sort of ["-created", "created", "-amount", "amount"])
    for (const [path, filters] of [
      ["refunds", refund],
      ["charges", charge],
      ["refunds/export", refund.filter((f) => !f.startsWith("include"))],
    ] as const)
      for (const drop of [0, 1, 2])
        it(`${path} ${sort} ${drop}`, async () => {
          const app = await TestApp.create();
          await app.refund(await app.charge(), { amount: 1 });
          const dropped =
            drop === 0
              ? filters
              : drop === 1
                ? filters.filter((f) => !/^(order_no|transaction_no|refund_no|charge|batch)=/.test(f))
                : filters.filter(
                    (f) => !/^(order_no|transaction_no|refund_no|charge|batch|desc|meta)/.test(f),
                  );
          const answer = await app.get(`/v1/${path}?${dropped.join("&")}&sort=${sort}`);
          expect([answer.status, answer.text.slice(0, 300)]).toEqual([200, expect.anything()]);
        });
  it("summary far ahead, limits, odd zones", async () => {
    const app = await TestApp.create();
    for (const q of [
      "created[lte]=999999999999",
      "created[lte]=0",
      "created[lte]=999999999999&group_by=day",
      "time_zone=Pacific/Apia&group_by=day&created[gte]=1325000000&created[lte]=1325500000",
      "time_zone=Antarctica/Troll&group_by=day",
      "time_zone=Etc/GMT%2B12&group_by=day",
    ]) {
      const answer = await app.get(`/v1/refunds/summary?${q}`);
      expect([q, answer.status < 500]).toEqual([q, true]);
    }
  });
});
