// webhooks …: the endpoints, and a receiver on this machine that shows every delivery and checks both of its signatures.
import type { Command } from "commander";
import { type Context, segment, wholeNumber } from "./context.ts";
import { onInterruption } from "./interruption.ts";
import { listen } from "./listen.ts";
import { CommandError, EXIT } from "./outcome.ts";
import { type Json, printJson, printList, printObject, shown } from "./output.ts";
import type { Delivery } from "./receive-delivery.ts";

const COLUMNS = ["id", "url", "status", "created", "description"];

interface ListenOptions {
  port: number;
  publicUrl?: string;
  events: string;
  count?: number;
}

export function addWebhookCommands(program: Command, context: Context): void {
  const webhooks = program.command("webhooks").description("webhooks: list, delete, listen");

  webhooks
    .command("list")
    .description("all endpoints")
    .action(async () => {
      const list = await context.client().call<Json & { data: Json[] }>({ path: "/v1/webhook_endpoints" });
      printList(context.isJson(), list, list.data, COLUMNS);
    });

  webhooks
    .command("delete <endpoint>")
    .description("delete an endpoint")
    .action(async (endpoint: string) => {
      const call = { method: "DELETE", path: `/v1/webhook_endpoints/${segment(endpoint)}` } as const;
      printObject(context.isJson(), await context.client().call<Json>(call));
    });

  webhooks
    .command("listen")
    .description("create an endpoint here, print and verify what arrives; Ctrl-C deletes the endpoint")
    .option(
      "--port <port>",
      "port of the receiver on 127.0.0.1; 0 takes a free one",
      wholeNumber("--port", 0, 65_535),
      0,
    )
    .option("--public-url <url>", "where a deployed service reaches the receiver (a tunnel)")
    .option("--events <types>", "event types, with commas; * means refund.succeeded and refund.failed", "*")
    .option(
      "--count <n>",
      "end after so many verified deliveries, the ping not counted",
      wholeNumber("--count", 1, 1e9),
    )
    .action(async (options: ListenOptions) => {
      const stop = new AbortController();
      onInterruption(() => stop.abort());
      context.onReaderGone(() => stop.abort());
      let verified = 0;
      let refused = 0;
      await listen(context.client(), {
        port: options.port,
        publicUrl: options.publicUrl,
        events: options.events.split(",").map((type) => type.trim()),
        signal: stop.signal,
        note: (text) => process.stderr.write(`${text}\n`),
        onDelivery: (delivery) => {
          print(context.isJson(), delivery);
          if (!delivery.verified) refused++;
          else if (delivery.type !== "webhook_endpoint.ping") verified++;
          if (verified === options.count) stop.abort();
        },
      });
      if (refused > 0) throw new CommandError(`${refused} requests could not be verified`, EXIT.failed);
    });
}

function print(json: boolean, delivery: Delivery): void {
  if (json) {
    printJson(delivery);
    return;
  }
  const { received_at, type, id, object, verified, problem } = delivery;
  const about =
    object === null ? "" : `  ${shown(object.id)} ${shown(object.status)} ${shown(object.amount)}`;
  const verdict = verified ? "verified" : `NOT VERIFIED: ${shown(problem)}`;
  process.stdout.write(`${received_at}  ${shown(type)}  ${shown(id)}${about}  ${verdict}\n`);
}
