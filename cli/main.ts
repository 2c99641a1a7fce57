// npx edge-refunds …: the command line of the service, over its HTTP API alone. Tables for people, --json for scripts;
// errors go to standard error and say what to do; exit codes are those of outcome.ts.
import { Command, CommanderError } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { addAdminCommands } from "./admin-commands.ts";
import { addChargeCommands } from "./charge-commands.ts";
import { Client } from "./client.ts";
import type { Context } from "./context.ts";
import { addEventCommands } from "./event-commands.ts";
import { addLedgerCommands } from "./ledger-commands.ts";
import { CommandError, EXIT } from "./outcome.ts";
import { addRefundCommands } from "./refund-commands.ts";
import { readPrivateKey } from "./signing.ts";
import { addWebhookCommands } from "./webhook-commands.ts";

const FOOTER = `
Exit codes: 0 done · 1 refused or failed · 2 wrong usage · 3 the service could not be reached ·
4 some lines of an import were not recorded · 5 still pending when the time to wait ended.
Amounts are integers in the currency's minor units. A key on the command line is visible to other
users of this machine: EDGE_REFUNDS_KEY is not.`;

const program = new Command("edge-refunds")
  .description("Records charges, makes and follows refunds, listens to webhooks, administers apps and keys.")
  .option(
    "--url <url>",
    "base URL of the service (EDGE_REFUNDS_URL)",
    process.env.EDGE_REFUNDS_URL || "http://127.0.0.1:8787",
  )
  .option("--key <key>", "API key (EDGE_REFUNDS_KEY)")
  .option(
    "--private-key <file>",
    "RSA key in PEM that signs what changes something (EDGE_REFUNDS_PRIVATE_KEY_FILE)",
  )
  .option("--json", "print JSON instead of tables")
  .addHelpText("after", FOOTER)
  .version(packageJson.version)
  .showHelpAfterError("(--help says more)")
  .exitOverride();

let endForReader: () => void = () => process.exit(EXIT.ok);

const context: Context = {
  client() {
    const { url, key, privateKey } = program.opts<{ url: string; key?: string; privateKey?: string }>();
    const file = privateKey ?? process.env.EDGE_REFUNDS_PRIVATE_KEY_FILE;
    const signer = file === undefined || file === "" ? null : readPrivateKey(file);
    return new Client(url, key ?? process.env.EDGE_REFUNDS_KEY ?? "", signer);
  },
  isJson: () => program.opts<{ json?: boolean }>().json === true,
  onReaderGone(end) {
    endForReader = end;
  },
};

addChargeCommands(program, context);
addRefundCommands(program, context);
addEventCommands(program, context);
addWebhookCommands(program, context);
addAdminCommands(program, context);
addLedgerCommands(program, context);
for (const command of everyCommand(program)) {
  // Also understood after the command's name, where people write it.
  if (command !== program && command.commands.length === 0) {
    command
      .option("--json", "print JSON instead of tables")
      .on("option:json", () => program.setOptionValue("json", true));
    command
      .option("--url <url>", "base URL of the service")
      .on("option:url", (url) => program.setOptionValue("url", url));
    command.option("--key <key>", "API key").on("option:key", (key) => program.setOptionValue("key", key));
    command
      .option("--private-key <file>", "RSA key in PEM that signs what changes something")
      .on("option:private-key", (file) => program.setOptionValue("privateKey", file));
  }
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap((inner) => everyCommand(inner as Command))];
}

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") endForReader();
  else process.exit(EXIT.failed);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  else {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = error instanceof CommandError ? error.exitCode : EXIT.failed;
  }
}
