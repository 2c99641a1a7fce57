// Where the wrangler configurations of environments are kept: made anew by every deployment, and never committed.
// Commands on a deployed database (npm run keys -- … --remote) read the one of ENVIRONMENT, production's by default.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Unstable_RawConfig as Configuration } from "wrangler";
import { PROJECT } from "../wrangler.ts";
import { DeployError, PRODUCTION, parseName } from "./environment.ts";

const DIRECTORY = join(PROJECT, ".wrangler/environments");

/** Configurations that questions are asked with before anything is known to be deployed: no command finds them here. */
const ASKING = join(PROJECT, ".wrangler/asking");

function configurationFile(environment: string, directory = DIRECTORY): string {
  return join(directory, `${environment}.json`);
}

/** Writes a configuration to ask with, and returns its path. */
export async function keepForAsking(environment: string, configuration: Configuration): Promise<string> {
  return await keepConfiguration(environment, configuration, ASKING);
}

/** Writes an environment's configuration, whole or not at all, and returns its path. */
export async function keepConfiguration(
  environment: string,
  configuration: Configuration,
  directory = DIRECTORY,
): Promise<string> {
  const file = configurationFile(environment, directory);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, `${JSON.stringify(configuration, null, 2)}\n`);
  await rename(`${file}.new`, file);
  return file;
}

/** The domains of the environments that were deployed from here, by their names. */
export function deployedDomains(directory = DIRECTORY): Map<string, string> {
  const files = existsSync(directory) ? readdirSync(directory).filter((file) => file.endsWith(".json")) : [];
  return new Map(files.map((file) => [basename(file, ".json"), domainOf(join(directory, file))]));
}

/** The arguments that make wrangler work on the deployed environment; none when it was not deployed from here. */
export function deployedConfiguration(): string[] {
  const named = process.env.ENVIRONMENT;
  const file = configurationFile(parseName(named ?? PRODUCTION));
  if (existsSync(file)) return ["--config", file];
  if (named === undefined) return [];
  throw new DeployError(
    `there is no ${file}: npm run deploy -- --env ${named} makes it, with the id of its database`,
  );
}

function domainOf(file: string): string {
  const { vars }: Configuration = JSON.parse(readFileSync(file, "utf8"));
  return String(vars?.OWN_HOSTS ?? "");
}
