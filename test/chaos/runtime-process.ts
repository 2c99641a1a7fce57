// The local runtime in a process of its own, so that both can be killed together: Miniflare configures workerd and
// speaks for what workerd asks of it. It loads everything first and starts when a line of JSON comes in, so that a
// successor can stand ready while its predecessor still lives.
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import type { RuntimeStart } from "./runtime.ts";

const NAME = "stormy";

// Whoever started this group holds the other end; when that is gone, nobody is left to kill the group.
process.stdin.once("end", () => process.kill(-process.pid, "SIGKILL"));
const line = await new Promise<string>((resolve) => {
  let text = "";
  process.stdin.on("data", (chunk) => {
    text += chunk;
    if (text.endsWith("\n")) resolve(text);
  });
});
const { port, state, code, worker, bindings }: RuntimeStart = JSON.parse(line);

const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    log: new Log(LogLevel.WARN),
    logRequests: false,
    unsafeObservability: false,
    unsafeLocalExplorer: false,
    resourcePersistencePath: state,
    workers: [
      {
        ...worker,
        name: NAME,
        modulesRules: undefined,
        modulesRoot: "/",
        modules: [{ type: "ESModule", path: "/worker.js", contents: code }],
        bindings,
        // The development server's proxy, which is no part of what is tested, is not in the way.
        unsafeDirectSockets: [{ host: "127.0.0.1", port }],
      },
    ],
  } as Parameters<typeof convertV4MiniflareOptions>[0]),
);
await miniflare.ready;
process.stdout.write("ready\n");
