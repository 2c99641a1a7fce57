// Every route of the API, loaded. For whatever documents or tests them: the Worker itself loads a route when it is asked for.
import type { Route } from "./http/registry.ts";
import { routeFiles } from "./route-files.ts";

export const routes: readonly Route[] = (await Promise.all(routeFiles.map(({ load }) => load()))).flat();
