// A Worker under wrangler dev with apps in it and the cron it lacks. The stories talk to it over HTTP only.
import { setTimeout as sleep } from "node:timers/promises";
import { changeSetting, newApp } from "../../scripts/admin-sql.ts";
import { execute } from "../../scripts/d1.ts";
import { DevServer, freePort } from "../../scripts/dev-server.ts";
import { newMasterKeys } from "../../scripts/dev-vars.ts";

/** Ping++'s schedule is over within a second or two, five days of failures in seven. */
const RETRY_SCALE = 0.000015;
/** How many events the storm has. */
export const STORM_EVENTS = Number(process.env.STORM_EVENTS ?? 200);
/** A minute would be too long to wait for; but a run wakes a long backlog again, which takes its time here. */
const CRON_MS = STORM_EVENTS > 1000 ? 10_000 : 2500;

export class Service<Name extends string = string> {
  /** The test keys of its apps. */
  readonly keys: Record<Name, string>;
  readonly #server: DevServer;
  #cron: Promise<void> = Promise.resolve();
  #running = new AbortController();

  private constructor(server: DevServer, keys: Record<Name, string>) {
    this.#server = server;
    this.keys = keys;
  }

  /** Starts on an empty directory. */
  static async open<Name extends string>(state: string, names: readonly Name[]): Promise<Service<Name>> {
    const masterKeys = newMasterKeys();
    const server = new DevServer({
      port: await freePort(),
      state,
      vars: { LOCAL_DEV: "true", RETRY_SCALE: String(RETRY_SCALE) },
      secrets: { MASTER_KEYS: masterKeys },
    });
    await server.migrate();
    const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
    const mint = { random, now: Math.floor(Date.now() / 1000) };
    const apps = await Promise.all(names.map((name) => newApp(name, masterKeys, mint)));
    const unlimited = apps.map(({ app }) => changeSetting(app, "rate_limit", "10000"));
    await execute(server.target, [
      ...apps.flatMap(({ statements }) => statements),
      ...(await Promise.all(unlimited)),
    ]);
    const keys = Object.fromEntries(names.map((name, i) => [name, apps[i]?.testKey]));
    const service = new Service(server, keys as Record<Name, string>);
    await service.start();
    return service;
  }

  get url(): string {
    return this.#server.url;
  }

  async start(): Promise<void> {
    await this.#server.start();
    this.#running = new AbortController();
    this.#cron = this.#fireCron(this.#running.signal);
  }

  /** Dies with all that it had in memory. What it stored stays. */
  async kill(): Promise<void> {
    this.#running.abort();
    await this.#server.stop("SIGKILL");
    await this.#cron;
  }

  /** Changes the database of a service that does not run. */
  async change(statement: string): Promise<void> {
    await execute(this.#server.target, [statement]);
  }

  async close(): Promise<void> {
    this.#running.abort();
    await this.#cron;
    await this.#server.stop();
  }

  async #fireCron(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // A run that fails is made good by the next one, as with the real cron.
      await this.#server.fireCron().catch(() => {});
      await sleep(CRON_MS, undefined, { signal }).catch(() => {});
    }
  }
}
