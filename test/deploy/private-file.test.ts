// The file that secrets travel in to wrangler: whose it is, and that nothing leaves it behind.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { withPrivateFile } from "../../scripts/private-file.ts";

it("a file with secrets is this user's alone, and gone afterwards, also after a failure", async () => {
  let kept = "";
  const use = withPrivateFile("secrets.json", "secret", async (file) => {
    kept = file;
    expect(readFileSync(file, "utf8")).toBe("secret");
    expect(statSync(file).mode & 0o077).toBe(0);
    throw new Error("wrangler failed");
  });
  await expect(use).rejects.toThrow("wrangler failed");
  expect(existsSync(dirname(kept))).toBe(false);
});

it.each(["SIGINT", "SIGTERM"] as const)(
  "a file with secrets is gone when %s ends the process",
  async (signal) => {
    const script = `import { withPrivateFile } from ${JSON.stringify(join(import.meta.dirname, "../../scripts/private-file.ts"))};
    withPrivateFile("secrets.json", "secret", (file) => new Promise(() => { console.log(file); setInterval(() => {}, 1000); }));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { timeout: 10_000 });
    const [file] = await once(child.stdout, "data");
    expect(existsSync(String(file).trim())).toBe(true);
    child.kill(signal);
    expect((await once(child, "close"))[1]).toBe(signal);
    expect(existsSync(dirname(String(file).trim()))).toBe(false);
  },
);
