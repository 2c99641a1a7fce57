// A client whose paths, bodies and answers are types made from the service's own document.
import createFetchClient, { type Client } from "openapi-fetch";
import type { paths } from "./api.ts";

export interface ClientOptions {
  /** Where the service answers, without `/v1`: `https://refunds.example.com`. */
  baseUrl: string;
  /** An API key, `sk_test_…` or `sk_live_…`. */
  key: string;
  /** Language of error messages. */
  language?: "zh" | "en";
  /** In place of the platform's own. */
  fetch?: (request: Request) => Promise<Response>;
}

/** Makes a client. Its calls never throw for what the service answers: they resolve to `data` or `error`. */
export function createClient({ baseUrl, key, language, fetch }: ClientOptions): Client<paths> {
  return createFetchClient<paths>({
    baseUrl,
    ...(fetch === undefined ? {} : { fetch }),
    headers: {
      Authorization: `Bearer ${key}`,
      ...(language === undefined ? {} : { "Accept-Language": language }),
    },
  });
}
