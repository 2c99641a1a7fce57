// ledger …: what operators do with the book of a charge, with an admin key.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { Client } from "./client.ts";
import { type Context, segment } from "./context.ts";
import { EXIT, UsageError } from "./outcome.ts";
import { type Json, printJson, printObject, shown } from "./output.ts";

/** How many the service takes in one call. */
const AT_ONCE = 20;

interface RebuildOptions {
  charges?: string;
  ledgers?: string;
  all?: boolean;
}

export function addLedgerCommands(program: Command, context: Context): void {
  const ledger = program.command("ledger").description("a charge's book: adopt, export, rebuild (admin key)");

  ledger
    .command("adopt <charge>")
    .description("lift the freeze of a charge, once a person has looked at what its channel says")
    .requiredOption("--by <name>", "who decided")
    .requiredOption("--reason <text>", "why")
    .action(async (charge: string, { by, reason }: { by: string; reason: string }) => {
      const call = {
        method: "POST",
        path: `/v1/charges/${segment(charge)}/adopt`,
        body: { by, reason },
        // Adopted, it is not frozen any more: a second try would be refused, and say nothing of the first.
        whenLost: { lookWith: `ledger export ${charge}` },
      } as const;
      const shownFields = ["id", "order_no", "amount", "amount_refunded", "amount_refundable"];
      printObject(context.isJson(), await context.client().call<Json>(call), shownFields);
    });

  ledger
    .command("export <charge>")
    .description("the whole book of a charge, as JSON")
    .action(async (charge: string) => {
      printJson(await context.client().call<Json>({ path: `/v1/charges/${segment(charge)}/ledger` }));
    });

  ledger
    .command("rebuild")
    .description("have ledgers tell the database everything again")
    .option("--charges <file>", "charge ids, one a line")
    .option("--ledgers <file>", "ledger ids, one a line")
    .option("--all", "every charge that the database knows")
    .action(async (options: RebuildOptions) => {
      const given = [options.charges, options.ledgers, options.all].filter((option) => option !== undefined);
      if (given.length !== 1) throw new UsageError("one of --charges, --ledgers and --all");
      const counts = { told: 0, not_found: 0, unavailable: 0 };
      const client = context.client();
      const kind = options.ledgers === undefined ? "charges" : "ledgers";
      for await (const ids of batches(client, options)) {
        const path = "/v1/ledgers/rebuild";
        const call = { method: "POST", path, body: { [kind]: ids }, whenLost: "repeat" } as const;
        const { data } = await client.call<{
          data: { charge: string | null; ledger?: string; status: string }[];
        }>(call);
        for (const one of data) {
          counts[one.status as keyof typeof counts]++;
          if (one.status !== "told")
            process.stderr.write(`${shown(one.ledger ?? one.charge)}: ${one.status}\n`);
        }
      }
      printObject(context.isJson(), counts);
      if (counts.not_found + counts.unavailable > 0) {
        process.exitCode = counts.told > 0 ? EXIT.partly : EXIT.failed;
      }
    });
}

async function* batches(client: Client, { charges, ledgers }: RebuildOptions): AsyncGenerator<string[]> {
  const file = charges ?? ledgers;
  if (file !== undefined) {
    const ids = idsIn(file);
    for (let from = 0; from < ids.length; from += AT_ONCE) yield ids.slice(from, from + AT_ONCE);
    return;
  }
  for (let after: string | undefined, more = true; more; ) {
    const query = { limit: String(AT_ONCE), starting_after: after };
    const page = await client.call<{ data: { id: string }[]; has_more: boolean }>({
      path: "/v1/charges",
      query,
    });
    if (page.data.length > 0) yield page.data.map((charge) => charge.id);
    after = page.data.at(-1)?.id;
    more = page.has_more && after !== undefined;
  }
}

function idsIn(file: string): string[] {
  try {
    const lines = readFileSync(file === "-" ? 0 : file, "utf8").split("\n");
    return lines.map((line) => line.trim()).filter((line) => line !== "");
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}
