// A bundled Worker on the bare runtime: Miniflare configures workerd with the bindings of wrangler.toml and serves the
// Worker on a socket of its own. The development server's proxy, which costs many times what the Worker does, is not in
// the way. D1 and the queues are Miniflare's own Workers in the same process: their time is part of what is measured.
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import type { Bundle } from "./bundle.ts";
import { childrenNamed } from "./process-time.ts";

const NAME = "measured";

type WorkerOptions = ReturnType<typeof unstable_getMiniflareWorkerOptions>["workerOptions"];

export interface Runtime {
  url: string;
  /** Of workerd. */
  pid: number;
  /** Where its inspector listens; null unless asked for. */
  inspector: URL | null;
  /** The settings of the queues it consumes. */
  queues: string[];
  database(binding: string): ReturnType<Miniflare["getD1Database"]>;
  stop(): Promise<void>;
}

export interface RuntimeOptions {
  /** The directory of its database, objects and queues. */
  state: string;
  secrets?: Record<string, string>;
  inspect?: boolean;
}

export async function startRuntime(bundle: Bundle, options: RuntimeOptions): Promise<Runtime> {
  const others = new Set(childrenNamed("workerd"));
  const { workerOptions } = unstable_getMiniflareWorkerOptions(bundle.config);
  const objects = Object.entries(workerOptions.durableObjects ?? {}).map(([binding, object]) => [
    binding,
    // When an object leaves memory is the platform's affair; here it would depend on how long a measurement takes.
    typeof object === "object" ? { ...object, unsafePreventEviction: true } : object,
  ]);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      cf: false,
      log: new Log(LogLevel.WARN),
      logRequests: false,
      unsafeObservability: false,
      unsafeLocalExplorer: false,
      resourcePersistencePath: options.state,
      ...(options.inspect ? { inspectorPort: 0, inspectorHost: "127.0.0.1" } : {}),
      workers: [
        {
          ...workerOptions,
          name: NAME,
          // Miniflare would put its asset router before the Worker: in JavaScript, and dearer than many a request.
          assets: undefined,
          modulesRules: undefined,
          modulesRoot: "/",
          modules: [{ type: "ESModule", path: bundle.file, contents: bundle.code }],
          durableObjects: Object.fromEntries(objects),
          bindings: options.secrets ?? {},
          unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
          ...(options.inspect ? { unsafeInspectorProxy: true } : {}),
        },
      ],
    }),
  );
  await miniflare.ready;
  const [pid] = childrenNamed("workerd").filter((child) => !others.has(child));
  if (pid === undefined) throw new Error("the runtime's process is not to be found");
  return {
    url: (await miniflare.unsafeGetDirectURL(NAME)).origin,
    pid,
    inspector: options.inspect ? await miniflare.getInspectorURL() : null,
    queues: queueSettings(workerOptions.queueConsumers),
    database: (binding) => miniflare.getD1Database(binding, NAME),
    stop: () => miniflare.dispose(),
  };
}

/** Those that the local queues know; the local runtime has no more than one batch of a queue under way. */
function queueSettings(consumers: WorkerOptions["queueConsumers"]): string[] {
  if (Array.isArray(consumers)) return consumers;
  return Object.entries(consumers ?? {}).map(
    ([name, { maxBatchSize, maxBatchTimeout }]) =>
      `${name} ${maxBatchSize ?? "?"} a batch, wait ${maxBatchTimeout ?? "?"} s`,
  );
}
