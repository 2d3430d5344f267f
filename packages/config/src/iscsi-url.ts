// Knows how a remote logical unit is written in one line, by libiscsi's grammar:
// `iscsi://[USER[%SECRET]@]HOST[:PORT]/TARGET/LUN[?NAME=VALUE[&NAME=VALUE]...]`. Nothing in it is escaped.

import { argumentOrigin, ConfigError, type Origin, quoted } from "./errors.js";

export interface IscsiAccount {
  readonly name: string;
  readonly secret: string;
}

export type IscsiDigest = "None" | "CRC32C";

/** What a URL says, under the names that an iSCSI initiator has for it. */
export interface IscsiUrl {
  readonly portal: { readonly host: string; readonly port: number };
  readonly target: string;
  /** 0 to 16383. */
  readonly lun: number;
  /** How both sides prove who they are: the target where the URL says who that has to be. */
  readonly proof?: { readonly initiator: IscsiAccount; readonly target?: IscsiAccount };
  readonly headerDigest: IscsiDigest;
  readonly dataDigest: IscsiDigest;
}

const EXPECTED = "iscsi://[USER[%SECRET]@]HOST[:PORT]/TARGET/LUN";
const DEFAULT_PORT = 3260;
const HIGHEST_PORT = 65535;
const HIGHEST_LUN = 16383;
/** As RFC 7143 4.2.7.2 has them. */
const TARGET_NAME = /^[\p{L}\p{N}.:_-]{1,223}$/u;
const HOST = /^(?:\[([\da-fA-F:.]+(?:%[\w.-]+)?)\]|([\w.-]+))(?::(\d{1,5}))?$/;

const DIGESTS: ReadonlyMap<string, IscsiDigest> = new Map([
  ["none", "None"],
  ["crc32c", "CRC32C"],
]);

/** One argument: what its value is, and how a URL that has it prints it; undefined where it need not be said. */
interface ArgumentRow {
  readonly expected: string;
  readonly values?: ReadonlyMap<string, IscsiDigest>;
  readonly print: (url: IscsiUrl) => string | undefined;
}

const digest = (of: (url: IscsiUrl) => IscsiDigest): ArgumentRow => ({
  expected: "crc32c or none",
  values: DIGESTS,
  print: (url) => (of(url) === "None" ? undefined : "crc32c"),
});

/** All arguments, by name. */
export const ISCSI_URL_ARGUMENTS = {
  target_user: { expected: "a name", print: ({ proof }) => proof?.target?.name },
  target_password: {
    expected: "a secret",
    print: ({ proof }) => proof?.target?.secret,
  },
  header_digest: digest(({ headerDigest }) => headerDigest),
  data_digest: digest(({ dataDigest }) => dataDigest),
} as const satisfies { readonly [name: string]: ArgumentRow };

type ArgumentName = keyof typeof ISCSI_URL_ARGUMENTS;

/** Reads a URL; throws `ConfigError` at the part that is wrong. A secret stands in no message. */
export function parseIscsiUrl(text: string, origin: Origin = argumentOrigin("URL")): IscsiUrl {
  const fail = (at: number, reason: string): never => {
    throw new ConfigError(origin.file, origin.at(at), reason);
  };
  const parts = /^(iscsi:\/\/)(?:([^@/?]*)@)?([^@/?]*)\/([^/?]*)\/([^/?]*)(?:\?(.*))?$/s.exec(text);
  if (parts === null) return fail(0, `no URL of a logical unit, expected ${EXPECTED}`);
  const [, scheme, account, place, target, lun, query] = parts;
  const placeAt = scheme.length + (account === undefined ? 0 : account.length + 1);
  const targetAt = placeAt + place.length + 1;
  const lunAt = targetAt + target.length + 1;
  const found = HOST.exec(place);
  const port = found?.[3] === undefined ? DEFAULT_PORT : Number(found[3]);
  if (found === null || port === 0 || port > HIGHEST_PORT) {
    return fail(placeAt, `invalid portal ${quoted(place)}, expected HOST or HOST:PORT`);
  }
  if (!TARGET_NAME.test(target))
    fail(targetAt, `invalid target ${quoted(target)}, expected a name such as iqn.2026-11.example:disks`);
  if (!/^\d{1,5}$/.test(lun) || Number(lun) > HIGHEST_LUN) {
    fail(lunAt, `invalid LUN ${quoted(lun)}, expected 0 to ${HIGHEST_LUN}`);
  }
  const words = query === undefined ? NO_WORDS : readArguments(query, lunAt + lun.length + 1, fail);
  const proof = proofOf(account, words, scheme.length, fail);
  return {
    portal: { host: found[1] ?? found[2], port },
    target,
    lun: Number(lun),
    ...(proof === undefined ? {} : { proof }),
    headerDigest: DIGESTS.get(words.get("header_digest") ?? "none") ?? "None",
    dataDigest: DIGESTS.get(words.get("data_digest") ?? "none") ?? "None",
  };
}

/** The URL that says the same; its secrets stand in it. */
export function formatIscsiUrl(url: IscsiUrl): string {
  const { portal, target, lun, proof } = url;
  const host = portal.host.includes(":") ? `[${portal.host}]` : portal.host;
  const who = proof === undefined ? "" : `${proof.initiator.name}%${proof.initiator.secret}@`;
  const words = Object.entries(ISCSI_URL_ARGUMENTS).flatMap(([name, { print }]) => {
    const value = print(url);
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const query = words.length === 0 ? "" : `?${words.join("&")}`;
  return `iscsi://${who}${host}:${portal.port}/${target}/${lun}${query}`;
}

const NO_WORDS: ReadonlyMap<ArgumentName, string> = new Map();

function readArguments(
  query: string,
  before: number,
  fail: (at: number, reason: string) => never,
): ReadonlyMap<ArgumentName, string> {
  const words = new Map<ArgumentName, string>();
  let at = before;
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    const name = equals < 0 ? pair : pair.slice(0, equals);
    const value = equals < 0 ? "" : pair.slice(equals + 1);
    if (!isArgument(name)) {
      fail(at, `unknown argument ${quoted(name)}, expected one of ${Object.keys(ISCSI_URL_ARGUMENTS).join(", ")}`);
    }
    const row: ArgumentRow = ISCSI_URL_ARGUMENTS[name];
    if (words.has(name)) fail(at, `${name} is given twice`);
    if (value === "" || row.values?.has(value) === false) fail(at, `invalid ${name}, expected ${row.expected}`);
    words.set(name, value);
    at += pair.length + 1;
  }
  return words;
}

function isArgument(name: string): name is ArgumentName {
  return Object.hasOwn(ISCSI_URL_ARGUMENTS, name);
}

/** A target is asked for its proof only by an initiator that gives its own. */
function proofOf(
  account: string | undefined,
  words: ReadonlyMap<ArgumentName, string>,
  at: number,
  fail: (at: number, reason: string) => never,
): IscsiUrl["proof"] {
  const [user, secret] = [words.get("target_user"), words.get("target_password")];
  if ((user === undefined) !== (secret === undefined)) fail(at, "target_user and target_password go together");
  if (account === undefined) {
    if (user !== undefined) fail(at, "target_user without USER%SECRET before the host");
    return undefined;
  }
  const percent = account.indexOf("%");
  if (percent < 1 || percent === account.length - 1) return fail(at, "no secret, expected USER%SECRET before the host");
  const initiator = { name: account.slice(0, percent), secret: account.slice(percent + 1) };
  return user === undefined || secret === undefined ? { initiator } : { initiator, target: { name: user, secret } };
}
