// An account's credentials: their shape, and the keys in them ready for use.
import * as z from "zod";
import { BoundedMap } from "../../auth/bounded-map.ts";
import { type AccountFacts, type ChannelAccount, type ConnectorPorts, CredentialsError } from "../channel.ts";
import { importApiKey, importPrivateKey, importPublicKey, type Signer } from "./signature.ts";

const PUBLIC_KEY_PREFIX = "PUB_KEY_ID_";

const credentialsSchema = z.strictObject({
  mchid: z.string().regex(/^[0-9]{1,32}$/),
  /** Of our API certificate. */
  serial_no: z.string().regex(/^[0-9A-Fa-f]{1,64}$/),
  private_key: z.string().max(8192),
  api_v3_key: z.string().refine((text) => new TextEncoder().encode(text).byteLength === 32),
  platform_keys: z
    .array(
      z.strictObject({
        serial: z.string().regex(/^(PUB_KEY_ID_[0-9A-Za-z]{1,64}|[0-9A-Fa-f]{1,64})$/),
        public_key: z.string().max(8192),
      }),
    )
    .min(1)
    .max(2),
  appid: z.string().min(1).max(32).optional(),
});

/** What is asked of each field, for people. */
const REASONS: Record<string, readonly [zh: string, en: string]> = {
  mchid: ["应为微信支付商户号（数字）", "must be the merchant id, digits"],
  serial_no: ["应为商户 API 证书序列号（十六进制）", "must be the serial of the API certificate, hex"],
  private_key: [
    "应为 PEM 格式的 PKCS#8 私钥（BEGIN PRIVATE KEY），RSA 2048 位以上",
    "must be a PKCS #8 private key in PEM (BEGIN PRIVATE KEY), RSA of 2048 bits or more",
  ],
  api_v3_key: ["应为 32 字节的 APIv3 密钥", "must be the APIv3 key, 32 bytes"],
  platform_keys: ["应为一到两个微信支付公钥", "must be a list of one or two keys of WeChat Pay"],
  serial: [
    "应为微信支付公钥 ID（PUB_KEY_ID_…）或平台证书序列号，且不重复",
    "must be the id of a public key (PUB_KEY_ID_…) or the serial of a platform certificate, and appear once",
  ],
  public_key: [
    "应为 PEM 格式的公钥（BEGIN PUBLIC KEY），不是证书，RSA 2048 位以上",
    "must be a public key in PEM (BEGIN PUBLIC KEY), not a certificate, RSA of 2048 bits or more",
  ],
  appid: ["应为应用 ID", "must be the app id"],
};
const UNUSABLE = ["格式不正确", "is not as expected"] as const;

/** What a call needs of an account. */
export interface Access extends Signer {
  /** Verifies answers and notices, by serial. */
  platformKeys: ReadonlyMap<string, CryptoKey>;
  apiKey: CryptoKey;
  /** Asks WeChat to sign its answers with this key, where there is a choice. */
  answerSerial: string | null;
}

/** Keys of accounts that were used lately. Importing them costs more than signing; a revision never changes. */
const accesses = new BoundedMap<Access>(128);

/** Throws when the credentials cannot be opened or used. */
export async function accessOf(ports: ConnectorPorts, account: ChannelAccount): Promise<Access> {
  const revision = [account.app, account.livemode, account.id, account.revision].join("/");
  let access = accesses.get(revision);
  if (access === undefined) {
    access = await accessFrom(await ports.credentials(account));
    accesses.set(revision, access);
  }
  return access;
}

/** Throws a `CredentialsError` that names the field. */
export async function readCredentials(credentials: unknown): Promise<AccountFacts> {
  const { mchid, platformKeys } = await accessFrom(credentials);
  return { merchant: mchid, noticeKeys: [...platformKeys.keys()] };
}

async function accessFrom(credentials: unknown): Promise<Access> {
  const read = credentialsSchema.safeParse(credentials);
  if (!read.success) {
    const [issue] = read.error.issues;
    const unknown = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
    throw refusal([...(issue?.path ?? []), ...unknown].map(String));
  }
  const { mchid, serial_no, private_key, api_v3_key, platform_keys } = read.data;
  const platformKeys = new Map<string, CryptoKey>();
  for (const [place, { serial, public_key }] of platform_keys.entries()) {
    if (platformKeys.has(serial)) throw refusal(["platform_keys", String(place), "serial"]);
    const field = ["platform_keys", String(place), "public_key"];
    platformKeys.set(serial, await importedAs(field, importPublicKey(public_key)));
  }
  return {
    mchid,
    serial: serial_no,
    privateKey: await importedAs(["private_key"], importPrivateKey(private_key)),
    apiKey: await importedAs(["api_v3_key"], importApiKey(api_v3_key)),
    platformKeys,
    answerSerial: [...platformKeys.keys()].find((serial) => serial.startsWith(PUBLIC_KEY_PREFIX)) ?? null,
  };
}

async function importedAs(field: string[], key: Promise<CryptoKey>): Promise<CryptoKey> {
  try {
    return await key;
  } catch {
    // What the platform says of a bad key may quote it.
    throw refusal(field);
  }
}

function refusal(path: string[]): CredentialsError {
  const [zh, en] = REASONS[path.at(-1) ?? ""] ?? UNUSABLE;
  return new CredentialsError(path.join(".") || "credentials", zh, en);
}
