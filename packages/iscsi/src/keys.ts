// Knows the keys of a session (RFC 7143 clause 13, RFC 7144 7.1.1): how each is agreed on, between which limits, and what this target wants.
// Parser, answer and what a connection runs by are made from this one table.

/** How two sides come to one value (6.2). */
export type KeyRule =
  | "list" // the first of the initiator's that we have
  | "or" // Yes where one says so
  | "and" // Yes where both do
  | "minimum"
  | "maximum"
  | "declared"; // each side tells its own

export interface KeyRow {
  readonly rule: KeyRule;
  /** What holds where nobody speaks of it. */
  readonly default: string | number | boolean;
  /** What this target has or wants. */
  readonly ours: string | number | boolean;
  /** Of numbers. */
  readonly low?: number;
  readonly high?: number;
  /** Means something in a normal session only. */
  readonly normal?: true;
  /** May be told again in full feature phase. */
  readonly later?: true;
}

const MAX_LENGTH = 2 ** 24 - 1;

/** What both sides agree on, or tell each other, in the operational stage. */
export const KEYS = {
  HeaderDigest: { rule: "list", default: "None", ours: "CRC32C,None" },
  DataDigest: { rule: "list", default: "None", ours: "CRC32C,None" },
  MaxConnections: { rule: "minimum", default: 1, ours: 1, low: 1, high: 65535, normal: true },
  InitialR2T: { rule: "or", default: true, ours: false, normal: true },
  ImmediateData: { rule: "and", default: true, ours: true, normal: true },
  MaxRecvDataSegmentLength: {
    rule: "declared",
    default: 8192,
    ours: 256 * 1024,
    low: 512,
    high: MAX_LENGTH,
    later: true,
  },
  MaxBurstLength: {
    rule: "minimum",
    default: 256 * 1024,
    ours: 1024 * 1024,
    low: 512,
    high: MAX_LENGTH,
    normal: true,
  },
  FirstBurstLength: {
    rule: "minimum",
    default: 64 * 1024,
    ours: 256 * 1024,
    low: 512,
    high: MAX_LENGTH,
    normal: true,
  },
  DefaultTime2Wait: { rule: "maximum", default: 2, ours: 0, low: 0, high: 3600 },
  DefaultTime2Retain: { rule: "minimum", default: 20, ours: 0, low: 0, high: 3600 },
  MaxOutstandingR2T: { rule: "minimum", default: 1, ours: 8, low: 1, high: 65535, normal: true },
  DataPDUInOrder: { rule: "or", default: true, ours: true, normal: true },
  DataSequenceInOrder: { rule: "or", default: true, ours: true, normal: true },
  ErrorRecoveryLevel: { rule: "minimum", default: 0, ours: 0, low: 0, high: 2 },
  iSCSIProtocolLevel: { rule: "minimum", default: 1, ours: 2, low: 0, high: 31, normal: true },
  TaskReporting: { rule: "list", default: "RFC3720", ours: "RFC3720", normal: true },
} as const satisfies { readonly [key: string]: KeyRow };

export type KeyName = keyof typeof KEYS;

/** Keys that RFC 7143 13.25 takes away, and which must not be called not understood. */
export const OBSOLETE: ReadonlySet<string> = new Set(["IFMarker", "OFMarker", "IFMarkInt", "OFMarkInt"]);

/** Keys that an initiator tells about itself or asks with; each has its own place in a login. */
export const DECLARATIONS: ReadonlySet<string> = new Set([
  "InitiatorName",
  "InitiatorAlias",
  "TargetName",
  "SessionType",
]);

type ValueOf<Row extends KeyRow> = Row["default"] extends boolean
  ? boolean
  : Row["default"] extends number
    ? number
    : string;

/** What a connection runs by. */
export type Parameters = { -readonly [Name in KeyName]: ValueOf<(typeof KEYS)[Name]> };

/** What holds before anybody has spoken. MaxRecvDataSegmentLength is the initiator's: what it can take. */
export function defaultParameters(): Parameters {
  return Object.fromEntries(Object.entries(KEYS).map(([key, row]) => [key, row.default])) as Parameters;
}
