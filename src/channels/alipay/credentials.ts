// An account at Alipay: what its credentials must look like, and the keys in them, ready for use.
// Errors name a field and never show a value.
import * as z from "zod";
import { BoundedMap } from "../../auth/bounded-map.ts";
import { fromBase64, toBase64Url } from "../../base64.ts";
import { type AccountFacts, type ChannelAccount, type ConnectorPorts, CredentialsError } from "../channel.ts";
import { type Asker, RSA } from "./signature.ts";

const MODULUS_BITS_MIN = 2048;

const key = z.string().min(1).max(8192);
const serialNumber = z.string().regex(/^[0-9a-zA-Z_]{1,512}$/);

const credentialsSchema = z.strictObject({
  app_id: z.string().regex(/^[0-9]{1,32}$/),
  private_key: key,
  alipay_public_keys: z.array(key).min(1).max(2),
  app_cert_sn: serialNumber.optional(),
  alipay_root_cert_sn: serialNumber.optional(),
  seller_id: z
    .string()
    .regex(/^2088[0-9]{12}$/)
    .optional(),
});

/** What is asked of each field, for people. */
const REASONS: Record<string, readonly [zh: string, en: string]> = {
  app_id: ["应为支付宝应用的 APPID（数字）", "must be the app id at Alipay, digits"],
  private_key: [
    "应为 PKCS#8 格式的应用私钥（PEM 或其 base64），RSA 2048 位以上",
    "must be the app's private key in PKCS #8 (PEM or its base64), RSA of 2048 bits or more",
  ],
  alipay_public_keys: [
    "应为一到两个支付宝公钥（不是应用公钥），RSA 2048 位以上",
    "must be one or two public keys of Alipay's, not the app's own, RSA of 2048 bits or more",
  ],
  app_cert_sn: [
    "应为应用公钥证书序列号，证书模式下与 alipay_root_cert_sn 一起提供",
    "must be the serial of the app's certificate; certificate mode needs alipay_root_cert_sn as well",
  ],
  alipay_root_cert_sn: [
    "应为支付宝根证书序列号，证书模式下与 app_cert_sn 一起提供",
    "must be the serial of Alipay's root certificate; certificate mode needs app_cert_sn as well",
  ],
  seller_id: ["应为以 2088 开头的 16 位商户号", "must be the merchant's user number, 16 digits from 2088"],
};
const UNUSABLE = ["格式不正确", "is not as expected"] as const;

/** What a call needs of an account. */
export interface Access extends Asker {
  /** Verify answers and notices; two while one replaces the other. */
  alipayKeys: readonly CryptoKey[];
  alipayRootCertSn: string | null;
  sellerId: string | null;
}

/** Keys of accounts that were used lately. Importing them costs more than signing; a revision never changes. */
const accesses = new BoundedMap<Access>(128);

/** Throws when the credentials cannot be opened or used. */
export async function accessOf(ports: ConnectorPorts, account: ChannelAccount): Promise<Access> {
  const revision = [account.app, account.livemode, account.id, account.revision].join("/");
  let access = accesses.get(revision);
  if (access === undefined) {
    ({ access } = await opened(await ports.credentials(account)));
    accesses.set(revision, access);
  }
  return access;
}

/** Throws a `CredentialsError` that names the field. */
export async function readCredentials(credentials: unknown): Promise<AccountFacts> {
  return (await opened(credentials)).facts;
}

async function opened(credentials: unknown): Promise<{ access: Access; facts: AccountFacts }> {
  const read = credentialsSchema.safeParse(credentials);
  if (!read.success) {
    const [issue] = read.error.issues;
    const unknown = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
    throw refusal([...(issue?.path ?? []), ...unknown].map(String));
  }
  const { app_id, private_key, alipay_public_keys, app_cert_sn, alipay_root_cert_sn, seller_id } = read.data;
  if ((app_cert_sn === undefined) !== (alipay_root_cert_sn === undefined)) {
    throw refusal([app_cert_sn === undefined ? "app_cert_sn" : "alipay_root_cert_sn"]);
  }
  const alipayKeys: CryptoKey[] = [];
  const noticeKeys: string[] = [];
  for (const [place, text] of alipay_public_keys.entries()) {
    const field = ["alipay_public_keys", String(place)];
    const der = await importedAs(field, async () => derOf(text));
    alipayKeys.push(await importedAs(field, () => rsaKey("spki", der, "verify")));
    noticeKeys.push(await nameOf(der));
  }
  const privateKey = await importedAs(["private_key"], () => rsaKey("pkcs8", derOf(private_key), "sign"));
  return {
    access: {
      appId: app_id,
      privateKey,
      appCertSn: app_cert_sn ?? null,
      alipayRootCertSn: alipay_root_cert_sn ?? null,
      sellerId: seller_id ?? null,
      alipayKeys,
    },
    facts: { merchant: seller_id ?? app_id, noticeKeys },
  };
}

/** Alipay's tools save keys as bare base64; everybody else's as PEM. */
function derOf(text: string): Uint8Array<ArrayBuffer> {
  return fromBase64(text.replace(/-----(BEGIN|END) (PRIVATE|PUBLIC) KEY-----|\s/g, ""));
}

async function rsaKey(
  format: "pkcs8" | "spki",
  der: Uint8Array<ArrayBuffer>,
  usage: "sign" | "verify",
): Promise<CryptoKey> {
  const imported = await crypto.subtle.importKey(format, der, RSA, false, [usage]);
  if ((imported.algorithm as { modulusLength: number }).modulusLength < MODULUS_BITS_MIN) {
    throw new Error("the key is too short");
  }
  return imported;
}

/** Tells two keys apart: the beginning of the digest of the key's own bytes. */
async function nameOf(der: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", der));
  return toBase64Url(digest.subarray(0, 12));
}

async function importedAs<T>(field: string[], load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch {
    // What the platform says of a bad key may quote it.
    throw refusal(field);
  }
}

function refusal(path: string[]): CredentialsError {
  const [zh, en] = REASONS[path[0] ?? ""] ?? UNUSABLE;
  return new CredentialsError(path.join(".") || "credentials", zh, en);
}
