// A deployment against an account in memory: what it makes, refuses, and leaves behind when it dies.
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type Unstable_RawConfig as Configuration,
  experimental_readRawConfig as readConfiguration,
} from "wrangler";
import type { Cloudflare } from "../../scripts/deploy/cloudflare.ts";
import { deployService } from "../../scripts/deploy/deploy-service.ts";

const project = resolve(import.meta.dirname, "../..");
const base = readConfiguration({ config: join(project, "wrangler.toml") }).rawConfig;

/** What an account holds, and a Cloudflare that changes it and dies at the step it is told to, before or after it. */
class Account {
  databases = new Map<string, { id: string; migrated: boolean; owner: string | null; apps: boolean }>();
  queues: string[] = [];
  workers = new Map<string, { secrets: Record<string, string>; configuration: Configuration }>();
  kept = new Map<string, Configuration>();
  calls: string[] = [];
  changes: string[] = [];
  said: string[] = [];
  dieAt: number | null = null;
  dieAfter = false;
  minted = 0;

  async deploy(name: string, given?: string): Promise<void> {
    await deployService(
      { name, domain: `${name}.example.com` },
      {
        cloudflare: this.#cloudflare(),
        base,
        project,
        keep: async (environment, configuration) => {
          this.kept.set(environment, configuration);
          return environment;
        },
        newMasterKeys: () => `keys-${++this.minted}`,
        givenMasterKeys: given,
        say: (line) => this.said.push(line),
      },
    );
  }

  state() {
    const workers = [...this.workers].map(([name, { secrets, configuration }]) => ({
      name,
      secrets: Object.keys(secrets),
      configuration,
    }));
    return { databases: [...this.databases], queues: this.queues.toSorted(), workers };
  }

  #cloudflare(): Cloudflare {
    const step = async <T>(name: string, act: () => T): Promise<T> => {
      this.calls.push(name);
      const dies = this.calls.length === this.dieAt;
      if (dies && !this.dieAfter) throw new Error(`died before ${name}`);
      const result = act();
      if (dies) throw new Error(`died after ${name}`);
      return result;
    };
    const change = <T>(name: string, act: () => T) =>
      step(name, () => {
        this.changes.push(name);
        return act();
      });
    const databaseOf = (environment: string) => {
      const bound = this.kept.get(environment)?.d1_databases?.[0];
      const found = this.databases.get(bound?.database_name ?? "");
      if (found === undefined || found.id !== bound?.database_id) throw new Error("no such database");
      return found;
    };
    return {
      requireLogin: () => step("login", () => undefined),
      findDatabase: (name) => step("find database", () => this.databases.get(name)?.id ?? null),
      createDatabase: (name) =>
        change(`create ${name}`, () => {
          if (this.databases.has(name)) throw new Error("made twice");
          this.databases.set(name, { id: `id of ${name}`, migrated: false, owner: null, apps: false });
        }),
      hasQueue: (name) => step("find queue", () => this.queues.includes(name)),
      createQueue: (name) =>
        change(`create ${name}`, () => {
          if (this.queues.includes(name)) throw new Error("made twice");
          this.queues.push(name);
        }),
      listSecrets: (worker) => step("secrets", () => Object.keys(this.workers.get(worker)?.secrets ?? {})),
      findOwner: (environment) => step("owner", () => databaseOf(environment).owner),
      hasApps: (environment) => step("apps", () => databaseOf(environment).apps),
      claim: (environment) =>
        change("claim", () => {
          const found = databaseOf(environment);
          if (!found.migrated) throw new Error("no such table: environments");
          found.owner ??= environment;
          return found.owner;
        }),
      migrate: (environment) =>
        change("migrate", () => {
          databaseOf(environment).migrated = true;
        }),
      deploy: (environment, secrets) =>
        change("deploy", () => {
          const configuration = this.kept.get(environment) ?? {};
          const earlier = this.workers.get(configuration.name ?? "")?.secrets;
          const all = { ...earlier, ...secrets };
          if (all.MASTER_KEYS === undefined) throw new Error("required secrets have not been set");
          this.workers.set(configuration.name ?? "", { secrets: all, configuration });
        }),
    };
  }
}

describe("npm run deploy", () => {
  it("makes everything once, and nothing the second time", async () => {
    const account = new Account();
    await account.deploy("production");
    const first = account.state();
    expect(first.queues).toHaveLength(4);
    expect(account.databases.get("edge-refunds")).toMatchObject({ migrated: true, owner: "production" });
    account.changes.length = 0;
    await account.deploy("production");
    expect(account.changes).toEqual(["migrate", "claim", "deploy"]);
    expect(account.state()).toEqual(first);
    expect(account.workers.get("edge-refunds")?.secrets.MASTER_KEYS).toBe("keys-1");
  });

  it("leaves production as it was when staging is deployed beside it", async () => {
    const account = new Account();
    await account.deploy("production");
    const before = structuredClone(account.databases.get("edge-refunds"));
    const worker = structuredClone(account.workers.get("edge-refunds"));
    await account.deploy("staging");
    expect(account.databases.get("edge-refunds")).toEqual(before);
    expect(account.workers.get("edge-refunds")).toEqual(worker);
    expect([account.databases.size, account.queues.length, account.workers.size]).toEqual([2, 8, 2]);
  });

  it("refuses a database of another environment before anything is changed", async () => {
    const account = new Account();
    account.databases.set("edge-refunds-staging", {
      id: "x",
      migrated: true,
      owner: "production",
      apps: true,
    });
    await expect(account.deploy("staging", "keys")).rejects.toThrow(
      'belongs to the environment "production"',
    );
    expect(account.changes).toEqual([]);
  });

  it("refuses to give new master keys to a database in use, and takes the ones it is given", async () => {
    const account = new Account();
    account.databases.set("edge-refunds", { id: "x", migrated: true, owner: null, apps: true });
    await expect(account.deploy("production")).rejects.toThrow("has no MASTER_KEYS");
    expect(account.changes).toEqual([]);
    await account.deploy("production", "the old keys");
    expect(account.workers.get("edge-refunds")?.secrets).toEqual({ MASTER_KEYS: "the old keys" });
    expect(account.said.join("\n")).not.toContain("the old keys");
  });

  it("refuses a Worker that has a development flag among its secrets", async () => {
    const account = new Account();
    account.workers.set("edge-refunds", { secrets: { LOCAL_DEV: "true" }, configuration: {} });
    await expect(account.deploy("production")).rejects.toThrow("LOCAL_DEV");
    expect(account.changes).toEqual([]);
  });

  it("ends the same when it died at any step and was run again, and shows the keys that count", async () => {
    const whole = new Account();
    await whole.deploy("staging");
    const steps = whole.calls.length;
    expect(steps).toBeGreaterThan(15);
    for (let dieAt = 1; dieAt <= steps; dieAt++) {
      for (const dieAfter of [false, true]) {
        const account = new Account();
        Object.assign(account, { dieAt, dieAfter });
        await expect(account.deploy("staging"), `step ${dieAt}`).rejects.toThrow("died");
        account.dieAt = null;
        await account.deploy("staging");
        expect(account.state(), `step ${dieAt}`).toEqual(whole.state());
        const shown = account.said.filter((line) => line.includes("keys-")).at(-1);
        expect(shown).toContain(account.workers.get("edge-refunds-staging")?.secrets.MASTER_KEYS);
      }
    }
  });
});
