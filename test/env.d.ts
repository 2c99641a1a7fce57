/// <reference types="@cloudflare/vitest-pool-workers/types" />
declare namespace Cloudflare {
  interface Env extends ProductEnv {
    TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
  }
  type ProductEnv = import("../src/env.ts").Env;
  interface GlobalProps {
    mainModule: typeof import("../src/index.ts");
  }
}
