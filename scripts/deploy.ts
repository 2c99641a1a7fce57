// npm run deploy -- …: makes what an environment misses at Cloudflare, migrates its database, deploys the Worker, and
// looks whether it answers as it should. Run again it finds everything and changes nothing but the version.
import { lookup } from "node:dns/promises";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { experimental_readRawConfig as readConfiguration } from "wrangler";
import { checkService, findOccupant } from "./deploy/check-service.ts";
import { cloudflare } from "./deploy/cloudflare.ts";
import { deployedDomains, keepConfiguration, keepForAsking } from "./deploy/configuration-file.ts";
import { deployService } from "./deploy/deploy-service.ts";
import {
  DeployError,
  type Environment,
  NO_DATABASE,
  PRODUCTION,
  parseDomain,
  parseName,
  renderConfiguration,
  resourcesOf,
} from "./deploy/environment.ts";
import { newMasterKeys } from "./dev-vars.ts";
import { UsageError } from "./terminal.ts";
import { PROJECT, runWrangler } from "./wrangler.ts";

const HELP = `Usage: npm run deploy -- [--env NAME] [--domain HOST] [--app NAME] [--wait SECONDS] [--dry-run]

  --env NAME       which environment; production by default. Every other has a database, queues and a
                   Worker of its own
  --domain HOST    the custom domain it answers under; from deploy/NAME.json or the last deployment
                   from here when left out
  --change-domain  goes on although the environment gives up the domain it had, or something else
                   answers under this one and is cut off
  --app NAME       also makes an app, with a test key and a live key, when the database has none
  --wait SECONDS   how long to wait until it answers as it should (300; a new domain takes minutes)
  --dry-run        says what it would do and has wrangler check the configuration and the build;
                   needs no login, asks no one and changes nothing

MASTER_KEYS in the environment are given to a Worker that has none; without them new ones are made.
DEPLOYING.md tells the rest.
`;

const OPTIONS = {
  env: { type: "string", default: PRODUCTION },
  domain: { type: "string" },
  "change-domain": { type: "boolean", default: false },
  app: { type: "string" },
  wait: { type: "string", default: "300" },
  "dry-run": { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

const base = readConfiguration({ config: join(PROJECT, "wrangler.toml") }).rawConfig;
const say = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const values = parse();
  if (values.help) return void process.stdout.write(HELP);
  const waitMs = Number(values.wait) * 1000;
  if (!(waitMs >= 0 && waitMs <= 3_600_000)) throw new UsageError("--wait takes 0 to 3600 seconds");
  const environment = readEnvironment(parseName(values.env), values.domain, values["change-domain"]);
  if (values["dry-run"]) return await rehearse(environment);
  if (process.env.NODE_TLS_REJECT_UNAUTHORIZED === "0") {
    throw new DeployError("NODE_TLS_REJECT_UNAUTHORIZED=0 trusts every certificate: unset it to deploy");
  }
  if (!values["change-domain"]) await refuseTaken(environment);
  await deployService(environment, {
    cloudflare,
    base,
    project: PROJECT,
    keep: keepConfiguration,
    keepForAsking,
    newMasterKeys,
    givenMasterKeys: process.env.MASTER_KEYS,
    firstApp: values.app,
    mint: {
      random: (count) => crypto.getRandomValues(new Uint8Array(count)),
      now: Math.floor(Date.now() / 1000),
    },
    say,
  });
  const wrong = await checkService(environment, waitMs, {
    fetch,
    now: () => performance.now(),
    wait: (ms) => new Promise((done) => setTimeout(done, ms)),
  });
  if (wrong !== null) {
    throw new DeployError(
      `It is deployed, and does not answer as it should: ${wrong}\nRun this again to look again; DEPLOYING.md tells how to go back to the version before.`,
    );
  }
  say("it answers over a trusted certificate, is ready, and turns a wrong key away");
  if (values.app !== undefined) return;
  const prefix = environment.name === PRODUCTION ? "" : `ENVIRONMENT=${environment.name} `;
  say(
    `Next, an app and its keys, unless it has them: export MASTER_KEYS='…' (those it has), then ${prefix}npm run keys -- create-app "My shop" --remote`,
  );
}

/** Wrangler, which is asked no questions here, would take a domain from whatever has it, its DNS records included. */
async function refuseTaken(environment: Environment): Promise<void> {
  const { name, domain } = environment;
  if (deployedDomains().get(name) === domain) return;
  const occupant = await findOccupant(environment, {
    fetch,
    hasAddress: (host) =>
      lookup(host).then(
        () => true,
        () => false,
      ),
  });
  if (occupant === null) return;
  throw new DeployError(
    `under ${domain} answers ${occupant}, which this would cut off. Nothing was changed; --change-domain does it all the same`,
  );
}

/** Says each step and lets wrangler check what would be deployed, in a place of its own. */
async function rehearse(environment: Environment): Promise<void> {
  const { worker, database, queues } = resourcesOf(environment.name, base);
  const configuration = renderConfiguration(environment, base, { project: PROJECT, databaseId: NO_DATABASE });
  const directory = await mkdtemp(join(tmpdir(), "edge-refunds-"));
  try {
    const file = await keepConfiguration(environment.name, configuration, directory);
    await runWrangler([
      "deploy",
      "--dry-run",
      "--minify",
      "--config",
      file,
      "--outdir",
      join(directory, "out"),
    ]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  say(`The environment ${environment.name}; nothing is changed. npm run deploy would:`);
  say("1. ask Cloudflare who you are");
  say(`2. refuse if the database ${database} belongs to another environment`);
  say(`3. make what is missing: the database ${database}, the queues ${queues.join(", ")}`);
  say("4. apply the migrations that are missing, and write the environment's name into the database");
  say(`5. deploy the Worker ${worker}, with new MASTER_KEYS if it has none (shown once)`);
  say("6. with --app, make the first app when there is none, with its keys (shown once)");
  say(`7. look at https://${environment.domain}: certificate, /healthz, /readyz, a wrong key`);
  say("It refuses a domain under which something else answers, and to give up the domain it had.");
  say("Wrangler takes the configuration and builds the Worker.");
}

function readEnvironment(name: string, given: string | undefined, changes: boolean): Environment {
  const written = readWritten(join(PROJECT, "deploy", `${name}.json`));
  const deployed = deployedDomains();
  const domain: unknown = given ?? written.domain ?? deployed.get(name);
  if (typeof domain !== "string") {
    throw new UsageError(`which domain? Say --domain refunds.example.com, or write deploy/${name}.json`);
  }
  for (const [other, taken] of changes ? [] : deployed) {
    if (other !== name && taken === domain) {
      throw new DeployError(
        `${domain} is the domain of the environment "${other}": it would be taken from it. --change-domain does it all the same`,
      );
    }
    if (other === name && taken !== domain) {
      throw new DeployError(
        `the environment "${name}" answers under ${taken}, and would not any more. --change-domain does it all the same`,
      );
    }
  }
  return { name, domain: parseDomain(domain), alertUrl: written.alert_url };
}

function readWritten(file: string): { domain?: unknown; alert_url?: string } {
  if (!existsSync(file)) return {};
  try {
    const { domain, alert_url, ...others } = JSON.parse(readFileSync(file, "utf8"));
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw new Error(`it takes domain and alert_url, not "${unknown}"`);
    if (alert_url !== undefined && !(URL.canParse(alert_url) && alert_url.startsWith("https://"))) {
      throw new Error("alert_url begins with https://");
    }
    return { domain, alert_url };
  } catch (error) {
    throw new DeployError(`${file}: ${error instanceof Error ? error.message : error}`);
  }
}

function parse() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

try {
  await main();
} catch (error) {
  const usage = error instanceof UsageError ? `\n${HELP}` : "";
  process.stderr.write(`${error instanceof Error ? error.message : error}\n${usage}`);
  process.exitCode = usage === "" ? 1 : 2;
}
