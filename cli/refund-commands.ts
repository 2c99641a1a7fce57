// refunds …: made, looked at, listed, and watched until they end.
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { type Context, pair, segment, wholeNumber } from "./context.ts";
import { EXIT, RefusedError, UnreachableError, UsageError } from "./outcome.ts";
import { type Json, printList, printObject } from "./output.ts";

const SHOWN = [
  "id",
  "charge",
  "charge_order_no",
  "amount",
  "status",
  "description",
  "created",
  "time_succeed",
  "failure_code",
  "failure_msg",
  "refund_no",
  "attention",
];
const COLUMNS = ["id", "charge", "amount", "status", "failure_code", "created", "description"];
/** How long to the next look; the last one for all that follow. */
const LOOKS_MS = [300, 500, 1000, 1000, 2000, 5000];

interface Refund extends Json {
  id: string;
  status: "pending" | "succeeded" | "failed";
}

interface CreateOptions {
  amount: string;
  description: string;
  refundNo?: string;
  idempotencyKey?: string;
  metadata?: Record<string, string>;
  wait?: number;
}

export function addRefundCommands(program: Command, context: Context): void {
  const refunds = program.command("refunds").description("refunds: create, get, list, watch");

  refunds
    .command("create <charge>")
    .description("refund a part or all of a charge")
    .requiredOption("--amount <amount>", 'minor units, or "all" for everything refundable')
    .requiredOption("--description <text>", "why, 1 to 255 characters")
    .option("--refund-no <no>", "your own number of this refund: the same number is the same refund")
    .option("--idempotency-key <key>", "to repeat a call whose answer was lost (default: a new one)")
    .option("--metadata <key=value>", "may be repeated", pair)
    .option("--wait <seconds>", "how long to wait for the channel, 0 to 25", wholeNumber("--wait", 0, 25))
    .action(async (charge: string, options: CreateOptions) => {
      const refund = await createRefund(context, charge, options);
      printObject(context.isJson(), refund, SHOWN);
      if (refund.status === "failed") process.exitCode = EXIT.failed;
    });

  refunds
    .command("get <charge> <refund>")
    .description("a refund as it stands")
    .action(async (charge: string, refund: string) => {
      printObject(context.isJson(), await getRefund(context, charge, refund), SHOWN);
    });

  refunds
    .command("list [charge]")
    .description("refunds of a charge or of all charges, newest first")
    .option("--status <status>", "pending, succeeded or failed")
    .option("--limit <n>", "how many", "10")
    .option("--starting-after <refund>", "the page after this one")
    .action(async (charge: string | undefined, options: Record<string, string | undefined>) => {
      const { status, limit, startingAfter: starting_after } = options;
      const query = { status, limit, starting_after };
      // The list of one charge has no filters; the search has.
      const call =
        charge === undefined || status !== undefined
          ? { path: "/v1/refunds", query: { ...query, charge } }
          : { path: `/v1/charges/${segment(charge)}/refunds`, query };
      const list = await context.client().call<Json & { data: Json[] }>(call);
      printList(context.isJson(), list, list.data, COLUMNS);
    });

  refunds
    .command("watch <charge> <refund>")
    .description("wait until a refund ends: exit code 0 succeeded, 1 failed, 5 still pending")
    .option("--timeout <seconds>", "how long", wholeNumber("--timeout", 1, 86_400), 300)
    .action(async (charge: string, id: string, { timeout }: { timeout: number }) => {
      const deadline = Date.now() + timeout * 1000;
      let refund = await getRefund(context, charge, id);
      for (let look = 0; refund.status === "pending" && Date.now() < deadline; look++) {
        if (look === 0) process.stderr.write(`${refund.id} is pending, watching for up to ${timeout} s\n`);
        await sleep(Math.min(LOOKS_MS[look] ?? 5000, deadline - Date.now()));
        refund = await getRefund(context, charge, id);
      }
      printObject(context.isJson(), refund, SHOWN);
      process.exitCode = { succeeded: EXIT.ok, failed: EXIT.failed, pending: EXIT.pending }[refund.status];
    });
}

async function getRefund(context: Context, charge: string, refund: string): Promise<Refund> {
  return context.client().call<Refund>({ path: `/v1/charges/${segment(charge)}/refunds/${segment(refund)}` });
}

async function createRefund(context: Context, charge: string, options: CreateOptions): Promise<Refund> {
  const { description, metadata, refundNo: refund_no, wait } = options;
  const amount =
    options.amount === "all"
      ? undefined
      : wholeNumber("--amount", 1, Number.MAX_SAFE_INTEGER)(options.amount);
  if (description.trim() === "") throw new UsageError("--description: say why");
  const key = options.idempotencyKey ?? (refund_no === undefined ? crypto.randomUUID() : undefined);
  try {
    return await context.client().call<Refund>({
      method: "POST",
      path: `/v1/charges/${segment(charge)}/refunds`,
      body: { amount, description, metadata, refund_no },
      // It carries a key of its own, or its own number.
      whenLost: "repeat",
      headers: {
        ...(key === undefined ? {} : { "Idempotency-Key": key }),
        ...(wait === undefined ? {} : { Prefer: `wait=${wait}` }),
      },
    });
  } catch (error) {
    // A frozen charge takes no refunds: that much is known.
    const isUnknown =
      error instanceof UnreachableError ||
      (error instanceof RefusedError && error.status >= 500 && error.code !== "charge_frozen");
    if (isUnknown) {
      const same = key === undefined ? "the same --refund-no" : `--idempotency-key ${key}`;
      process.stderr.write(
        `Whether it was made is not known. Repeat it with ${same}: it is made once, however often it is sent.\n`,
      );
    }
    throw error;
  }
}
