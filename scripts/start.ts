// npm start: the whole product on this machine. Makes what is missing (secrets, tables, an app with keys, a paid
// charge), runs the Worker and its cron, and prints a request that works when pasted.
// PORT (8787) and PERSIST_TO (.wrangler/state) come from the environment; removing the latter resets everything.
// RETRY_SCALE, too: 0.001 shows the retries of webhooks in minutes instead of days. WECHATPAY_URL, ALIPAY_URL and
// STRIPE_URL name emulators (npm run emulator), PUBLIC_URL the address under which channels send their notices.
import { resolve } from "node:path";
import { DevServer, isPortFree } from "./dev-server.ts";
import { ensureMasterKeys, localMasterKeys } from "./dev-vars.ts";
import { plantSeed, readSeed, recordPayment, type Seed } from "./seed.ts";
import { PROJECT } from "./wrangler.ts";

const CRON_MS = 60_000;
const IMPATIENT_MS = 500;
const PARENT_MS = 500;

/** What names an emulator of a channel; the Worker takes loopback addresses alone. */
const EMULATORS = ["WECHATPAY_URL", "ALIPAY_URL", "STRIPE_URL"] as const;
const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

/** Why it cannot start, for the person at the terminal. */
class StartError extends Error {}

async function start(): Promise<number> {
  const port = Number(process.env.PORT ?? 8787);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new StartError(`PORT=${process.env.PORT} is not a port`);
  }
  if (!(await isPortFree(port))) {
    throw new StartError(
      `Port ${port} is in use. Stop what listens there, or choose another: PORT=8788 npm start`,
    );
  }
  const state = resolve(PROJECT, process.env.PERSIST_TO || ".wrangler/state");
  const earlier = readSeed(state);
  if (ensureMasterKeys() && earlier !== null) {
    warn(
      "New MASTER_KEYS were written to .dev.vars; what is sealed in the state of earlier starts cannot be opened.",
    );
  }
  const masterKeys = localMasterKeys();
  if (masterKeys === null) throw new StartError(".dev.vars holds no MASTER_KEYS");

  const vars = { LOCAL_DEV: "true", ...given() };
  const server = new DevServer({ port, state, vars, onOutput: warn });
  const stopped = stopOnSignals(server);
  const cron = setInterval(() => server.isReady && fireCron(server), CRON_MS);
  try {
    return await Promise.race([run(server, state, masterKeys, earlier, isLive(vars)), stopped]);
  } finally {
    clearInterval(cron);
    await server.stop();
  }
}

/** Brings everything up and ends with the server's exit code, when it ends by itself. */
async function run(
  server: DevServer,
  state: string,
  masterKeys: string,
  earlier: Seed | null,
  live: boolean,
): Promise<number> {
  await server.migrate();
  const seed = earlier ?? (await plantSeed(state, masterKeys));
  await server.start();
  fireCron(server);
  const charge = await recordPayment(server.url, seed);
  process.stdout.write(welcome(server.url, seed, charge, live));
  const code = await server.exited;
  // Not when it was asked to.
  if (server.isReady) warn(`The server ended with code ${code}.`);
  return code;
}

/** What the environment says to the Worker. An address it would refuse later is refused here, where somebody reads it. */
function given(): Record<string, string> {
  const vars: Record<string, string> = {};
  for (const name of ["RETRY_SCALE", "PUBLIC_URL", ...EMULATORS]) {
    const value = process.env[name];
    if (value !== undefined && value !== "") vars[name] = value;
  }
  for (const name of EMULATORS) {
    const url = urlOf(name, vars[name]);
    if (url !== null && (url.protocol !== "http:" || !LOOPBACK.includes(url.hostname))) {
      throw new StartError(
        `${name}=${vars[name]} is no http address on loopback; npm run emulator prints one`,
      );
    }
  }
  urlOf("PUBLIC_URL", vars.PUBLIC_URL);
  return vars;
}

function urlOf(name: string, value: string | undefined): URL | null {
  if (value === undefined) return null;
  if (!/^https?:\/\//.test(value) || !URL.canParse(value)) {
    throw new StartError(`${name}=${value} is no address that begins with http:// or https://`);
  }
  return new URL(value);
}

/** Whether live refunds can be tried: then the live key is of use. */
function isLive(vars: Record<string, string>): boolean {
  return ["PUBLIC_URL", ...EMULATORS].some((name) => vars[name] !== undefined);
}

/**
 * Resolves once this process is asked to end; asked again, it does not wait for the server to end by itself. Ctrl-C
 * arrives twice, from the terminal and from npm, so a second one at the same moment means nothing.
 */
function stopOnSignals(server: DevServer): Promise<number> {
  process.once("exit", () => server.kill());
  return new Promise((done) => {
    let askedAt: number | null = null;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (askedAt !== null && Date.now() - askedAt > IMPATIENT_MS) server.kill();
        askedAt ??= Date.now();
        done(0);
      });
    }
    // Nothing signals this process when npm itself is killed; it ends with npm all the same.
    if (process.env.npm_lifecycle_event !== undefined) {
      const npm = process.ppid;
      setInterval(() => process.ppid !== npm && done(0), PARENT_MS).unref();
    }
  });
}

function fireCron(server: DevServer): void {
  server.fireCron().catch((error: unknown) => warn(error instanceof Error ? error.message : String(error)));
}

function welcome(url: string, { app, testKey: key, liveKey }: Seed, charge: string, live: boolean): string {
  const liveLine = live ? `\n  live key   ${liveKey} (LIVE in what an emulator prints)` : "";
  return `edge-refunds is running. Stop it with Ctrl-C.

  base URL   ${url}/v1
  reference  ${url}/docs/
  app        ${app}
  API key    ${key}${liveLine}
  charge     ${charge} (10000, paid)

Refund 100 of it:

  curl ${url}/v1/charges/${charge}/refunds -u ${key}: -d amount=100 -d description=Demo

`;
}

function warn(text: string): void {
  process.stderr.write(text.endsWith("\n") ? text : `${text}\n`);
}

try {
  process.exitCode = await start();
} catch (error) {
  warn(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
