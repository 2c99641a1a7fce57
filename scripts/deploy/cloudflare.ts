// What a deployment asks of Cloudflare, each question one run of wrangler. Answers are looked for before anything is
// made, so that a second run finds what a first one left. Secrets travel in a file that only this user may read.
import { SEALED_COLUMNS } from "../../src/sealing/sealed-columns.ts";
import { withPrivateFile } from "../private-file.ts";
import { countByKey } from "../sealed-sql.ts";
import { runWrangler, WranglerError } from "../wrangler.ts";
import { DeployError } from "./environment.ts";

export interface Cloudflare {
  /** Throws DeployError when nobody is logged in. */
  requireLogin(): Promise<void>;
  findDatabase(name: string): Promise<string | null>;
  createDatabase(name: string): Promise<void>;
  hasQueue(name: string): Promise<boolean>;
  createQueue(name: string): Promise<void>;
  /** The names of a Worker's secrets; none when there is no such Worker. */
  listSecrets(worker: string): Promise<string[]>;
  /** The environment that the database of a configuration belongs to; null when none has been written in it. */
  findOwner(configuration: string): Promise<string | null>;
  /** Whether a configuration's database holds an app: then secrets may be sealed in it. */
  hasApps(configuration: string): Promise<boolean>;
  /** The ids of the master keys that a configuration's database is sealed with. */
  findSealingKeys(configuration: string): Promise<string[]>;
  /** Writes the owner unless there is one, and returns whoever it is then. */
  claim(configuration: string, environment: string): Promise<string | null>;
  migrate(configuration: string): Promise<void>;
  /** Runs statements on a configuration's database, all or none. They may hold what is sealed. */
  run(configuration: string, statements: readonly string[]): Promise<void>;
  /** Uploads the Worker, the secrets given with it, and lets it take all traffic. */
  deploy(configuration: string, secrets: Record<string, string>): Promise<void>;
}

export const cloudflare: Cloudflare = {
  async requireLogin() {
    try {
      await runWrangler(["whoami", "--json"]);
    } catch (error) {
      if (!(error instanceof WranglerError)) throw error;
      throw new DeployError(
        `Cloudflare does not know you: run "npx wrangler login", or set CLOUDFLARE_API_TOKEN (and CLOUDFLARE_ACCOUNT_ID when the token is for several accounts). The token may edit Workers Scripts, Workers Routes, D1 and Queues.\n${error.message}`,
      );
    }
  },

  async findDatabase(name) {
    const databases: { name: string; uuid: string }[] = JSON.parse(
      await runWrangler(["d1", "list", "--json"]),
    );
    return databases.find((database) => database.name === name)?.uuid ?? null;
  },

  async createDatabase(name) {
    await runWrangler(["d1", "create", name]);
  },

  async hasQueue(name) {
    const answer = await unless(`Queue "${name}" does not exist`, ["queues", "info", name]);
    return answer !== null;
  },

  async createQueue(name) {
    await runWrangler(["queues", "create", name]);
  },

  async listSecrets(worker) {
    const answer = await unless(`Worker "${worker}" not found`, ["secret", "list", "--name", worker]);
    return answer === null ? [] : JSON.parse(answer).map(({ name }: { name: string }) => name);
  },

  async findOwner(configuration) {
    const answer = await unless(
      "no such table: environments",
      execution(configuration, "select name from environments where id = 1"),
    );
    return answer === null ? null : (JSON.parse(answer)[0]?.results?.[0]?.name ?? null);
  },

  async hasApps(configuration) {
    const answer = await unless(
      "no such table: apps",
      execution(configuration, "select id from apps limit 1"),
    );
    return answer !== null && JSON.parse(answer)[0]?.results?.length > 0;
  },

  async findSealingKeys(configuration) {
    const counts = SEALED_COLUMNS.map(countByKey).join(";\n");
    const answer = await unless("no such table", execution(configuration, counts));
    const all: { results: { key: string | null }[] }[] = answer === null ? [] : JSON.parse(answer);
    const keys = all.flatMap(({ results }) => results.map(({ key }) => key));
    return [...new Set(keys)].filter((key) => key !== null);
  },

  async claim(configuration, environment) {
    // The name holds letters and digits alone (parseName).
    const statement = `insert into environments (id, name) values (1, '${environment}') on conflict (id) do update set id = 1 returning name`;
    return JSON.parse(await runWrangler(execution(configuration, statement)))[0]?.results?.[0]?.name ?? null;
  },

  async migrate(configuration) {
    await runWrangler(["d1", "migrations", "apply", "DB", "--remote", "--config", configuration]);
  },

  async run(configuration, statements) {
    const text = statements.map((statement) => `${statement};\n`).join("");
    await withPrivateFile("statements.sql", text, (file) =>
      runWrangler(["d1", "execute", "DB", "--remote", "--yes", "--config", configuration, "--file", file]),
    );
  },

  async deploy(configuration, secrets) {
    const command = ["deploy", "--minify", "--config", configuration];
    if (Object.keys(secrets).length === 0) {
      await runWrangler(command);
      return;
    }
    await withPrivateFile("secrets.json", JSON.stringify(secrets), (file) =>
      runWrangler([...command, "--secrets-file", file]),
    );
  },
};

function execution(configuration: string, statement: string): string[] {
  return ["d1", "execute", "DB", "--remote", "--json", "--config", configuration, "--command", statement];
}

/** What wrangler wrote; null when it failed for that one reason. Any other failure stays one. */
async function unless(reason: string, args: string[]): Promise<string | null> {
  try {
    return await runWrangler(args);
  } catch (error) {
    if (error instanceof WranglerError && error.message.includes(reason)) return null;
    throw error;
  }
}
