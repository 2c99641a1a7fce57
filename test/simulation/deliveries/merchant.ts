// What people and ledgers do through the Worker: events happen, endpoints come, move and go, and somebody sends again
// what did not arrive. Every call runs on a machine of its own and may fail like any other.
import type { Database } from "../../../src/db/client.ts";
import { type Event, type EventType, eventBody } from "../../../src/events/event.ts";
import { mintId } from "../../../src/ids.ts";
import { changeEndpoint, type EndpointWish, pingToWake } from "../../../src/webhooks/change-endpoint.ts";
import { hastenDelivery } from "../../../src/webhooks/dead-letter-repository.ts";
import { deliveryIdOf } from "../../../src/webhooks/delivery.ts";
import { deliveryRepository } from "../../../src/webhooks/delivery-repository.ts";
import { ROLL_SECONDS, rollSecrets } from "../../../src/webhooks/endpoint.ts";
import { pingEvent } from "../../../src/webhooks/endpoint-event.ts";
import { insertDeliveries, insertEvent, toWake } from "../../../src/webhooks/fan-out.ts";
import {
  addEndpoint,
  deleteEndpoint,
  findEndpoint,
  replaceSecrets,
} from "../../../src/webhooks/repository.ts";
import type { EndpointRow } from "../../../src/webhooks/schema.ts";
import { addPing, findOpenPing, recoverDeliveries, resendEvent } from "../../../src/webhooks/send-again.ts";
import type { Machine } from "../machine.ts";
import type { DeliveryWorld, Tenant } from "./world.ts";

const DAY = 86_400_000;
/** What is woken at once after a recovery, as the route has it. */
const WOKEN_MAX = 500;

export interface EndpointSettings {
  enabledEvents: EndpointRow["enabledEvents"];
  schedule: EndpointRow["schedule"];
  rateLimit: number | null;
}

export class Merchant {
  readonly #world: DeliveryWorld;
  readonly tenant: Tenant;
  readonly endpoints: string[] = [];
  /** What happened, by id, in order. */
  readonly events: string[] = [];
  /** Events that D1 does not have yet. */
  unflushed = 0;
  #addresses = 0;

  constructor(world: DeliveryWorld, tenant: Tenant) {
    this.#world = world;
    this.tenant = tenant;
  }

  /** An address nobody else has. */
  newAddress(): string {
    this.#addresses += 1;
    const { app, livemode } = this.tenant;
    return `https://hook${this.#addresses}.${livemode ? "live" : "test"}.${app.slice(4, 12).toLowerCase()}.com/in`;
  }

  /** Something happens to a refund. The ledger tries until D1 has it, then wakes the deliveries. */
  async happen(type: EventType): Promise<void> {
    const { clock, random, dice } = this.#world;
    const id = mintId("event", random);
    const created = Math.floor(clock.now() / 1000);
    const object = { id: mintId("refund", random), object: "refund" };
    const { livemode } = this.tenant;
    const body = eventBody({ id, created, livemode, type, object, request: null });
    const event: Event = { id, type, created, charge: "ch_simulated", refund: object.id, body };
    this.events.push(id);
    this.unflushed += 1;
    for (let wait = 1000; ; wait = Math.min(2 * wait, 300_000)) {
      const flushed = await this.#world.onMachine(async (machine) => {
        const db = this.#world.db(machine);
        const now = clock.now();
        const happened = insertEvent(db, this.tenant, event);
        const fannedOut = insertDeliveries(db, this.tenant, event, now);
        const [, written] = await db.batch([happened, fannedOut]);
        // The ledger is done with it; who dies here leaves the rest to the cron.
        void this.#world.wake(machine, toWake(written));
        return true;
      });
      if (flushed) break;
      await clock.sleep(wait + dice.between(0, 500));
    }
    this.unflushed -= 1;
  }

  async open(url: string, settings: EndpointSettings): Promise<string | null> {
    const { clock, random } = this.#world;
    const now = clock.now();
    const id = mintId("endpoint", random);
    const endpoint: EndpointRow = {
      ...this.tenant,
      ...settings,
      ...{ id, url, status: "pending", description: null, metadata: {}, lane: "fast", nextSlotAt: null },
      secrets: [{ sealed: `${id}:${now}`, createdAt: now, expiresAt: null }],
      created: Math.floor(now / 1000),
      ...{ firstFailureAt: null, disabledAt: null, disabledReason: null, deletedAt: null },
    };
    const ping = pingEvent(endpoint, now, random);
    this.#world.note("create", id, url);
    // Whoever got no answer looks whether it is there all the same.
    this.endpoints.push(id);
    const added = await this.#world.onMachine(async (machine) => {
      const done = await addEndpoint(this.#world.db(machine), endpoint, ping, now);
      if (done) void this.#world.wake(machine, [pingToWake(endpoint, ping.id)]);
      return done;
    });
    return added ? id : null;
  }

  async change(id: string, wish: EndpointWish): Promise<void> {
    this.#world.note("change", id, JSON.stringify(wish));
    await this.#on(id, async (db, endpoint, machine) => {
      const now = this.#world.clock.now();
      const changed = await changeEndpoint(db, endpoint, wish, now, this.#world.random);
      if (changed?.ping != null) void this.#world.wake(machine, [changed.ping]);
    });
  }

  async delete(id: string): Promise<void> {
    this.#world.note("delete", id);
    await this.#on(id, async (db, endpoint) => {
      await deleteEndpoint(db, endpoint, this.#world.clock.now());
    });
  }

  async ping(id: string): Promise<void> {
    this.#world.note("ping", id);
    await this.#on(id, async (db, endpoint, machine) => {
      if (endpoint.status === "disabled") return;
      const now = this.#world.clock.now();
      let event = await findOpenPing(db, endpoint);
      if (event !== null) await resendEvent(db, endpoint, event, true, now);
      else event = await addPing(db, endpoint, pingEvent(endpoint, now, this.#world.random), now);
      if (event === null) return;
      const { app, livemode } = endpoint;
      await this.#world.attempt({ delivery: deliveryIdOf(event, id), app, livemode }, null, machine);
    });
  }

  async roll(id: string, overlapSeconds: number = ROLL_SECONDS.standard): Promise<void> {
    this.#world.note("roll", id, overlapSeconds);
    await this.#on(id, async (db, endpoint) => {
      const now = this.#world.clock.now();
      const rolled = rollSecrets(endpoint.secrets, `${id}:${now}`, overlapSeconds * 1000, now);
      if ("ok" in rolled) await replaceSecrets(db, endpoint, endpoint.secrets, rolled.ok);
    });
  }

  /** Of the last days; how many. Null when it did not work. */
  async recover(id: string, days: number): Promise<number | null> {
    this.#world.note("recover", id);
    return await this.#on(id, async (db, endpoint, machine) => {
      if (endpoint.status === "disabled") return null;
      const now = this.#world.clock.now();
      const recovered = await recoverDeliveries(db, endpoint, now - days * DAY, now, now);
      const due = await deliveryRepository(db).listReleased(endpoint, now, WOKEN_MAX);
      void this.#world.wake(machine, due);
      return recovered;
    });
  }

  async resend(id: string, event: string, force: boolean): Promise<void> {
    this.#world.note("resend", event, id, force ? "by force" : "");
    await this.#on(id, async (db, endpoint, machine) => {
      if (endpoint.status === "disabled") return;
      const hindrance = await resendEvent(db, endpoint, event, force, this.#world.clock.now());
      if (hindrance !== null) return;
      const { app, livemode, lane } = endpoint;
      void this.#world.wake(machine, [{ id: deliveryIdOf(event, id), app, livemode, lane }]);
    });
  }

  /** A person looks at the last dead letter and sends it again. */
  async redrive(): Promise<void> {
    const letter = this.#world.deadLetters.at(-1);
    if (letter === undefined) return;
    this.#world.note("redrive", letter.delivery);
    await this.#world.onMachine(async (machine) => {
      const { delivery: id, app, livemode } = letter;
      const lane = await hastenDelivery(this.#world.db(machine), letter, this.#world.clock.now());
      await this.#world.wake(machine, [{ id, app, livemode, lane }]);
    });
  }

  async #on<T>(
    id: string,
    work: (db: Database, endpoint: EndpointRow, machine: Machine) => Promise<T>,
  ): Promise<T | null> {
    return await this.#world.onMachine(async (machine) => {
      const db = this.#world.db(machine);
      const endpoint = await findEndpoint(db, this.tenant.app, this.tenant.livemode, id);
      return endpoint === null ? null : await work(db, endpoint, machine);
    });
  }
}
