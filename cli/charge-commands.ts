// charges …: recording charges from a file, and looking at them.
import type { Command } from "commander";
import { type Context, segment } from "./context.ts";
import { importCharges } from "./import-charges.ts";
import { type Json, printList, printObject } from "./output.ts";

const SHOWN = [
  "id",
  "order_no",
  "channel",
  "amount",
  "currency",
  "paid",
  "amount_refunded",
  "amount_refundable",
  "created",
];

export function addChargeCommands(program: Command, context: Context): void {
  const charges = program.command("charges").description("charges that were collected elsewhere");

  charges
    .command("import <file>")
    .description("record the charges of a CSV or NDJSON file, or of standard input (-)")
    .option("--format <format>", "csv or ndjson; by default what the file's name ends in")
    .option("--dry-run", "check every line and send nothing")
    .option("--errors <file>", "write the bad lines as NDJSON: line, error")
    .option("--state <file>", "remember what is recorded there, and skip it the next time")
    .addHelpText(
      "after",
      `
CSV has a header with the fields of POST /v1/charges (order_no, channel, amount, paid, time_paid,
transaction_no, …); further columns become metadata. NDJSON has one JSON object a line; a whole
Ping++ charge object is one, and what it says was refunded counts. Times are Unix seconds. UTF-8.
Importing twice is harmless.`,
    )
    .action(
      async (
        file: string,
        options: { format?: string; dryRun?: boolean; errors?: string; state?: string },
      ) => {
        process.exitCode = await importCharges(context.client(), file, {
          ...options,
          json: context.isJson(),
        });
      },
    );

  charges
    .command("get <charge>")
    .description("a charge with what can still be refunded")
    .action(async (charge: string) => {
      const object = await context.client().call<Json>({ path: `/v1/charges/${segment(charge)}` });
      printObject(context.isJson(), object, SHOWN);
    });

  charges
    .command("list")
    .description("charges, newest first")
    .option("--limit <n>", "how many, 1 to 100", "10")
    .option("--starting-after <charge>", "the page after this one")
    .action(async (options: { limit: string; startingAfter?: string }) => {
      const query = { limit: options.limit, starting_after: options.startingAfter };
      const list = await context.client().call<Json & { data: Json[] }>({ path: "/v1/charges", query });
      printList(context.isJson(), list, list.data, SHOWN.slice(0, -1));
    });
}
