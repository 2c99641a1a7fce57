// How a command that takes long is asked to end: Ctrl-C, a closed terminal, a kill. Asked once it puts its things away.
// Ctrl-C arrives twice, from the terminal and from npm or npx, so a second one at the same moment means nothing.
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const IMPATIENT_MS = 500;
/** What a shell says of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

/** Calls `end` when this process is asked to end; asked again later, it ends at once. Listens for as long as it lives. */
export function onInterruption(end: () => void): void {
  let askedAt: number | null = null;
  const heard = () => {
    if (askedAt !== null && Date.now() - askedAt > IMPATIENT_MS) process.exit(INTERRUPTED);
    if (askedAt !== null) return;
    askedAt = Date.now();
    end();
  };
  for (const signal of SIGNALS) process.on(signal, heard);
}
