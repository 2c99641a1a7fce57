// A file that only this user may read, there for as long as one command needs it: gone afterwards, and also when this
// process is told to end meanwhile.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export async function withPrivateFile<Result>(
  name: string,
  text: string,
  use: (file: string) => Promise<Result>,
): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), "edge-refunds-"));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const letGo = () => {
    for (const signal of SIGNALS) process.removeListener(signal, end);
  };
  const end = (signal: NodeJS.Signals) => {
    remove();
    letGo();
    // Nobody else listens: then it means what it always means.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.once(signal, end);
  try {
    const file = join(directory, name);
    writeFileSync(file, text, { mode: 0o600 });
    return await use(file);
  } finally {
    letGo();
    remove();
  }
}
