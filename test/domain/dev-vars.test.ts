import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  ensureMasterKeys,
  localMasterKeys,
  newMasterKeys,
  replaceMasterKeys,
} from "../../scripts/dev-vars.ts";

const directory = mkdtempSync(join(tmpdir(), "edge-refunds-vars-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("new master keys are one key of 32 random bytes", () => {
  const [key, ...others] = Object.values<string>(JSON.parse(newMasterKeys()));
  expect(Buffer.from(key ?? "", "base64")).toHaveLength(32);
  expect(others).toEqual([]);
  expect(newMasterKeys()).not.toBe(newMasterKeys());
});

describe("the file of local secrets", () => {
  test("is made with master keys, for this user alone", () => {
    const file = join(directory, "new");
    expect(localMasterKeys(file)).toBeNull();
    expect(ensureMasterKeys(file)).toBe(true);
    expect(Object.keys(JSON.parse(localMasterKeys(file) ?? ""))).toHaveLength(1);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("keeps everything it holds", () => {
    const file = join(directory, "other");
    writeFileSync(file, "OTHER=1");
    expect(ensureMasterKeys(file)).toBe(true);
    const text = readFileSync(file, "utf8");
    expect(text).toMatch(/^OTHER=1\nMASTER_KEYS='\{.*\}'\n$/);
    expect(ensureMasterKeys(file)).toBe(false);
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  test.each([`'{"k1":"a"}'`, `{"k1":"a"}`, `'{\n  "k1": "a"\n}'`])(
    "gets other master keys in the place of %j, and keeps everything else",
    (old) => {
      const file = join(directory, "replaced");
      const around = ["A=1\n# MASTER_KEYS are secret\nMASTER_KEYS=", `\nB="$&"`];
      writeFileSync(file, around.join(old));
      const keys = newMasterKeys();
      replaceMasterKeys(keys, file);
      expect(readFileSync(file, "utf8")).toBe(around.join(`'${keys}'`));
      expect(localMasterKeys(file)).toBe(keys);
      expect(statSync(file).mode & 0o777).toBe(0o600);
    },
  );

  test.each(["", "A=1\n", "#MASTER_KEYS='{}'\n"])("stays as it is when it holds none: %j", (text) => {
    const file = join(directory, "without");
    writeFileSync(file, text);
    expect(() => replaceMasterKeys(newMasterKeys(), file)).toThrow("no MASTER_KEYS to replace");
    expect(readFileSync(file, "utf8")).toBe(text);
  });
});
