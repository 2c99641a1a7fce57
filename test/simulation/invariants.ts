// What must hold once everything has come to rest: ledgers, D1 and the channel's books tell one story.
import type { Charge } from "../../src/charges/charge.ts";
import { type Refund, refundOrderNo, statusOf, type TimelineEntry } from "../../src/refunds/refund.ts";
import type { Batches } from "./batches.ts";
import type { Clients, Told, ToldDispute } from "./clients.ts";
import { awaits, type Deciders, landingsOf, wasStopped } from "./deciders.ts";
import type { Sale } from "./sale.ts";
import type { Service } from "./service.ts";
import type { World } from "./world.ts";

/** A person's decision is watched for 30 days, once a day; what is fixed in time drifts by the time an answer takes. */
const WATCH_QUESTIONS_MIN = 28;

export async function checkAtRest(
  world: World,
  service: Service,
  sales: readonly Sale[],
  { clients, deciders, batches }: { clients: Clients; deciders: Deciders; batches: Batches },
): Promise<void> {
  const everything = new Map<string, Refund>();
  for (const sale of sales) {
    const { cover, refunds } = world.observer.look(world.disk(world.nameOf(sale)));
    const list = [...refunds.values()];
    for (const refund of list) everything.set(refund.id, refund);
    const frozen = (cover?.freeze ?? null) !== null;
    checkMoney(world, sale, list, frozen);
    if (cover === null) continue;
    const [{ n } = { n: 0 }] = world.disk(world.nameOf(sale)).exec("SELECT count(*) AS n FROM outbox", []);
    if (n !== 0) world.violation(`I9: ${n} events of ${sale.id} are kept although D1 has them`);
    const wasPaid = world.paid.has(world.nameOf(sale));
    if (wasPaid !== cover.charge.paid && !world.rolledBack.has(world.nameOf(sale)))
      world.violation(`I4: ${sale.id} forgot its payment`);
    checkProjection(world, cover.charge, list, cover.freeze);
    checkDisputes(world, cover.charge, clients.disputes);
    checkDecided(world, sale, list, deciders);
    for (const refund of list) await checkTimeline(world, clients, sale, refund);
    // A ledger that went back in time tells some of it again, under other ids; a D1 that did has forgotten some.
    const wentBack = world.behind.has(sale.id) || world.rolledBack.has(world.nameOf(sale));
    const toldTwice = wentBack || world.counts.d1Restored > 0;
    if (!toldTwice) checkEvents(world, cover.charge, list);
    await checkPages(world, service, sale, list);
    await clients.look(sale);
  }
  checkTold(world, service, everything, [...clients.told, ...batches.told]);
  batches.check(everything);
  checkAsked(world, everything, clients);
  checkNumbers(world, everything);
  const rows = world.d1.rows("SELECT count(*) AS n FROM refunds")[0]?.n;
  if (rows !== everything.size) world.violation(`I5: D1 has ${rows} refunds, the ledgers ${everything.size}`);
  for (const { words } of world.d1.rows("SELECT words FROM simulated_violations"))
    world.violation(String(words));
}

/** I2, I3, I7, I15. */
function checkMoney(world: World, charge: Sale, refunds: Refund[], frozen: boolean): void {
  for (const refund of refunds) {
    const book = world.channel.books.get(refundOrderNo(refund.id));
    const moved = book?.state === "succeeded";
    if (awaits(refund)) checkAwaiting(world, refund);
    else if (refund.state !== "succeeded" && refund.state !== "failed") {
      world.violation(
        `I7: ${refund.id} is still ${refund.state}; the channel says ${book?.state ?? "nothing"}`,
      );
    } else if (book?.state === "abnormal") {
      // The channel leaves it to a person for ever: then the person's word is all there is.
      const { resolution } = refund;
      if (refund.state !== resolution?.outcome && !world.excused.has(charge.orderNo))
        world.violation(`${refund.id} ended without anybody's word`);
    } else if (moved !== (refund.state === "succeeded")) {
      if (frozen && book?.lied && refund.attention === "conflict") continue;
      // A ledger that went back does not know what it had sent: the next answer is all it goes by.
      if (world.excused.has(charge.orderNo) && refund.attempts < (book?.landings ?? 0)) continue;
      world.violation(`I3: ${refund.id} is ${refund.state}; the channel says ${book?.state ?? "nothing"}`);
    }
  }
  if (!world.excused.has(charge.orderNo)) for (const refund of refunds) checkByHand(world, refund);
  const moved = world.channel.moved(charge.orderNo, true);
  if (moved > charge.amount && !frozen && !world.excused.has(charge.orderNo)) {
    world.violation(`I2: ${moved} of ${charge.amount} moved, and ${charge.id} is not frozen`);
  }
}

/** I7: what nobody approves waits for ever, and somebody has been told so. */
function checkAwaiting(world: World, refund: Refund): void {
  if (refund.attention !== "overdue") world.violation(`I7: nobody was told that ${refund.id} needs approval`);
}

/** What was stopped never left, and what was acknowledged as canceled stayed so. */
function checkDecided(world: World, sale: Sale, refunds: Refund[], { canceled, forgotten }: Deciders): void {
  if (world.rolledBack.has(world.nameOf(sale))) return;
  for (const refund of refunds) {
    if (awaits(refund) && !forgotten.has(refund.id)) {
      world.violation(`I7: ${refund.id} still needs approval, and everybody was asked`);
    }
    if (canceled.has(refund.id) && (refund.state !== "failed" || refund.failureCode !== "refund_canceled")) {
      world.violation(`${refund.id} was canceled, and is ${refund.state} (${refund.failureCode})`);
    }
    const landings = landingsOf(world, refund);
    if (landings > 0 && (wasStopped(refund) || awaits(refund))) {
      world.violation(`${refund.id} was stopped (${refund.failureCode}), and landed ${landings} times`);
    }
  }
}

/** The ledger's entries and D1's are one whole timeline, which is what is read. */
async function checkTimeline(world: World, clients: Clients, sale: Sale, refund: Refund): Promise<void> {
  const rows = world.d1.rows(
    "SELECT * FROM refund_timeline WHERE app = ? AND livemode = ? AND refund = ? ORDER BY version, at",
    ...[sale.app, sale.livemode ? 1 : 0, refund.id],
  );
  const told = rows.map(({ entry }) => JSON.parse(String(entry)) as TimelineEntry);
  for (const [i, { version, at }] of rows.entries()) {
    if (told[i]?.version !== version || told[i]?.at !== at) {
      world.violation(`I5: D1 files version ${told[i]?.version} of ${refund.id} under ${version}`);
    }
  }
  const texts = new Set(told.map((entry) => JSON.stringify(entry)));
  for (const entry of refund.timeline ?? []) {
    if (!texts.has(JSON.stringify(entry)))
      world.violation(`I5: D1 lacks version ${entry.version} of the timeline of ${refund.id}`);
  }
  // A ledger that went back tells some of it again, and a D1 that did has forgotten what the ledger had dropped.
  if (world.rolledBack.has(world.nameOf(sale)) || world.counts.d1Restored > 0) return;
  world.timelines.checkWhole(refund, told);
  const read = await clients.timeline(sale, refund.id);
  const causes = (entries: readonly { cause: string; state: string }[] | null) =>
    entries?.map(({ cause, state }) => `${cause} ${state}`).join();
  if (causes(read) !== causes(told)) world.violation(`the timeline of ${refund.id} reads ${causes(read)}`);
}

/** What was refused unsent moved nothing, and what a person decided was watched to the end. */
function checkByHand(world: World, refund: Refund): void {
  const number = refundOrderNo(refund.id);
  const refused = refund.channelCode === "payment_mismatch" || refund.channelCode === "transaction_no_used";
  const unsent = refused || (refund.resolution !== undefined && refund.firstSubmittedAt === null);
  if (unsent && (refund.state !== "failed" || (world.channel.books.get(number)?.effects ?? 0) > 0)) {
    world.violation(`${refund.id} was ended unsent (${refund.channelCode}) and is ${refund.state}`);
  }
  if (refund.resolution === undefined || unsent) return;
  const asked = world.watched.get(number) ?? 0;
  if (asked < WATCH_QUESTIONS_MIN) {
    world.violation(`I8: ${refund.id} was asked about ${asked} times after a person had ended it`);
  }
}

/** E29: what was acknowledged of a dispute is there, and what is held is what is open or lost. */
function checkDisputes(world: World, charge: Charge, told: readonly ToldDispute[]): void {
  const known = charge.disputes ?? {};
  let disputed = 0;
  for (const { status, amount } of Object.values(known)) if (status !== "won") disputed += amount;
  if (disputed !== charge.disputed) {
    world.violation(`${charge.id} holds ${charge.disputed} for disputes, not ${disputed}`);
  }
  for (const one of told) {
    if (one.charge !== world.nameOf(charge) || !one.acknowledged) continue;
    const dispute = known[one.id];
    // What D1 knew under the same version as a ledger that went back is not noticed.
    const isForgotten = dispute === undefined || dispute.status === "opened";
    if (isForgotten && world.rolledBack.has(one.charge)) continue;
    if (dispute === undefined) world.violation(`${charge.id} knows nothing of ${one.id}`);
    else if (one.status !== "opened" && dispute.status === "opened") {
      world.violation(`${one.id} of ${charge.id} was ${one.status} and is open again`);
    }
  }
}

/** I5, I11, I15: D1 holds the ledger's own records. */
function checkProjection(world: World, charge: Charge, refunds: Refund[], freeze: string | null): void {
  const of = [charge.app, charge.livemode ? 1 : 0, charge.id];
  const rows = world.d1.rows(
    "SELECT * FROM refunds WHERE app = ? AND livemode = ? AND charge = ? ORDER BY seq",
    ...of,
  );
  if (rows.length !== refunds.length) {
    world.violation(`I5: D1 has ${rows.length} refunds of ${charge.id}, the ledger ${refunds.length}`);
  }
  const byId = new Map(rows.map((row) => [row.id, row]));
  let succeeded = charge.refundedElsewhere;
  let pending = 0;
  for (const refund of refunds) {
    if (refund.state === "succeeded") succeeded += refund.amount;
    else if (refund.state !== "failed") pending += refund.amount;
    const row = byId.get(refund.id);
    if (row === undefined) {
      world.violation(`I5: D1 lacks ${refund.id}`);
      continue;
    }
    const expected = {
      app: charge.app,
      livemode: charge.livemode ? 1 : 0,
      seq: refund.seq,
      version: refund.version,
      status: statusOf(refund.state),
      state: refund.state,
      // Made anew by a ledger that went back, it may come to something else.
      ...(world.rolledBack.has(world.nameOf(charge)) ? {} : { amount: refund.amount }),
      attention: refund.attention,
      ...(world.rolledBack.has(world.nameOf(charge)) ? {} : { time_succeed: refund.timeSucceed }),
      due_at: refund.dueAt,
      refund_no: refund.refundNo,
      // What ended undecided needs nobody any more.
      approval:
        refund.approval?.status === "required" && !awaits(refund) ? null : (refund.approval?.status ?? null),
      batch: refund.batch ?? null,
      ...(world.rolledBack.has(world.nameOf(charge)) ? {} : { described: refund.described ?? 1 }),
    };
    for (const [column, value] of Object.entries(expected)) {
      if (row[column] !== value) {
        world.violation(`I5: ${refund.id}.${column} is ${row[column]} in D1 and ${value} in the ledger`);
      }
    }
    const differs = comparable(JSON.parse(String(row.doc))) !== comparable(refund);
    if (differs && !world.rolledBack.has(world.nameOf(charge))) {
      world.violation(`I5: D1's record of ${refund.id} differs from the ledger's`);
    }
  }
  const [row] = world.d1.rows("SELECT * FROM charges WHERE app = ? AND livemode = ? AND id = ?", ...of);
  const highest = Math.max(0, ...refunds.map((refund) => refund.seq));
  const expected = {
    amount_refunded: succeeded,
    amount_pending: pending,
    refunded: refunds.length > 0 || charge.refundedElsewhere > 0 ? 1 : 0,
    highest_seq: highest,
    freeze,
    ...(world.rolledBack.has(world.nameOf(charge))
      ? {}
      : { transaction_no: charge.transactionNo, described: charge.described ?? 1 }),
  };
  for (const [column, value] of Object.entries(expected)) {
    if (row?.[column] !== value) {
      world.violation(`I5: ${charge.id}.${column} is ${row?.[column]} in D1 and ${value} in the ledger`);
    }
  }
  // After a rollback two different changes may have had one version: what they say of money is checked all the same.
  if (row === undefined || world.rolledBack.has(world.nameOf(charge))) return;
  const known: Charge = JSON.parse(String(row.doc));
  for (const fact of ["description", "transactionNo", "disputed", "disputes", "reversed"] as const) {
    if (JSON.stringify(known[fact]) !== JSON.stringify(charge[fact])) {
      world.violation(`I5: D1's ${fact} of ${charge.id} is old`);
    }
  }
}

/** What the ledger notes about D1 itself is not part of what D1 is told. */
function comparable({ synced, syncDueAt, ...refund }: Refund): string {
  return JSON.stringify(Object.entries(refund).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** I9: each public transition has one event, each event one delivery for every endpoint that asked for it. */
function checkEvents(world: World, charge: Charge, refunds: Refund[]): void {
  for (const refund of refunds) {
    const events = world.d1.rows(
      "SELECT id, type, body FROM events WHERE refund = ? ORDER BY seq",
      refund.id,
    );
    const told = events.map(({ type }) => String(type)).filter((type) => type !== "refund.updated");
    const statuses = world.observer.statuses.get(refund.id) ?? [];
    // Between two final states a refund is never pending again, so every status but the first is a transition.
    const expected = ["refund.created", ...statuses.slice(1).map((status) => `refund.${status}`)];
    if (told.join() !== expected.join()) {
      world.violation(`I9: ${refund.id} was ${statuses.join()} and told ${told.join()}`);
    }
    for (const { id, type } of events) {
      const asked = type === "refund.succeeded" || type === "refund.failed" ? ["*", type] : [type];
      const endpoints = world.d1.rows(
        `SELECT id, status FROM webhook_endpoints w WHERE app = ? AND livemode = ? AND status <> 'pending'
          AND exists (SELECT 1 FROM json_each(w.enabled_events) WHERE value IN (?, ?)) ORDER BY id`,
        charge.app,
        charge.livemode ? 1 : 0,
        String(asked[0]),
        String(asked.at(-1)),
      );
      const deliveries = world.d1.rows(
        "SELECT endpoint, status, app, livemode FROM deliveries WHERE event = ? ORDER BY endpoint",
        String(id),
      );
      const want = endpoints.map((e) => `${e.id} ${e.status === "disabled" ? "skipped" : "pending"}`);
      const have = deliveries.map((delivery) => `${delivery.endpoint} ${delivery.status}`);
      if (want.join() !== have.join()) {
        world.violation(
          `I9: ${id} (${type}) goes to ${have.join() || "nobody"}, not to ${want.join() || "nobody"}`,
        );
      }
    }
  }
}

/** I6: the pages, turned in both directions, are the list in the order of creation. */
async function checkPages(world: World, service: Service, sale: Sale, refunds: Refund[]): Promise<void> {
  const newestFirst = refunds.toSorted((a, b) => b.seq - a.seq).map(({ id }) => id);
  const onwards: string[] = [];
  for (let cursor = ""; ; cursor = `&starting_after=${onwards.at(-1)}`) {
    const page = await pageOf(service, sale, cursor);
    onwards.push(...page.ids);
    if (!page.more || page.ids.length === 0) break;
  }
  if (onwards.join() !== newestFirst.join()) world.violation(`I6: the list of ${sale.id} is out of order`);
  const oldest = newestFirst.at(-1);
  if (oldest === undefined) return;
  const backwards: string[] = [oldest];
  for (;;) {
    const page = await pageOf(service, sale, `&ending_before=${backwards[0]}`);
    backwards.unshift(...page.ids);
    if (!page.more || page.ids.length === 0) break;
  }
  if (backwards.join() !== newestFirst.join()) world.violation(`I6: ${sale.id} reads differently backwards`);
}

async function pageOf(
  service: Service,
  sale: Sale,
  cursor: string,
): Promise<{ ids: string[]; more: boolean }> {
  const path = `/v1/charges/${sale.id}/refunds?limit=3${cursor}`;
  const answer = await service.ask<{ data: { id: string }[]; has_more: boolean }>({
    key: sale.key,
    method: "GET",
    path,
  });
  if (answer?.status !== 200) return { ids: [], more: false };
  const { data, has_more } = answer.body;
  return { ids: data.map(({ id }) => id), more: has_more };
}

/** I4: whatever somebody was told of is there, as it was told. */
function checkTold(
  world: World,
  service: Service,
  refunds: Map<string, Refund>,
  told: readonly Told[],
): void {
  const promised = service.promised();
  const isLost = (name: string) => world.observer.look(world.disk(name)).cover?.freeze === "lost";
  for (const one of told) {
    const refund = refunds.get(one.refund);
    // A live ledger that was lost keeps its promises open until an operator has looked.
    if (refund === undefined && promised.has(one.refund) && isLost(one.charge)) continue;
    const asTold = one.amount === null || refund?.amount === one.amount;
    const named = refundOrderNo(one.refund) === one.orderNo;
    const there = world.observer.born.get(one.refund)?.charge === one.charge;
    if (refund === undefined || !asTold || !named || !there) {
      world.violation(`I4: somebody was told of ${one.refund} (${one.amount}), which is ${refund?.amount}`);
    }
  }
}

/** What was asked for once is there once at most, and not at all if every answer was an error. */
function checkAsked(world: World, refunds: Map<string, Refund>, { asked }: Clients): void {
  const made = new Map<string, string[]>();
  for (const refund of refunds.values()) {
    // Whether a batch has asked for it is checked there.
    if (refund.batch !== undefined) continue;
    const word = refund.metadata.word ?? "";
    const request = asked.get(word);
    if (request === undefined || request.charge !== world.observer.born.get(refund.id)?.charge) {
      world.violation(`nobody has asked for ${refund.id}`);
      continue;
    }
    const couldPromise = !world.unstored.has(refund.id);
    if (request.requests > 0 && request.errors === request.requests && couldPromise) {
      world.violation(
        `${refund.id} was made, and whoever asked for it (${word}) was told of an error each time`,
      );
    }
    // A promise that turned out to be another refund's repeat is kept as one that failed and never left.
    if (refund.state === "failed" && refund.attempts === 0) continue;
    const others = made.get(word) ?? [];
    if (others.length >= request.meant && !world.rolledBack.has(request.charge)) {
      world.violation(`I10: ${others.join()} and ${refund.id} were asked for as one`);
    }
    made.set(word, [...others, refund.id]);
  }
}

/** I12: every number at the channel is one refund's. */
function checkNumbers(world: World, refunds: Map<string, Refund>): void {
  for (const [number, book] of world.channel.books) {
    const refund = refunds.get(`re_${number}`);
    if (refund === undefined) world.violation(`I12: nobody knows the number ${number}`);
    else if (refund.amount !== book.amount) world.violation(`I12: ${number} is about another amount`);
  }
}
