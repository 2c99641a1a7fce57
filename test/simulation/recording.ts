// Two apps with keys for both modes, endpoints and accounts at the channel, and the payments they record over HTTP. On
// some days they hold refunds back for a while, or want a second key for large ones. The channel knows what was really paid.
import { createHash } from "node:crypto";
import { drizzle } from "drizzle-orm/d1";
import { type AppSettings, appSettingsSchema } from "../../src/apps/schema.ts";
import { apps } from "../../src/apps/table.ts";
import { mintKey } from "../../src/auth/api-key.ts";
import { SCOPES } from "../../src/auth/scope.ts";
import { apiKeys } from "../../src/auth/table.ts";
import { channelAccounts } from "../../src/channels/table.ts";
import { mintId } from "../../src/ids.ts";
import { webhookEndpoints } from "../../src/webhooks/table.ts";
import { BY_HAND, CHANNEL } from "./channel.ts";
import type { Key, Sale } from "./sale.ts";
import type { Service } from "./service.ts";
import type { World } from "./world.ts";

const HOUR_SECONDS = 3600;
/** Both apps have the same one at the channel. */
const MERCHANT = "m_1";

/** Seconds: from some that end amid the storm to some that outlast it. */
const DELAYS = [10, 60, 240, 5400] as const;
/** Minor units, beside payments of 100, 999 and 10,000. */
const LIMITS = [0, 60, 500, 4000] as const;

interface Tenant {
  app: string;
  livemode: boolean;
  key: string;
  keys: readonly Key[];
}

/** How many keys each merchant has for a mode: one asks for refunds, any of them may decide. */
const KEYS = 3;

export async function openMerchants(world: World): Promise<Tenant[]> {
  const random = (count: number) => world.dice.bytes(count);
  const db = drizzle(world.d1.binding);
  const created = Math.floor(world.clock.now() / 1000) - HOUR_SECONDS;
  const tenants: Tenant[] = [];
  for (const name of ["one", "two"]) {
    const app = mintId("app", random);
    const settings = controls(world);
    world.controls.rules.set(app, appSettingsSchema.parse(settings));
    await db.insert(apps).values({ id: app, name, settings, created });
    for (const livemode of [false, true]) {
      const keys: Key[] = [];
      for (let n = 0; n < KEYS; n++) {
        const secret = mintKey(livemode, random);
        const hash = createHash("sha256").update(secret).digest("hex");
        const id = mintId("apiKey", random);
        await db.insert(apiKeys).values({ hash, id, app, livemode, name, scopes: [...SCOPES], created });
        keys.push({ secret, id });
      }
      const key = (keys[0] as Key).secret;
      tenants.push({ app, livemode, key, keys });
      world.keys.push(key);
    }
    for (const channel of [CHANNEL, BY_HAND]) {
      const id = mintId("channelAccount", random);
      const account = { id, revision: 1, app, livemode: true, channel, credentials: "sealed", created };
      await db.insert(channelAccounts).values({ ...account, merchant: MERCHANT });
    }
    for (const [enabledEvents, status] of [
      [["*"], "enabled"],
      [["refund.succeeded", "refund.created", "refund.updated"], "enabled"],
      [["refund.failed"], "disabled"],
    ] as const) {
      await db.insert(webhookEndpoints).values({
        id: mintId("endpoint", random),
        app,
        livemode: world.dice.chance(0.5),
        url: "https://merchant.example/hook",
        enabledEvents: [...enabledEvents],
        status,
        schedule: "standard",
        secrets: [],
        metadata: {},
        created,
      });
    }
  }
  return tenants;
}

/** What an app wants held back: on half of all days nothing. */
function controls({ dice }: World): Partial<AppSettings> {
  if (dice.chance(0.5)) return {};
  return {
    ...(dice.chance(0.6) ? { delay_seconds: dice.pick(DELAYS) } : {}),
    ...(dice.chance(0.7) ? { approval_limit: { [dice.pick(["cny", "*"])]: dice.pick(LIMITS) } } : {}),
  };
}

/** A few payments, most of them told as paid at once, the others while faults are about. */
export function sell(world: World, tenants: readonly Tenant[]): { sale: Sale; paid: boolean }[] {
  const { dice, channel } = world;
  const random = (count: number) => dice.bytes(count);
  const twins = dice.chance(0.3);
  const sales: { sale: Sale; paid: boolean }[] = [];
  for (let n = dice.between(2, 5); n > 0; n--) {
    const orderNo = `order-${n}`;
    // Two apps that share a merchant may both have recorded the same payment.
    const isTwin = twins && n <= 2;
    const transactionNo = isTwin ? "paid-twice" : `paid-${n}`;
    channel.payments.set(orderNo, { transactionNo, fits: !dice.chance(0.1) });
    const live = isTwin || dice.chance(0.7);
    const of = tenants.filter(({ livemode }) => livemode === live);
    const tenant = isTwin ? (of[n - 1] as Tenant) : dice.pick(of);
    // Ids may be the merchants' own: two of them, or two modes, may use the same one.
    const ids = sales.map(({ sale }) => sale.id);
    const own = sales.filter(({ sale }) => sale.key === tenant.key).map(({ sale }) => sale.id);
    const others = ids.filter((id) => !own.includes(id));
    sales.push({
      sale: {
        ...tenant,
        id: others.length > 0 && dice.chance(0.3) ? dice.pick(others) : mintId("charge", random),
        channel: !isTwin && dice.chance(0.15) ? BY_HAND : CHANNEL,
        amount: dice.pick([100, 999, 10_000]),
        orderNo,
        transactionNo: dice.chance(0.2) ? null : transactionNo,
      },
      paid: !dice.chance(0.2),
    });
  }
  return sales;
}

/** Records a payment; repeats until it is acknowledged. */
export async function record(world: World, service: Service, sale: Sale, paid: boolean): Promise<void> {
  const { dice, clock } = world;
  const body = {
    id: sale.id,
    order_no: sale.orderNo,
    channel: sale.channel,
    amount: sale.amount,
    currency: "cny",
    subject: "a thing",
    body: "a thing",
    client_ip: "127.0.0.1",
    paid,
    created: Math.floor(clock.now() / 1000) - HOUR_SECONDS,
    ...(paid ? { time_paid: Math.floor(clock.now() / 1000) - HOUR_SECONDS } : {}),
    ...(paid && sale.transactionNo !== null ? { transaction_no: sale.transactionNo } : {}),
    ...(dice.chance(0.1) ? { amount_refunded: 10 } : {}),
  };
  world.recordings.set(sale, body);
  for (;;) {
    const answer = await service.ask({ key: sale.key, path: "/v1/charges", body });
    if (answer?.status === 200) {
      if (paid) world.paid.add(world.nameOf(sale));
      return;
    }
    if (answer !== null && answer.status !== 503) {
      world.violation(`${sale.id} was not recorded: ${answer.status} ${JSON.stringify(answer.body)}`);
      return;
    }
    await clock.sleep(dice.between(500, 5000));
  }
}

/** Tells that a payment came in, until that is acknowledged. */
export async function pay(world: World, service: Service, sale: Sale): Promise<void> {
  const { dice, clock } = world;
  const path = `/v1/charges/${sale.id}`;
  const time_paid = Math.floor(clock.now() / 1000);
  const number = sale.transactionNo === null ? {} : { transaction_no: sale.transactionNo };
  for (;;) {
    const answer = await service.ask({ key: sale.key, path, body: { paid: true, time_paid, ...number } });
    if (answer?.status === 200) break;
    if (answer !== null && answer.status !== 503) {
      world.violation(`${sale.id} was not paid: ${answer.status} ${JSON.stringify(answer.body)}`);
      return;
    }
    await clock.sleep(dice.between(500, 5000));
  }
  world.note("paid", sale.id);
  world.paid.add(world.nameOf(sale));
}
