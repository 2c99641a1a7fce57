// Deploys one environment, in an order that can die anywhere and be run again: what is there is found, what is missing
// is made, and the database is asked whose it is before anything is changed.
import type { Unstable_RawConfig as Configuration } from "wrangler";
import type { Cloudflare } from "./cloudflare.ts";
import {
  DEVELOPMENT_VARIABLES,
  DeployError,
  type Environment,
  renderConfiguration,
  resourcesOf,
} from "./environment.ts";

export interface DeployPorts {
  cloudflare: Cloudflare;
  base: Configuration;
  project: string;
  /** Keeps a configuration where wrangler can read it, and returns the path. */
  keep(environment: string, configuration: Configuration): Promise<string>;
  newMasterKeys(): string;
  /** Master keys that the person brought; they are not shown. */
  givenMasterKeys: string | undefined;
  say(line: string): void;
}

export async function deployService(environment: Environment, ports: DeployPorts): Promise<void> {
  const { cloudflare, base, project, say } = ports;
  const { worker, database, queues } = resourcesOf(environment.name, base);
  const configure = async (databaseId: string) =>
    await ports.keep(environment.name, renderConfiguration(environment, base, { project, databaseId }));

  await cloudflare.requireLogin();

  // 1. Refusals, before anything is made.
  const [secrets, found] = await Promise.all([
    cloudflare.listSecrets(worker),
    cloudflare.findDatabase(database),
  ]);
  const forbidden = DEVELOPMENT_VARIABLES.filter((name) => secrets.includes(name));
  if (forbidden.length > 0) {
    throw new DeployError(
      `the Worker ${worker} has secrets that are for development: ${forbidden.join(", ")}. Take each away: npx wrangler secret delete ${forbidden[0]} --name ${worker}`,
    );
  }
  if (found !== null) {
    const configuration = await configure(found);
    refuseForeign(environment.name, await cloudflare.findOwner(configuration), database);
    const keyless = !secrets.includes("MASTER_KEYS") && ports.givenMasterKeys === undefined;
    if (keyless && (await cloudflare.hasApps(configuration))) {
      throw new DeployError(
        `the database ${database} is in use and the Worker ${worker} has no MASTER_KEYS: new ones could not open what is sealed there. Put those it had into the environment variable MASTER_KEYS`,
      );
    }
  }

  // 2. What is missing is made.
  if (found === null) await cloudflare.createDatabase(database);
  say(`${found === null ? "made" : "found"} the database ${database}`);
  const databaseId = found ?? (await cloudflare.findDatabase(database));
  if (databaseId === null)
    throw new DeployError(`the database ${database} was made and is not listed; run this again`);
  const configuration = await configure(databaseId);
  await Promise.all(
    queues.map(async (queue) => {
      const there = await cloudflare.hasQueue(queue);
      if (!there) await cloudflare.createQueue(queue);
      say(`${there ? "found" : "made"} the queue ${queue}`);
    }),
  );

  // 3. The database is brought up to date and gets its owner's name; of two first deployments one wins.
  await cloudflare.migrate(configuration);
  say("applied the migrations that were missing");
  refuseForeign(environment.name, await cloudflare.claim(configuration, environment.name), database);

  // 4. The Worker, its first master keys with it. They are shown before they count: keys nobody wrote down are lost.
  await cloudflare.deploy(configuration, secrets.includes("MASTER_KEYS") ? {} : firstSecrets(ports));
  say(`deployed ${worker} to https://${environment.domain}`);
}

function refuseForeign(environment: string, owner: string | null, database: string): void {
  if (owner === null || owner === environment) return;
  throw new DeployError(
    `the database ${database} belongs to the environment "${owner}", not to "${environment}". Look: npx wrangler d1 execute ${database} --remote --command "select * from environments"`,
  );
}

function firstSecrets({ givenMasterKeys, newMasterKeys, say }: DeployPorts): Record<string, string> {
  if (givenMasterKeys !== undefined) {
    say("giving the Worker the MASTER_KEYS of the environment variable");
    return { MASTER_KEYS: givenMasterKeys };
  }
  const made = newMasterKeys();
  say(
    "The Worker gets new MASTER_KEYS. Keep them where you keep passwords; they are shown this once, and without",
  );
  say(
    'them nothing sealed in the database can be opened. If this run stops before it says "deployed", the next one',
  );
  say("may show others: then those count.");
  say("");
  say(`    ${made}`);
  say("");
  return { MASTER_KEYS: made };
}
