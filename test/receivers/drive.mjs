// Asks the snippets of WEBHOOKS.md about the deliveries on standard input and prints one verdict a line. A delivery is
// scheme, body, headers, secret or public key (these three in base64) and the time, separated by tabs.
import { createInterface } from "node:readline";
import { verifyPingppWebhook } from "./pingpp-webhook.mjs";
import { verifyWebhook } from "./webhook.mjs";

const bytes = (base64) => Buffer.from(base64, "base64");

for await (const line of createInterface({ input: process.stdin })) {
  const [scheme, body, lines, key, now] = line.split("\t");
  const headers = Object.fromEntries(
    bytes(lines)
      .toString()
      .split("\n")
      .filter((header) => header !== "")
      .map((header) => [header.split(": ")[0].toLowerCase(), header.slice(header.indexOf(": ") + 2)]),
  );
  try {
    const event =
      scheme === "standard"
        ? verifyWebhook(bytes(body), headers, bytes(key).toString(), Number(now))
        : verifyPingppWebhook(bytes(body), headers, bytes(key).toString());
    console.log(typeof event === "object" ? "accepted" : "crashed: no event");
  } catch (error) {
    console.log(`${error.constructor === Error ? "refused" : "crashed"}: ${error.message}`);
  }
}
