// events …: what happened, and sending it to an endpoint again.
import type { Command } from "commander";
import { type Context, segment } from "./context.ts";
import { type Json, printList, printObject } from "./output.ts";

const COLUMNS = ["id", "type", "created", "object", "status", "pending_webhooks"];

export function addEventCommands(program: Command, context: Context): void {
  const events = program.command("events").description("events: list, resend");

  events
    .command("list")
    .description("events, newest first")
    .option("--type <type>", "such as refund.succeeded")
    .option("--charge <charge>", "those of a charge")
    .option("--refund <refund>", "those of a refund")
    .option("--delivery-status <status>", "those of which a delivery is in this state")
    .option("--limit <n>", "how many, 1 to 100", "10")
    .option("--starting-after <event>", "the page after this one")
    .action(async (options: Record<string, string | undefined>) => {
      const { type, charge, refund, limit } = options;
      const query = {
        type,
        charge,
        refund,
        limit,
        delivery_status: options.deliveryStatus,
        starting_after: options.startingAfter,
      };
      const list = await context.client().call<Json & { data: Json[] }>({ path: "/v1/events", query });
      printList(context.isJson(), list, list.data.map(eventRow), COLUMNS);
    });

  events
    .command("resend <event>")
    .description("send an event to an endpoint again")
    .requiredOption("--endpoint <endpoint>", "the endpoint's id (we_…)")
    .option("--force", "also when it arrived before, or is on its way")
    .action(async (event: string, { endpoint, force }: { endpoint: string; force?: boolean }) => {
      const delivery = await context.client().call<Json>({
        method: "POST",
        path: `/v1/events/${segment(event)}/resend`,
        body: { endpoint, ...(force === true ? { force } : {}) },
        whenLost: { lookWith: "events list" },
      });
      printObject(context.isJson(), delivery);
    });
}

function eventRow(event: Json): Json {
  const { object } = event.data as { object: Json };
  return { ...event, object: object.id, status: object.status };
}
