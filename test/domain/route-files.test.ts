// What is known of the routes before they are loaded, and how a part of the Worker is loaded.
import { describe, expect, it } from "vitest";
import { Lazy } from "../../src/lazy.ts";
import { routeFiles } from "../../src/route-files.ts";

describe("the routes known in advance", () => {
  it.each(routeFiles.map((file) => [file.endpoints[0], file] as const))(
    "are those of the file, in its order: %s",
    async (_, { endpoints, load }) => {
      const routes = await load();
      expect(endpoints).toEqual(routes.map(({ method, path }) => `${method} ${path}`));
    },
  );
});

describe("a part", () => {
  it("is loaded by the first call, and later calls find it at once", async () => {
    let loads = 0;
    const part = new Lazy(async () => ++loads);
    expect(loads).toBe(0);
    expect(await part.use((loaded) => loaded)).toBe(1);
    expect(part.use((loaded) => loaded)).toBe(1);
  });

  it("is the same for calls that come while it is loaded, none of which waits for another's loading", async () => {
    const loads: ((part: object) => void)[] = [];
    const part = new Lazy(() => new Promise<object>((resolve) => loads.push(resolve)));
    const both = [part.use((loaded) => loaded), part.use((loaded) => loaded)];
    // The first is never heard of again, as when its request is cut off.
    loads[1]?.({});
    expect(await both[1]).toBe(part.use((loaded) => loaded));
    loads[0]?.({});
    expect(await both[0]).toBe(await both[1]);
  });

  it("is tried again by the next call when it could not be loaded", async () => {
    let fails = true;
    const part = new Lazy(async () => {
      if (fails) throw new Error("not this time");
      return "loaded";
    });
    await expect(part.use((loaded) => loaded)).rejects.toThrow("not this time");
    fails = false;
    expect(await part.use((loaded) => loaded)).toBe("loaded");
  });
});
