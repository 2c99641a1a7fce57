// Many refunds without asking for each: copies of one that the service made, with facts of their own, written straight
// into the local D1's file while no runtime has it open. The tables are those of the migrations, the documents those of
// the service, and what refunds are found by is what the service would have written.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { randomToken } from "../src/ids.ts";
import { type Refund, type State, statusOf } from "../src/refunds/refund.ts";
import { termsOf } from "../src/search/terms.ts";
import { Dice } from "../test/emulators/dice.ts";

export const DAYS = 400;
export const CHANNELS = ["wx_pub", "alipay", "wx_lite", "alipay_wap", "stripe"] as const;
export const CURRENCIES = ["cny", "usd", "eur"] as const;
const DAY = 86_400;
/** Refunds of a charge. */
const SIBLINGS = 2;
const WORDS = (
  "退货 退款 重复付款 尺码不合 颜色不符 质量问题 七天无理由 物流丢失 协商一致 缺货 拍错 不想要了 " +
  "returned damaged late duplicate goodwill cancelled wrong size colour missing parcel courier customer order tea " +
  "coffee shirt shoes phone charger ticket hotel flight refund partial agreed voucher price match warranty"
).split(" ");
const AGENTS = ["li", "wang", "zhao", "chen", "smith", "garcia", "tanaka", "kim"];
const STORES = 200;
/** One in so many descriptions has it. */
const NEEDLE_EVERY = 5_000;
export const NEEDLE = "needle";

type Row = Record<string, string | number | null>;

/** Facts of the refunds that were written, to ask for. */
export interface Written {
  refunds: number;
  /** Unix seconds of the newest. */
  newest: number;
  /** Somewhere in the middle. */
  sample: {
    id: string;
    charge: string;
    refundNo: string;
    orderNo: string;
    transactionNo: string;
    ticket: string;
    amount: number;
  };
  store: string;
  /** A word of many descriptions. */
  common: string;
  /** Of all, oldest first. */
  ids: string[];
  /** So many descriptions have the needle. */
  needles: number;
  bytes: number;
}

/** Fills the database below `state` with copies of the newest refund in it. */
export function writeRefunds(state: string, count: number, now: number): Written {
  const file = databaseBelow(state);
  const db = new DatabaseSync(file);
  try {
    // Whoever breaks this off throws the whole database away: it needs no journal, which would be as large again.
    db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1048576; BEGIN");
    const written = write(db, count, now);
    db.exec("COMMIT; PRAGMA journal_mode = WAL");
    const { bytes } = db
      .prepare("SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()")
      .get() as { bytes: number };
    return { ...written, bytes };
  } finally {
    db.close();
  }
}

function write(db: DatabaseSync, count: number, now: number): Omit<Written, "bytes"> {
  const refund = db.prepare("SELECT * FROM refunds ORDER BY created DESC LIMIT 1").get() as Row;
  const charge = db.prepare("SELECT * FROM charges WHERE id = ?").get(refund.charge as string) as Row;
  const { seq: _, ...chargeTemplate } = charge;
  const [insertRefund, insertCharge] = [
    inserting(db, "refunds", refund),
    inserting(db, "charges", chargeTemplate),
  ];
  const insertTerm = db.prepare(
    "INSERT INTO search_terms (app, livemode, object, term, created, seq, id, described) VALUES (?, ?, 'refund', ?, ?, ?, ?, ?)",
  );
  const { app = null, livemode = null, described = null } = refund;
  const refundDoc = JSON.parse(String(refund.doc)) as Refund;
  const chargeDoc = JSON.parse(String(charge.doc)) as Record<string, unknown>;

  const dice = new Dice(6);
  const random = (bytes: number) => dice.bytes(bytes);
  let ofCharge = { id: "", orderNo: "", channel: "", currency: "" };
  let sample: Written["sample"] | undefined;
  let needles = 0;
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const created = now - DAYS * DAY + Math.floor((i / count) * DAYS * DAY);
    if (i % SIBLINGS === 0) {
      ofCharge = {
        id: `ch_${randomToken(random)}`,
        orderNo: `order${String(i).padStart(9, "0")}`,
        channel: dice.pick(CHANNELS),
        currency: dice.pick(CURRENCIES),
      };
      const { id, orderNo, channel, currency } = ofCharge;
      const transactionNo = `42000${String(i).padStart(23, "0")}`;
      const doc = { ...chargeDoc, id, orderNo, channel, currency, transactionNo, created };
      const facts = { id, order_no: orderNo, channel, currency, transaction_no: transactionNo, created };
      insertCharge({ ...facts, doc: JSON.stringify(doc) });
    }
    const id = `re_${randomToken(random)}`;
    ids.push(id);
    const seq = (i % SIBLINGS) + 1;
    const state: State = dice.chance(0.97) ? "succeeded" : dice.chance(0.7) ? "failed" : "accepted";
    const words = Array.from({ length: dice.between(2, 5) }, () => dice.pick(WORDS));
    if (i % NEEDLE_EVERY === NEEDLE_EVERY - 1) {
      words.push(NEEDLE);
      needles++;
    }
    const ticket = `T-${String(i).padStart(8, "0")}`;
    const made: Refund = {
      ...refundDoc,
      ...{ id, seq, created, state, amount: dice.between(1, 99_999) },
      ...{ refundNo: `RN${i}`, transactionNo: `50300${String(i).padStart(23, "0")}` },
      ...{
        description: words.join(" "),
        attention: state === "accepted" && dice.chance(0.2) ? "overdue" : null,
      },
      metadata: { store: `S${dice.between(1, STORES)}`, agent: dice.pick(AGENTS), ticket },
    };
    const { channel, currency } = ofCharge;
    insertRefund({
      ...{ id, charge: ofCharge.id, seq, state, status: statusOf(state), channel, currency },
      ...{ amount: made.amount, refund_no: made.refundNo, transaction_no: made.transactionNo },
      ...{ attention: made.attention, created, doc: JSON.stringify(made) },
    });
    for (const term of termsOf(made)) insertTerm.run(app, livemode, term, created, seq, id, described);
    if (i === Math.floor(count / 2)) {
      const { refundNo, transactionNo } = made;
      sample = {
        ...{ id, charge: ofCharge.id, orderNo: ofCharge.orderNo, ticket, amount: made.amount },
        ...{ refundNo: refundNo ?? "", transactionNo: transactionNo ?? "" },
      };
    }
  }
  if (sample === undefined) throw new Error("nothing was written");
  return { refunds: count, newest: now, sample, store: "S7", common: "damaged", ids, needles };
}

/** Inserts the row of a template with other values in some columns. */
function inserting(db: DatabaseSync, table: string, template: Row): (values: Row) => void {
  const columns = Object.keys(template);
  const insert: StatementSync = db.prepare(
    `INSERT INTO ${table} (${columns.join()}) VALUES (${columns.map(() => "?").join()})`,
  );
  return (values) => void insert.run(...columns.map((name) => values[name] ?? template[name] ?? null));
}

/** The file of the local D1. */
function databaseBelow(state: string): string {
  const files = readdirSync(state, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".sqlite"),
  );
  for (const name of files.map((file) => join(state, file))) {
    const db = new DatabaseSync(name, { readOnly: true });
    try {
      if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'search_terms'").get() !== undefined)
        return name;
    } finally {
      db.close();
    }
  }
  throw new Error(`there is no database below ${state}`);
}
