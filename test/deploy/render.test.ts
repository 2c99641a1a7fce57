import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { experimental_readRawConfig as readConfiguration } from "wrangler";
import {
  DEVELOPMENT_VARIABLES,
  DeployError,
  NO_DATABASE,
  parseDomain,
  parseName,
  renderConfiguration,
  resourcesOf,
} from "../../scripts/deploy/environment.ts";
import { queueRole } from "../../src/env.ts";

const project = resolve(import.meta.dirname, "../..");
const base = readConfiguration({ config: join(project, "wrangler.toml") }).rawConfig;
const render = (name: string, from = base) =>
  renderConfiguration({ name, domain: `${name}.example.com` }, from, { project, databaseId: NO_DATABASE });

describe("the configuration of an environment", () => {
  it("shares no name with another environment's", () => {
    const names = (name: string) => {
      const { worker, database, queues } = resourcesOf(name, base);
      return [worker, `d1 ${database}`, ...queues];
    };
    const all = ["production", "staging", "test", "a", "b2"].flatMap(names);
    expect(new Set(all).size).toBe(all.length);
  });

  it("never names a database, a queue or limits of production in staging", () => {
    const production = render("production");
    const text = JSON.stringify({ ...render("staging"), main: "", compatibility_flags: [] });
    const queues = production.queues?.consumers?.map(({ queue }) => queue) ?? [];
    expect(queues).toHaveLength(4);
    const limits = production.ratelimits?.map(({ namespace_id }) => namespace_id) ?? [];
    for (const name of ["edge-refunds", ...queues, ...limits]) expect(text).not.toContain(`"${name}"`);
  });

  it("gives the Worker no queue that it would not know", () => {
    const known = resourcesOf("production", base).queues;
    for (const name of ["production", "staging", "a"]) {
      const { queues } = render(name);
      const consumers = queues?.consumers ?? [];
      expect(consumers.map((consumer) => queueRole(consumer.queue, name))).toEqual(known);
      for (const producer of queues?.producers ?? []) {
        expect(known).toContain(queueRole(producer.queue ?? "", name));
      }
      for (const { dead_letter_queue: letters } of consumers) {
        if (letters !== undefined) expect(resourcesOf(name, base).queues).toContain(letters);
      }
    }
  });

  it("leaves no path to depend on where wrangler is started, or where the file lies", () => {
    const { main, build, assets, d1_databases: [database] = [] } = render("staging");
    const paths = [main, build?.cwd, assets?.directory, database?.migrations_dir];
    expect(paths.map((path) => path !== undefined && isAbsolute(path) && existsSync(path))).toEqual(
      paths.map(() => true),
    );
  });

  it("answers under its domain alone and keeps outgoing requests public", () => {
    const rendered = render("staging");
    expect(rendered).toMatchObject({
      workers_dev: false,
      preview_urls: false,
      routes: [{ pattern: "staging.example.com", custom_domain: true }],
      vars: {
        ENVIRONMENT: "staging",
        PUBLIC_URL: "https://staging.example.com",
        OWN_HOSTS: "staging.example.com",
      },
      durable_objects: base.durable_objects,
      migrations: base.migrations,
      observability: base.observability,
    });
    expect(rendered.compatibility_flags).toContain("global_fetch_strictly_public");
    const without = { ...base, compatibility_flags: [] };
    expect(() => render("staging", without)).toThrow(DeployError);
  });

  it.each(DEVELOPMENT_VARIABLES)("is refused while wrangler.toml sets %s", (variable) => {
    expect(() => render("staging", { ...base, vars: { [variable]: "true" } })).toThrow(variable);
  });

  it.each(["slow", "slow2", "a-b", "", "Production", "x".repeat(21), "1a", "a'b"])(
    "is refused the name %j",
    (name) => {
      expect(() => parseName(name)).toThrow(DeployError);
    },
  );

  it.each([
    "localhost",
    "https://a.example",
    "a..example",
    "-a.example",
    "a.example/x",
    "10.0.0.1",
    "A.example",
  ])("is refused the domain %j", (domain) => {
    expect(() => parseDomain(domain)).toThrow(DeployError);
  });
});
