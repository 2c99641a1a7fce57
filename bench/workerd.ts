// The installed runtime. Its package comes without types.
import { createRequire } from "node:module";

const installed: { default: string; version: string } = createRequire(import.meta.url)("workerd");

/** The program. */
export const workerdPath = installed.default;
export const workerdVersion = installed.version;
