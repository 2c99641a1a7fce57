// A recall: a shop refunds many orders by one request, and hears of each refund and of the whole.
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import type { BatchObject } from "../../src/batches/schema.ts";
import { storedRows } from "../books.ts";
import { type Answer, type ErrorObject, eventually } from "../harness.ts";
import { alertsOf, d1, endOutages, hurry, ledgers, queues } from "./outage.ts";
import { Shop, shopsOfThisFile, sweepNow } from "./shop.ts";

shopsOfThisFile();

const recall = <Body = BatchObject>(
  shop: Shop,
  charges: readonly { id: string }[],
  batch_no: string,
): Promise<Answer<Body>> =>
  shop.app.post<Body>("/v1/batch_refunds", {
    app: shop.app.id,
    batch_no,
    charges: charges.map(({ id }) => id),
    description: "Recalled",
  });

const open = async (count: number) => {
  const shop = await Shop.open();
  const charges = await Promise.all(Array.from({ length: count }, () => shop.app.charge()));
  return { shop, charges };
};

const batchOf = async (shop: Shop, { id }: BatchObject) =>
  (await shop.app.get<BatchObject>(`/v1/batch_refunds/${id}`)).body;

const told = (shop: Shop, batch: BatchObject) => shop.told.filter(({ refund }) => refund === batch.id);

it("a shop recalls twelve orders, and is told of every refund and once of the batch, without any cron", async () => {
  const { shop, charges } = await open(12);
  const { body } = await recall(shop, charges, "recall1");
  await eventually(async () => told(shop, body).length > 0);
  expect(told(shop, body).map(({ type }) => type)).toEqual(["batch_refund.succeeded"]);
  expect(await batchOf(shop, body)).toMatchObject({ status: "succeeded" });
  for (const charge of charges) {
    await shop.expectCoherent(charge);
    expect(shop.books.moved(charge.id)).toBe(10_000);
  }
});

it("a hundred orders are refunded by the queue alone", { timeout: 60_000 }, async () => {
  const { shop, charges } = await open(100);
  const { body } = await recall(shop, charges, "recall100");
  await eventually(async () => (await batchOf(shop, body)).status === "succeeded");
  expect(charges.map(({ id }) => shop.books.moved(id))).toEqual(charges.map(() => 10_000));
  await eventually(async () => told(shop, body).length === 1);
});

it("while queues and ledgers are away a batch is taken all the same, and the cron makes it once they are back", async () => {
  const { shop, charges } = await open(5);
  queues("throws");
  ledgers("throws");
  hurry();
  const { status, body } = await recall(shop, charges, "recall2");
  expect({ status, batch: body.status }).toEqual({ status: 200, batch: "created" });
  await sweepNow();
  expect((await batchOf(shop, body)).status).toBe("created");
  endOutages();
  await env.DB.prepare("UPDATE commands SET due_at = 1 WHERE due_at is not null").run();
  await sweepNow();
  await eventually(async () => {
    await sweepNow();
    return told(shop, body).length === 1;
  });
  for (const charge of charges) await shop.expectCoherent(charge);
});

it("while D1 is down a batch is 503 and nothing is stored, and the same request makes it afterwards", async () => {
  const { shop, charges } = await open(2);
  const before = await storedRows();
  d1("throws");
  const refused = await recall<ErrorObject>(shop, charges, "recall3");
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
  endOutages();
  expect(await storedRows()).toEqual(before);
  const { body } = await recall(shop, charges, "recall3");
  await eventually(async () => told(shop, body).length === 1);
});

it("with D1 away at its end, a batch ends when D1 is back", async () => {
  const { shop, charges } = await open(3);
  const first = charges[0]?.id ?? "";
  let answer = () => {};
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  shop.books.onSubmission(({ charge }) => ({
    effect: "succeeded",
    ...(charge === first ? { after: held } : {}),
  }));
  const { body } = await recall(shop, charges, "recall4");
  await eventually(async () => shop.books.moved(first) > 0);
  d1("throws");
  answer();
  await eventually(async () => alertsOf("flush_failed").length > 0);
  endOutages();
  await eventually(async () => {
    await sweepNow();
    return told(shop, body).length === 1;
  });
  for (const charge of charges) await shop.expectCoherent(charge);
});
