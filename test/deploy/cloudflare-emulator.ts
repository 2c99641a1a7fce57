// Cloudflare's API on loopback, as far as a deployment by wrangler asks for it: an account with databases (SQLite in
// memory), queues and Workers. `requests` tells what was asked.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";

type Answer =
  | { result: unknown; info?: object }
  | { error: { code: number; message: string }; status: number };

interface Worker {
  secrets: Map<string, string>;
  metadata: { bindings?: { name: string; type: string }[]; [name: string]: unknown };
}

export class CloudflareEmulator {
  readonly databases = new Map<string, { uuid: string; name: string; sql: DatabaseSync }>();
  readonly queues = new Map<string, { queue_id: string; queue_name: string; consumers: object[] }>();
  readonly workers = new Map<string, Worker>();
  readonly requests: string[] = [];
  /** Files of statements, by name. */
  readonly #uploads = new Map<string, string>();
  #server = createServer(async (request, response) => {
    const body = await read(request);
    const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
    if (request.method === "PUT" && url.pathname.startsWith("/uploads/")) {
      this.#uploads.set(url.pathname.slice(9), body.toString());
      response.setHeader("ETag", createHash("md5").update(body).digest("hex"));
      return response.end();
    }
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    const path = url.pathname.replace(/^\/accounts\/[^/]+/, "");
    const answer = this.#answer(
      `${request.method} ${path}`,
      url,
      body,
      request.headers["content-type"] ?? "",
    );
    const failed = "error" in answer;
    response.writeHead(failed ? answer.status : 200, { "content-type": "application/json" });
    response.end(
      JSON.stringify({
        success: !failed,
        errors: failed ? [answer.error] : [],
        messages: [],
        result: failed ? null : answer.result,
        ...(failed ? {} : { result_info: answer.info }),
      }),
    );
  });

  /** Listens, and returns the address of the API. */
  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #answer(asked: string, url: URL, body: Buffer, type: string): Answer {
    const match = (pattern: RegExp) => pattern.exec(asked)?.slice(1);
    if (asked === "GET /user") return { result: { id: "user", email: "someone@example.com" } };
    if (asked === "GET /user/tokens/verify" || asked === "GET /tokens/verify") {
      return { result: { id: "token", status: "active" } };
    }
    const account = { id: "acc", name: "Acme" };
    if (asked === "GET /memberships") return page([{ id: "member", account }]);
    // "/accounts" itself: only what lies below an account loses the front of its path.
    if (asked === "GET /accounts") return page([account]);

    if (asked === "GET /d1/database") {
      const name = url.searchParams.get("name");
      const found = [...this.databases.values()].filter((one) => name === null || one.name === name);
      return page(found.map(({ uuid, name }) => ({ uuid, name })));
    }
    if (asked === "POST /d1/database") {
      const { name } = JSON.parse(body.toString());
      const uuid = crypto.randomUUID();
      this.databases.set(uuid, { uuid, name, sql: new DatabaseSync(":memory:") });
      return { result: { uuid, name } };
    }
    let found = match(/^GET \/d1\/database\/([^/]+)$/);
    if (found?.[0]) {
      const one = [...this.databases.values()].find(
        ({ uuid, name }) => uuid === found?.[0] || name === found?.[0],
      );
      return one ? { result: { uuid: one.uuid, name: one.name } } : missing(7404, "database not found");
    }
    found = match(/^POST \/d1\/database\/([^/]+)\/query$/);
    if (found?.[0]) return this.#query(found[0], JSON.parse(body.toString()));

    found = match(/^POST \/d1\/database\/([^/]+)\/import$/);
    if (found?.[0]) return this.#import(found[0], url.origin, JSON.parse(body.toString()));

    if (asked === "GET /queues") {
      const name = url.searchParams.get("name");
      return page([...this.queues.values()].filter((one) => name === null || one.queue_name === name));
    }
    if (asked === "POST /queues") {
      const { queue_name } = JSON.parse(body.toString());
      if (this.queues.has(queue_name))
        return { error: { code: 11009, message: "already taken" }, status: 409 };
      const queue = { queue_id: crypto.randomUUID(), queue_name, consumers: [], producers: [] };
      this.queues.set(queue_name, queue);
      return { result: queue };
    }
    found = match(/^POST \/queues\/([^/]+)\/consumers$/);
    if (found) {
      const queue = [...this.queues.values()].find(({ queue_id }) => queue_id === found?.[0]);
      queue?.consumers.push({ consumer_id: "c", ...JSON.parse(body.toString()) });
      return { result: {} };
    }
    if (match(/^(?:GET|PUT) \/queues\/[^/]+\/consumers(\/.*)?$/)) return { result: [] };

    found = match(/^GET \/workers\/scripts\/([^/]+)\/secrets$/);
    if (found?.[0]) {
      const worker = this.workers.get(found[0]);
      if (worker === undefined) return missing(10007, "This Worker does not exist on your account.");
      return { result: [...worker.secrets.keys()].map((name) => ({ name, type: "secret_text" })) };
    }
    // Every file is there already: of what is served beside the Worker only its announcement is looked at.
    if (match(/^POST \/workers\/scripts\/[^/]+\/assets-upload-session$/)) {
      return { result: { jwt: "assets", buckets: [] } };
    }
    found =
      match(/^PUT \/workers\/scripts\/([^/]+)$/) ?? match(/^POST \/workers\/scripts\/([^/]+)\/versions$/);
    if (found?.[0]) return this.#upload(found[0], body, type);
    found = match(/^GET \/workers\/services\/([^/]+)$/);
    if (found?.[0]) {
      return this.workers.has(found[0])
        ? {
            result: {
              id: found[0],
              default_environment: {
                environment: "production",
                script: { last_deployed_from: "wrangler", migration_tag: "v2" },
              },
            },
          }
        : missing(10090, "workers.api.error.service_not_found");
    }
    found = match(/^(?:GET|PATCH) \/workers\/workers\/([^/]+)$/);
    if (found) {
      const subdomain = { enabled: false, previews_enabled: false };
      return { result: { id: found[0], name: found[0], subdomain, tags: [] } };
    }
    found = match(/^(GET|POST) \/workers\/scripts\/[^/]+\/deployments$/);
    if (found) return { result: found[0] === "GET" ? { deployments: [] } : { id: "d" } };
    if (match(/^(?:PUT|PATCH) \/workers\/scripts\/([^/]+)\/(?:domains\/records|schedules)$/))
      return { result: [] };
    if (match(/^POST \/workers\/scripts\/([^/]+)\/domains\/changeset/)) {
      return { result: { added: [], removed: [], updated: [], conflicting: [] } };
    }
    if (match(/^(?:GET|POST) \/workers\/scripts\/[^/]+\/subdomain$/))
      return { result: { enabled: false, previews_enabled: false } };
    return missing(7003, `not emulated: ${asked}`);
  }

  #query(uuid: string, { sql, params = [] }: { sql: string; params?: (string | number | null)[] }): Answer {
    const database = this.databases.get(uuid);
    if (database === undefined) return missing(7404, "database not found");
    try {
      if (/^\s*(?:select|insert)\s/i.test(sql) && !/;\s*\S/.test(sql)) {
        const results = database.sql.prepare(sql).all(...params);
        return { result: [{ results, success: true, meta: {} }] };
      }
      database.sql.exec(`begin; ${sql}\n; commit`);
      return { result: [{ results: [], success: true, meta: {} }] };
    } catch (error) {
      if (database.sql.isTransaction) database.sql.exec("rollback");
      return { error: { code: 7500, message: `${(error as Error).message}: SQLITE_ERROR` }, status: 400 };
    }
  }

  #import(uuid: string, origin: string, { action, filename }: { action: string; filename: string }): Answer {
    if (action === "init")
      return { result: { upload_url: `${origin}/uploads/statements`, filename: "statements" } };
    const answer = this.#query(uuid, { sql: this.#uploads.get(filename) ?? "" });
    if ("error" in answer) return answer;
    const meta = { duration: 1, rows_read: 0, rows_written: 0, size_after: 0 };
    return {
      result: {
        success: true,
        status: "complete",
        messages: [],
        result: { num_queries: 1, final_bookmark: "b", meta },
      },
    };
  }

  #upload(name: string, body: Buffer, type: string): Answer {
    const metadata = JSON.parse(part(body.toString("latin1"), type, "metadata"));
    const worker = this.workers.get(name) ?? { secrets: new Map(), metadata };
    worker.metadata = metadata;
    for (const binding of metadata.bindings) {
      if (binding.type === "secret_text") worker.secrets.set(binding.name, binding.text);
      if (binding.type === "inherit" && !worker.secrets.has(binding.name)) {
        return { error: { code: 10057, message: "inherit binding is invalid" }, status: 400 };
      }
    }
    this.workers.set(name, worker);
    return {
      result: {
        id: name,
        startup_time_ms: 1,
        deployment_id: "d",
        version_id: "v",
        etag: "e",
        tag: "t",
        pipeline_hash: "p",
        mutable_pipeline_id: "m",
      },
    };
  }
}

function page(result: unknown[]): Answer {
  return {
    result,
    info: { page: 1, per_page: 100, count: result.length, total_count: result.length, total_pages: 1 },
  };
}

function missing(code: number, message: string): Answer {
  return { error: { code, message }, status: 404 };
}

function part(body: string, type: string, name: string): string {
  const boundary = /boundary=(.+)$/.exec(type)?.[1] ?? "";
  const found = body.split(`--${boundary}`).find((one) => one.includes(`name="${name}"`));
  return found?.slice(found.indexOf("\r\n\r\n") + 4).trim() ?? "{}";
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const one of request) parts.push(one);
  return Buffer.concat(parts);
}
