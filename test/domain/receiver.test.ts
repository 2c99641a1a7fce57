import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  busy,
  dribble,
  hang,
  huge,
  Receiver,
  redirect,
  reset,
  slow,
  stalled,
  status,
} from "../emulators/receiver.ts";

let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.open();
});
afterEach(() => receiver.close());

const post = (path: string, init: RequestInit = {}) =>
  fetch(receiver.url(path), { method: "POST", body: "{}", redirect: "manual", ...init });

/** What became of a request that may never be answered. */
const outcomeOf = (path: string) => {
  const signal = AbortSignal.timeout(200);
  return post(path, { signal }).then(
    (response) => response.status,
    () => (signal.aborted ? "hung" : "failed"),
  );
};

describe("the receiver", () => {
  it("behaves per path, one behaviour per request, and the last one stays", async () => {
    receiver.behave("/a", status(500), status(204), redirect("http://169.254.169.254/", 307));
    receiver.behave("/b", status(410));
    const seen: number[] = [];
    for (const path of ["/a", "/b", "/a", "/a", "/a", "/c"]) seen.push((await post(path)).status);
    expect(seen).toEqual([500, 410, 204, 307, 307, 200]);
    expect((await post("/a")).headers.get("location")).toBe("http://169.254.169.254/");
  });

  it("asks for time in seconds and as a date", async () => {
    const date = new Date("2030-01-02T03:04:05Z");
    receiver.behave("/", busy(429, 7), busy(503, date));
    const answers = [await post("/"), await post("/")];
    expect(answers.map((answer) => [answer.status, answer.headers.get("retry-after")])).toEqual([
      [429, "7"],
      [503, "Wed, 02 Jan 2030 03:04:05 GMT"],
    ]);
  });

  it("keeps every request with its bytes, repeats included, and how many were under way at once", async () => {
    receiver.behave("/", slow(50));
    const headers = { "webhook-id": "evt_1" };
    const bodies = ["退货 1", "退货 1", "退货 2"];
    await Promise.all(bodies.map((body) => post("/", { body, headers }).then((answer) => answer.text())));
    expect(receiver.book.map(({ body }) => body.toString()).sort()).toEqual(bodies);
    expect(receiver.ids("/")).toEqual(new Map([["evt_1", 3]]));
    expect(Math.max(...receiver.book.map(({ underWay }) => underWay))).toBe(3);
    await post("/", { body: "alone" });
    expect(receiver.at("/").at(-1)).toMatchObject({ method: "POST", path: "/", underWay: 1 });
  });

  it("answers when it is let go", async () => {
    const gate = Promise.withResolvers<void>();
    receiver.behave("/", slow(gate.promise));
    const answer = post("/");
    await expect.poll(() => receiver.book.length).toBe(1);
    expect(receiver.book[0]?.over).toBe(false);
    gate.resolve();
    expect((await answer).status).toBe(200);
  });

  it("hangs, breaks connections and refuses them, and listens again on the same port", async () => {
    receiver.behave("/hang", hang);
    receiver.behave("/reset", reset);
    expect(await outcomeOf("/hang")).toBe("hung");
    expect(await outcomeOf("/reset")).toBe("failed");
    const url = receiver.url();
    await receiver.refuse();
    expect(await outcomeOf("/")).toBe("failed");
    await receiver.listen();
    expect(receiver.url()).toBe(url);
    expect(await outcomeOf("/")).toBe(200);
  });

  it("sends its headers at once and lets the body dribble, stall or swell until the other side leaves", async () => {
    receiver.behave("/dribble", dribble(1));
    receiver.behave("/stalled", stalled());
    receiver.behave("/huge", huge(1_000_000_000));
    for (const path of ["/dribble", "/stalled", "/huge"]) {
      const leaving = new AbortController();
      const response = await post(path, { signal: leaving.signal });
      expect(response.status).toBe(200);
      const read = response.body?.getReader();
      if (path !== "/stalled") expect((await read?.read())?.value?.byteLength).toBeGreaterThan(0);
      leaving.abort();
      await read?.cancel().catch(() => {});
      await expect.poll(() => receiver.at(path)[0]?.over).toBe(true);
      expect(receiver.at(path)[0]?.taken).toBeLessThan(100_000_000);
    }
  });

  it("ends what hangs and dribbles when it is closed", async () => {
    receiver.behave("/hang", hang);
    receiver.behave("/stalled", stalled());
    receiver.behave("/slow", slow(60_000));
    const outcomes = ["/hang", "/slow"].map((path) => post(path).catch(() => "ended"));
    const body = post("/stalled").then((response) => response.text());
    const ended = body.catch(() => "ended");
    await expect.poll(() => receiver.book.length).toBe(3);
    await receiver.close();
    expect(await Promise.all([...outcomes, ended])).toEqual(["ended", "ended", "ended"]);
  });
});
