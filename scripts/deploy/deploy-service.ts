// Deploys one environment, in an order that can die anywhere and be run again: what is there is found, what is missing
// is made, and the database is asked whose it is before anything is changed.
import type { Unstable_RawConfig as Configuration } from "wrangler";
import { isName, type Mint } from "../../src/auth/mint.ts";
import { masterKeyIds } from "../../src/sealing/sealing.ts";
import { newApp } from "../admin-sql.ts";
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
  /** Keeps a configuration where wrangler, and commands on the deployed database, can read it. Returns the path. */
  keep(environment: string, configuration: Configuration): Promise<string>;
  /** Keeps one where wrangler alone reads it: whose database it names is not known yet. */
  keepForAsking(environment: string, configuration: Configuration): Promise<string>;
  newMasterKeys(): string;
  /** Master keys that the person brought; they are not shown. */
  givenMasterKeys: string | undefined;
  /** The name of an app to make when there is none. */
  firstApp?: string | undefined;
  mint: Mint;
  say(line: string): void;
}

export async function deployService(environment: Environment, ports: DeployPorts): Promise<void> {
  const { cloudflare, base, project, say } = ports;
  const { worker, database, queues } = resourcesOf(environment.name, base);
  const rendered = (databaseId: string) => renderConfiguration(environment, base, { project, databaseId });

  // 1. Refusals, before anything is made.
  const givenIds = await readGiven(ports);
  await cloudflare.requireLogin();
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
  const { firstApp, givenMasterKeys: given } = ports;
  const hasKeys = secrets.includes("MASTER_KEYS");
  let hasApps = false;
  if (found !== null) {
    const asking = await ports.keepForAsking(environment.name, rendered(found));
    refuseForeign(environment.name, await cloudflare.findOwner(asking), database, asking);
    if (!hasKeys || firstApp !== undefined) hasApps = await cloudflare.hasApps(asking);
    if (!hasKeys && given === undefined && hasApps) {
      throw new DeployError(
        `the database ${database} is in use and the Worker ${worker} has no MASTER_KEYS: new ones could not open what is sealed there. Put those it had into the environment variable MASTER_KEYS`,
      );
    }
  }

  if (found !== null && !hasKeys && givenIds !== null && hasApps) {
    const asking = await ports.keepForAsking(environment.name, rendered(found));
    const unknown = (await cloudflare.findSealingKeys(asking)).filter((id) => !givenIds.includes(id));
    if (unknown.length > 0) {
      throw new DeployError(
        `the database ${database} is sealed with ${unknown.join(", ")}, and the environment variable MASTER_KEYS has ${givenIds.join(", ")}: put those it was sealed with`,
      );
    }
  }
  const makesApp = firstApp !== undefined && !hasApps;
  if (makesApp && hasKeys && given === undefined) {
    throw new DeployError(
      `the Worker ${worker} has its MASTER_KEYS, and a new app is sealed with them: put the same ones into the environment variable MASTER_KEYS, or leave --app out`,
    );
  }

  // 2. What is missing is made.
  if (found === null) await cloudflare.createDatabase(database);
  say(`${found === null ? "made" : "found"} the database ${database}`);
  const databaseId = found ?? (await cloudflare.findDatabase(database));
  if (databaseId === null)
    throw new DeployError(`the database ${database} was made and is not listed; run this again`);
  const configuration = await ports.keep(environment.name, rendered(databaseId));
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
  refuseForeign(
    environment.name,
    await cloudflare.claim(configuration, environment.name),
    database,
    configuration,
  );

  // 4. The Worker, its first master keys with it. They are shown before they count: keys nobody wrote down are lost.
  const first = hasKeys ? {} : firstSecrets(ports);
  await cloudflare.deploy(configuration, first);
  say(`deployed ${worker} to https://${environment.domain}`);
  if (environment.alertUrl !== undefined && !secrets.includes("ALERT_SECRET")) {
    say(
      `alert_url is told nothing until the Worker has the secret ALERT_SECRET: npx wrangler secret put ALERT_SECRET --name ${worker}`,
    );
  }

  // 5. The first app. Its keys are shown once they are in the database.
  if (makesApp) {
    const made = await newApp(firstApp, given ?? first.MASTER_KEYS ?? "", ports.mint);
    await cloudflare.run(configuration, made.statements);
    say(`made the app "${firstApp}"; its keys are shown this once`);
    for (const line of [`app       ${made.app}`, `test key  ${made.testKey}`, `live key  ${made.liveKey}`]) {
      say(`    ${line}`);
    }
  } else if (firstApp !== undefined) say("the database has an app already: --app made none");
}

/** What the person brought is looked at before anything is asked. An empty variable is what a CI makes of a missing secret. */
async function readGiven({ givenMasterKeys, firstApp }: DeployPorts): Promise<string[] | null> {
  if (firstApp !== undefined && !isName(firstApp)) {
    throw new DeployError("--app takes a name of 1 to 100 characters");
  }
  if (givenMasterKeys === undefined) return null;
  const ids = await masterKeyIds(givenMasterKeys).catch((error: Error) => {
    throw new DeployError(`the environment variable MASTER_KEYS holds no master keys: ${error.message}`);
  });
  if (ids.length === 0) throw new DeployError("the environment variable MASTER_KEYS holds no master keys");
  return ids;
}

function refuseForeign(environment: string, owner: string | null, database: string, lookAt: string): void {
  if (owner === null || owner === environment) return;
  throw new DeployError(
    `the database ${database} belongs to the environment "${owner}", not to "${environment}". Look: npx wrangler d1 execute DB --config ${lookAt} --remote --command "select * from environments"`,
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
