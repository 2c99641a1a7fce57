// Looks at a deployed service from outside, as its callers will: it answers over a certificate that is trusted, it is
// ready, it is the environment that was deployed and none in development, and it turns a wrong key away. Asks again until
// it is so or time is up. And before a deployment: whether anything else answers there, which would be cut off.

export interface CheckPorts {
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Milliseconds; only differences count. */
  now(): number;
  wait(ms: number): Promise<void>;
}

const ASK_AGAIN_MS = 5_000;
const ANSWER_MS = 15_000;

/** What is wrong with an environment's service; null when nothing is. A new custom domain takes minutes: give it those. */
export async function checkService(
  service: { name: string; domain: string },
  timeoutMs: number,
  ports: CheckPorts,
): Promise<string | null> {
  const end = ports.now() + timeoutMs;
  for (;;) {
    const wrong = await look(service, ports);
    if (wrong === null || ports.now() + ASK_AGAIN_MS > end) return wrong;
    await ports.wait(ASK_AGAIN_MS);
  }
}

/** What answers under a domain and is not this environment; null when nothing does, or the environment itself. */
export async function findOccupant(
  { name, domain }: { name: string; domain: string },
  ports: Pick<CheckPorts, "fetch"> & { hasAddress(domain: string): Promise<boolean> },
): Promise<string | null> {
  if (!(await ports.hasAddress(domain))) return null;
  try {
    const init = { redirect: "manual" as const, signal: AbortSignal.timeout(ANSWER_MS) };
    const health = parse(await (await ports.fetch(`https://${domain}/healthz`, init)).text());
    if (health?.status === "ok" && typeof health.environment === "string") {
      return health.environment === name ? null : `the environment "${health.environment}"`;
    }
    return "something else";
  } catch (error) {
    return `something else (${reasonOf(domain, error)})`;
  }
}

async function look(
  { name, domain }: { name: string; domain: string },
  ports: CheckPorts,
): Promise<string | null> {
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const init = { headers, redirect: "manual" as const, signal: AbortSignal.timeout(ANSWER_MS) };
    const response = await ports.fetch(`https://${domain}${path}`, init);
    return { status: response.status, text: await response.text() };
  };
  try {
    const health = await ask("/healthz");
    if (health.text.includes("LOCAL_DEV"))
      return "LOCAL_DEV is set on the deployed Worker; it refuses to run";
    if (health.status !== 200 || parse(health.text)?.status !== "ok") return unexpected("/healthz", health);
    if (parse(health.text)?.environment !== name) {
      return `what answers is not the environment "${name}". ${unexpected("/healthz", health)}`;
    }
    const ready = await ask("/readyz");
    if (ready.status !== 200) return unexpected("/readyz", ready);
    const refused = await ask("/v1/refunds", { authorization: "Bearer sk_live_not_a_key" });
    if (refused.status !== 401 || parse(refused.text)?.error === undefined) {
      return `a wrong key must be answered with 401 in JSON. ${unexpected("/v1/refunds", refused)}`;
    }
    return null;
  } catch (error) {
    return reasonOf(domain, error);
  }
}

function unexpected(path: string, { status, text }: { status: number; text: string }): string {
  return `${path} answered ${status}: ${text.slice(0, 200)}`;
}

function parse(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function reasonOf(domain: string, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = String((cause as { code?: unknown }).code ?? (cause as Error).name);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `${domain} has no address yet (${code})`;
  if (/CERT|TLS|SSL|ISSUER|SIGNATURE/.test(code))
    return `the certificate of ${domain} is not trusted (${code})`;
  if (code === "TimeoutError") return `${domain} gave no answer within ${ANSWER_MS / 1000} seconds`;
  return `${domain} cannot be reached (${code})`;
}
