// Loads every part of the Worker before anything is simulated: a virtual clock does not wait for code, and the first day of a
// process must be the same as any other.
import { loadRoutes } from "../../src/app.ts";
import type { Lazy } from "../../src/lazy.ts";
import * as parts from "../../src/parts.ts";

await Promise.all(Object.values(parts).map((part) => (part as Lazy<unknown>).use(() => undefined)));
await loadRoutes();
