// npm run emulator -- wechatpay|alipay|stripe: a payment channel on this machine, driven by hand. It speaks the channel's
// own protocol, keeps books and counts how often money moved for each number. What it knows is gone when it ends.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import type {
  BookedRefund,
  EmulatedPayment,
  NoticeKind,
  PostedNotice,
  RefundStatus,
  Strike,
} from "../test/emulators/channel-emulator.ts";
import { isPortFree } from "./dev-server.ts";
import { CHANNELS, type Channel, type Emulator, STATUSES } from "./emulated-channels.ts";
import { UsageError } from "./terminal.ts";
import { PROJECT } from "./wrangler.ts";

const HELP = `Usage: npm run emulator -- wechatpay|alipay|stripe [--port N]

PORT in the environment is the API's, as for npm start (8787); what is printed says so.

Then, on the terminal it runs in:

  pay AMOUNT [CURRENCY]           a new payment on its books, in minor units; prints how to record it
  next COURSE                     what becomes of the next refund: processing | abnormal | failed
                                  (alipay: processing | failed)
  next declined CODE              it is refused with a code of the channel's: next declined NOT_ENOUGH
  next lost | unheard             the connection breaks after it was done | before it arrived
  next error | throttled          a 5xx after it was done | "too often", and nothing done
  next slow SECONDS               it is done, and the answer takes its time
  move NUMBER STATUS              succeeded | failed | abnormal | returned, from now on, with the notice of it
  notice NUMBER [KIND]            sends its notice again; or one that is forged, stale or a probe
  notify URL                      stripe: where events go (the account's notice_url)
  elsewhere TRANSACTION_NO AMOUNT stripe: a refund that somebody makes in the dashboard
  dispute TRANSACTION_NO AMOUNT [won|lost]
                                  stripe: the event that a dispute was opened, or how it ended
  books                           payments, refunds and what must never happen
  account                         the JSON of an account here
  help, quit

NUMBER is the refund's order_no; its first characters are enough.
`;

async function main(): Promise<void> {
  const { values, positionals } = parse();
  if (values.help) return void process.stdout.write(HELP);
  const [kind = "", ...rest] = positionals;
  const channel = Object.hasOwn(CHANNELS, kind) ? CHANNELS[kind] : undefined;
  if (channel === undefined || rest.length > 0) throw new UsageError(`which channel?\n\n${HELP}`);
  const port = Number(values.port ?? channel.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new UsageError(`${values.port} is no port`);
  if (!(await isPortFree(port))) throw new UsageError(`port ${port} is in use; choose another with --port`);

  const emulator = await channel.start(port);
  const account = `${JSON.stringify({ channel: channel.name, credentials: emulator.credentials })}\n`;
  const file = join(PROJECT, `.wrangler/emulators/${kind}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, account, { mode: 0o600 });
  const end = async () => {
    await emulator.close();
    process.exit(0);
  };
  const commands = {
    ...commandsOf(channel, emulator),
    account: () => say(account),
    help: () => say(HELP),
    quit: end,
  };

  say(welcome(kind, channel, emulator.url, relative(process.cwd(), file)));
  commands.pay("10000");
  onPush(emulator.requests, ({ method, url }) => say(`< ${method} ${url}\n`));
  onPush(emulator.notices.sent, (one) =>
    say(`> ${one.kind} notice, answered ${one.status ?? "by nobody"}\n`),
  );
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
  for await (const line of createInterface({ input: process.stdin })) {
    const [name = "", ...words] = line.trim().split(/\s+/);
    const command = (commands as Record<string, Command | undefined>)[name];
    try {
      if (command !== undefined) await command(...words);
      else if (name !== "") say(`there is no command "${name}"; try help\n`);
    } catch (error) {
      say(`${error instanceof Error ? error.message : error}\n`);
    }
  }
}

type Command = (...words: string[]) => unknown;

function commandsOf(channel: Channel, emulator: Emulator) {
  const { books, faults } = emulator;
  /** What becomes of the next new refund. */
  let course: RefundStatus | null = null;
  const submit = books.submit.bind(books);
  books.submit = (...order) => {
    const booked = submit(...order);
    if (typeof booked !== "string" && booked.isNew && course !== null) {
      booked.refund.course = [{ status: course, at: Date.now() }];
      course = null;
    }
    return booked;
  };
  const find = (start = "") => {
    const [refund, other] = [...books.numbers.values()].filter(({ number }) => number.startsWith(start));
    if (refund === undefined) throw new UsageError("there is no such number; see books");
    if (other !== undefined) throw new UsageError("several numbers begin so");
    return refund;
  };
  const tell = async (refund: BookedRefund<unknown>, kind: NoticeKind) => {
    if (emulator.notice === undefined) return say("it tells nothing by itself; the API has to ask\n");
    const notice = emulator.notice(refund, kind);
    if (kind === "good") await emulator.notices.announce(() => notice);
    else await post(kind, notice);
  };
  const only = <Work>(work: Work | undefined): Work => {
    if (work === undefined) throw new UsageError("this channel has no such thing");
    return work;
  };
  const strike = (what: string, word = ""): Strike => {
    if (what === "declined") return { at: "refund", does: "answer", answer: channel.decline(word) };
    if (what === "slow") return { at: "refund", does: "delay", ms: Number(word) * 1000 };
    const does = STRIKES[what];
    if (does === undefined) throw new UsageError("next what? see help");
    return { at: "refund", does };
  };

  return {
    pay(amount: string, currency = channel.name === "stripe" ? "usd" : "cny") {
      const payment = {
        transactionNo: channel.transactionNo(),
        orderNo: `demo${Date.now()}`,
        amount: minor(amount),
        currency,
      };
      emulator.pay(payment);
      say(recipe(channel.name, payment));
    },
    next(what: string, word?: string) {
      const status = STATUSES[what];
      if (status !== undefined && channel.courses.includes(status)) course = status;
      else faults.next(strike(what, word));
      say(`the next refund: ${[what, word].join(" ").trim()}\n`);
    },
    async move(number: string, word: string) {
      const refund = find(number);
      const status = STATUSES[word];
      if (status === undefined) throw new UsageError("to what? see help");
      refund.course = [...refund.course.filter(({ at }) => at <= Date.now()), { status, at: Date.now() }];
      if (status !== "processing") await tell(refund, "good");
    },
    notice(number: string, word = "good") {
      const kind = NOTICES.find((known) => known === word);
      if (kind === undefined) throw new UsageError("which notice? see help");
      return tell(find(number), kind);
    },
    notify: (url: string) => only(emulator.notify)(url),
    elsewhere: (transactionNo: string, amount: string) =>
      only(emulator.elsewhere)(transactionNo, minor(amount)),
    dispute: (transactionNo: string, amount: string, status = "needs_response") =>
      post("dispute", only(emulator.dispute)(transactionNo, minor(amount), status)),
    books() {
      for (const { transactionNo, orderNo, amount, currency } of books.payments)
        say(
          `payment ${transactionNo} (${orderNo}) ${amount} ${currency}, refunded ${books.moved(transactionNo)}\n`,
        );
      for (const one of books.numbers.values())
        say(
          `refund  ${one.number} ${one.amount} ${books.status(one)}, sent ${one.submissions}x, done ${one.effects}x\n`,
        );
      for (const violation of books.violations) say(`WRONG   ${violation}\n`);
    },
  };
}

const STRIKES: Record<string, "dropAfter" | "dropBefore" | "errorAfter" | "throttle" | undefined> = {
  lost: "dropAfter",
  unheard: "dropBefore",
  error: "errorAfter",
  throttled: "throttle",
};

const NOTICES: readonly NoticeKind[] = ["good", "forged", "stale", "probe"];

async function post(what: string, { url, headers, body }: PostedNotice): Promise<void> {
  const answer = await fetch(url, { method: "POST", headers, body });
  say(`> ${what} notice, answered ${answer.status}\n`);
}

function minor(amount: string): number {
  if (!/^[1-9]\d{0,14}$/.test(amount ?? "")) throw new UsageError("AMOUNT is a whole number of minor units");
  return Number(amount);
}

function onPush<One>(list: One[], hear: (one: One) => void): void {
  list.push = (...ones) => {
    ones.forEach(hear);
    return Array.prototype.push.apply(list, ones);
  };
}

/** Where npm start answers when it has the same PORT. */
const PORT = process.env.PORT || "8787";
const API = `http://127.0.0.1:${PORT}`;

function welcome(kind: string, { variable }: Channel, url: string, file: string): string {
  return `The ${kind} emulator is at ${url}. Stop it with Ctrl-C; "help" says what it can be told.

Start the API in another terminal (other emulators' variables beside it, if you like); it prints LIVE:

  ${PORT === "8787" ? "" : `PORT=${PORT} `}${variable}=${url} PUBLIC_URL=${API} npm start

Add the account and check it. Its keys are new each time the emulator starts: retire the one of an earlier start first
(curl -X DELETE $API/channel_accounts/ID -u $LIVE:). "account" prints this file.

  API=${API}/v1 LIVE=sk_live_…
  curl $API/channel_accounts -u $LIVE: -H 'Content-Type: application/json' -d @${file}
  curl -X POST $API/channel_accounts/ID/check -u $LIVE:
`;
}

function recipe(name: string, { transactionNo, orderNo, amount, currency }: EmulatedPayment): string {
  return `
A payment of ${amount} is on the books here. Record it, and refund a part of it:

  curl $API/charges -u $LIVE: -d channel=${name} -d order_no=${orderNo} -d transaction_no=${transactionNo} \\
    -d amount=${amount} -d currency=${currency} -d paid=true -d subject=Tea -d body=Tea
  curl $API/charges/ID/refunds -u $LIVE: -d amount=${Math.ceil(amount / 100)} -d description=Demo

`;
}

function say(text: string): void {
  process.stdout.write(text);
}

function parse() {
  try {
    return parseArgs({
      options: { port: { type: "string" }, help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
