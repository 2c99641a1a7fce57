import { describe, expect, test } from "vitest";
import { newMasterKeys } from "../../scripts/dev-vars.ts";
import { withNewMasterKey, withoutOldMasterKeys } from "../../scripts/master-keys.ts";
import type { KeyUse } from "../../scripts/reseal.ts";
import { SEALED_COLUMNS } from "../../src/sealing/sealed-columns.ts";

const A = Buffer.alloc(32, 1).toString("base64");
const B = Buffer.alloc(32, 2).toString("base64");
const ROTATING = JSON.stringify({ b: B, a: A });

function uses(...keys: (string | null)[]): KeyUse[] {
  return SEALED_COLUMNS.flatMap((column) => keys.map((key) => ({ column, key, texts: 1 })));
}

describe("a new master key", () => {
  test("comes in front of the present one", async () => {
    const keys = JSON.parse(await withNewMasterKey(JSON.stringify({ a: A })));
    const [[id, key] = [], ...others] = Object.entries<string>(keys);
    expect(others).toEqual([["a", A]]);
    expect(id).not.toBe("a");
    expect(Buffer.from(key ?? "", "base64")).toHaveLength(32);
  });

  test("is the first one where there are none yet", async () => {
    expect(Object.keys(JSON.parse(await withNewMasterKey("{}")))).toHaveLength(1);
  });

  test("does not come before the last rotation is over", async () => {
    await expect(withNewMasterKey(ROTATING)).rejects.toThrow("2 master keys already (b, a)");
  });

  test.each(["", "k1", "[]", '{"a":"c2hvcnQ="}'])(
    "is not put in front of what is no key: %j",
    async (keys) => {
      await expect(withNewMasterKey(keys)).rejects.toThrow(/master key/);
    },
  );
});

describe("the old master key", () => {
  test("is dropped once nothing is sealed with it", async () => {
    expect(await withoutOldMasterKeys(ROTATING, uses("b"))).toBe(JSON.stringify({ b: B }));
    expect(await withoutOldMasterKeys(ROTATING, [])).toBe(JSON.stringify({ b: B }));
  });

  test("stays while anything needs it", async () => {
    await expect(withoutOldMasterKeys(ROTATING, uses("b", "a"))).rejects.toThrow("a is still needed");
  });

  test("opens nothing that another key sealed, so that is no reason to keep it", async () => {
    expect(await withoutOldMasterKeys(ROTATING, uses("b", "lost", null))).toBe(JSON.stringify({ b: B }));
  });

  test("is not dropped twice", async () => {
    await expect(withoutOldMasterKeys(newMasterKeys(), [])).rejects.toThrow("no old master key");
  });
});
