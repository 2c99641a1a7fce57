// What one environment is made of: the names of what it owns at Cloudflare, and its wrangler configuration, made from
// wrangler.toml. No two environments share a name. Pure: nothing here is read, written or asked.
import { isAbsolute, join } from "node:path";
import type { Unstable_RawConfig as Configuration } from "wrangler";

export const PRODUCTION = "production";

/** For a developer's machine and for tests. A Worker that has LOCAL_DEV refuses to run when deployed. */
export const DEVELOPMENT_VARIABLES = [
  "LOCAL_DEV",
  "RETRY_SCALE",
  "SANDBOX_URL",
  "ALIPAY_URL",
  "STRIPE_URL",
  "WECHATPAY_URL",
] as const;

const STRICTLY_PUBLIC = "global_fetch_strictly_public";

/** Stands for the database's id where nobody has asked Cloudflare for it. */
export const NO_DATABASE = "00000000-0000-0000-0000-000000000000";

/** What was asked for cannot be deployed; the message says why and what to do. Nothing was changed. */
export class DeployError extends Error {}

export interface Environment {
  name: string;
  domain: string;
  alertUrl?: string | undefined;
}

export interface Resources {
  worker: string;
  database: string;
  queues: string[];
}

/** The names of what an environment owns. Production has those of wrangler.toml; every other adds its own name. */
export function resourcesOf(environment: string, base: Configuration): Resources {
  const own = ownName(environment);
  return {
    worker: own(only(base.name, "name")),
    database: own(only(base.d1_databases?.[0]?.database_name, "d1_databases.database_name")),
    queues: (base.queues?.consumers ?? []).map(({ queue }) => own(queue)),
  };
}

/** The configuration to deploy an environment with, its paths those below `project`. Throws DeployError. */
export function renderConfiguration(
  { name, domain, alertUrl }: Environment,
  base: Configuration,
  { project, databaseId }: { project: string; databaseId: string },
): Configuration {
  for (const variable of DEVELOPMENT_VARIABLES) {
    if (base.vars?.[variable] !== undefined) {
      throw new DeployError(`wrangler.toml sets ${variable}, which is for development: take it out`);
    }
  }
  if (!base.compatibility_flags?.includes(STRICTLY_PUBLIC)) {
    throw new DeployError(
      `wrangler.toml must keep the compatibility flag ${STRICTLY_PUBLIC}: without it outgoing requests could reach our own zone`,
    );
  }
  const own = ownName(name);
  const below = (path: string) => (isAbsolute(path) ? path : join(project, path));
  const { dev: _, env: __, ...kept } = base;
  const rendered: Configuration = {
    ...kept,
    name: own(only(base.name, "name")),
    main: below(only(base.main, "main")),
    workers_dev: false,
    preview_urls: false,
    routes: [{ pattern: domain, custom_domain: true }],
    vars: {
      ...base.vars,
      ENVIRONMENT: name,
      PUBLIC_URL: `https://${domain}`,
      OWN_HOSTS: domain,
      ...(alertUrl === undefined ? {} : { ALERT_URL: alertUrl }),
    },
    d1_databases: (base.d1_databases ?? []).map((database) => ({
      ...database,
      database_name: own(only(database.database_name, "d1_databases.database_name")),
      database_id: databaseId,
      migrations_dir: below(database.migrations_dir ?? "migrations"),
    })),
    queues: {
      producers: (base.queues?.producers ?? []).map((one) => ({
        ...one,
        queue: own(only(one.queue, "queues.producers.queue")),
      })),
      consumers: (base.queues?.consumers ?? []).map((one) => ({
        ...one,
        queue: own(one.queue),
        ...(one.dead_letter_queue === undefined ? {} : { dead_letter_queue: own(one.dead_letter_queue) }),
      })),
    },
    // Workers of one account that name the same limit share it.
    ratelimits: (base.ratelimits ?? []).map((limit) => ({
      ...limit,
      namespace_id: name === PRODUCTION ? limit.namespace_id : `${numberOf(name)}${limit.namespace_id}`,
    })),
  };
  // Wrangler runs it where it was started itself.
  if (base.build?.command !== undefined) {
    rendered.build = { ...base.build, cwd: below(base.build.cwd ?? "") };
  }
  if (base.assets?.directory !== undefined) {
    rendered.assets = { ...base.assets, directory: below(base.assets.directory) };
  }
  return rendered;
}

/**
 * An environment's name. Without a hyphen, and none that begins with `slow`: `webhook-deliveries-slow` is a queue of
 * production's already.
 */
export function parseName(text: string): string {
  if (/^(?!slow)[a-z][a-z0-9]{0,19}$/.test(text)) return text;
  throw new DeployError(
    `"${text}" cannot name an environment: up to 20 letters a–z and digits, a letter first, not beginning with "slow"`,
  );
}

export function parseDomain(text: string): string {
  const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
  if (text.length <= 253 && new RegExp(`^${label}(?:\\.${label})*\\.[a-z][a-z0-9-]*[a-z0-9]$`).test(text)) {
    return text;
  }
  throw new DeployError(
    `"${text}" is no host name: one like refunds.example.com is needed, in small letters`,
  );
}

function ownName(environment: string): (name: string) => string {
  parseName(environment);
  return (name) => (environment === PRODUCTION ? name : `${name}-${environment}`);
}

function only(value: string | undefined, name: string): string {
  if (value === undefined) throw new DeployError(`wrangler.toml has no ${name}`);
  return value;
}

/** FNV-1a, cut to five digits: a namespace of limits is a whole number that we choose. */
function numberOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  return 10_000 + (hash % 90_000);
}
