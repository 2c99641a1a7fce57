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
const masterKeys = (id: string) => JSON.stringify({ [id]: Buffer.alloc(32, 3).toString("base64") });

/** What an account holds, and a Cloudflare that changes it and dies at the step it is told to, before or after it. */
class Account {
  databases = new Map<
    string,
    { id: string; migrated: boolean; owner: string | null; apps: boolean; sealedWith?: string }
  >();
  queues: string[] = [];
  workers = new Map<string, { secrets: Record<string, string>; configuration: Configuration }>();
  kept = new Map<string, Configuration>();
  calls: string[] = [];
  changes: string[] = [];
  said: string[] = [];
  dieAt: number | null = null;
  dieAfter = false;
  minted = 0;

  async deploy(name: string, given?: string, firstApp?: string): Promise<void> {
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
        keepForAsking: async (environment, configuration) => {
          this.kept.set(`asking ${environment}`, configuration);
          return `asking ${environment}`;
        },
        newMasterKeys: () => masterKeys(`k${++this.minted}`),
        givenMasterKeys: given,
        firstApp,
        mint: { random: (count) => crypto.getRandomValues(new Uint8Array(count)), now: 1 },
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
      findSealingKeys: (environment) =>
        step("sealing keys", () => [databaseOf(environment).sealedWith ?? "k1"]),
      run: (environment, statements) =>
        change("run", () => {
          const found = databaseOf(environment);
          found.apps ||= statements.some((statement) => statement.startsWith("insert into apps "));
          found.sealedWith = /v1\.(\w+)\./.exec(statements.join())?.[1] ?? "none";
        }),
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
    expect(account.workers.get("edge-refunds")?.secrets.MASTER_KEYS).toBe(masterKeys("k1"));
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
    await expect(account.deploy("staging", masterKeys("k1"))).rejects.toThrow(
      'belongs to the environment "production"',
    );
    expect(account.changes).toEqual([]);
    // What is refused is nothing that a command with --remote would work on.
    expect([...account.kept.keys()]).toEqual(["asking staging"]);
  });

  it("refuses to give new master keys to a database in use, and takes the ones it is given", async () => {
    const account = new Account();
    const old = masterKeys("old");
    account.databases.set("edge-refunds", {
      id: "x",
      migrated: true,
      owner: null,
      apps: true,
      sealedWith: "old",
    });
    await expect(account.deploy("production")).rejects.toThrow("has no MASTER_KEYS");
    await expect(account.deploy("production", masterKeys("other"))).rejects.toThrow("is sealed with old");
    expect(account.changes).toEqual([]);
    await account.deploy("production", old);
    expect(account.workers.get("edge-refunds")?.secrets).toEqual({ MASTER_KEYS: old });
    expect(account.said.join("\n")).not.toContain(old);
  });

  it.each(["", "{}", "keys", '{"k1":"short"}'])(
    "refuses %j as master keys before anything is asked, as a CI gives them without its secret",
    async (given) => {
      const account = new Account();
      await expect(account.deploy("production", given)).rejects.toThrow("holds no master keys");
      expect(account.calls).toEqual([]);
    },
  );

  it("makes the first app when it is told to, once, and shows its keys", async () => {
    const account = new Account();
    await account.deploy("production", undefined, "My shop");
    const shown = account.said.join("\n");
    expect(shown).toMatch(/test key {2}sk_test_\w{24}\n.*live key {2}sk_live_\w{24}/);
    expect(account.databases.get("edge-refunds")).toMatchObject({ apps: true, sealedWith: "k1" });
    account.changes.length = account.said.length = 0;
    await account.deploy("production", undefined, "My shop");
    expect(account.changes).toEqual(["migrate", "claim", "deploy"]);
    expect(account.said.join("\n")).not.toContain("sk_");
  });

  it("makes no app that the Worker could not unseal: then it asks for the Worker's keys", async () => {
    const account = new Account();
    await account.deploy("production");
    account.changes.length = 0;
    await expect(account.deploy("production", undefined, "My shop")).rejects.toThrow("MASTER_KEYS");
    expect(account.changes).toEqual([]);
    await account.deploy("production", masterKeys("k1"), "My shop");
    expect(account.databases.get("edge-refunds")).toMatchObject({ apps: true, sealedWith: "k1" });
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
        const shown = account.said.filter((line) => line.includes('{"k')).at(-1);
        expect(shown).toContain(account.workers.get("edge-refunds-staging")?.secrets.MASTER_KEYS);
      }
    }
  });
});
