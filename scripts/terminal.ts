// How the commands talk to the person at the terminal.

/** The command was called in a way it does not know; the message comes before the help. */
export class UsageError extends Error {}

/** The arguments of a command, one for each name. */
export function expecting<Names extends string[]>(
  values: string[],
  ...names: Names
): { [Index in keyof Names]: string } {
  if (values.length !== names.length) {
    throw new UsageError(names.length === 0 ? "it takes no arguments" : `it takes ${names.join(" ")}`);
  }
  return values as { [Index in keyof Names]: string };
}

/** Names and values in two columns. */
export function print(lines: (readonly [string, string])[], note?: string): void {
  const width = Math.max(0, ...lines.map(([name]) => name.length));
  for (const [name, value] of lines) process.stdout.write(`${name.padEnd(width)}  ${value}\n`);
  if (note !== undefined) process.stdout.write(`${note}\n`);
}
