// Knows a `--lun` word: FILE, mem:SIZE, null:SIZE, empty:, the node of a real device or the URL of a remote one, then ,key=value pairs; a comma inside a value is written twice.

import { argumentOrigin, ConfigError, type Origin, type Position, quoted } from "./errors.js";
import { formatIscsiUrl, parseIscsiUrl } from "./iscsi-url.js";
import {
  DEVICE_NODE,
  eachProperty,
  FAULT_WORD,
  type FaultWord,
  isPassed,
  LUN_DEFAULTS,
  LUN_KEYS,
  LUN_PROPERTIES,
  type LunBacking,
  type LunProperties,
  type LunSpec,
  misfit,
  readProperty,
  unfit,
} from "./lun-keys.js";
import { formatNbdUri, isNbdUri, parseNbdUri } from "./nbd-uri.js";
import { parseSize, SIZE_EXPECTED } from "./size.js";

const BY_WORD = new Map(LUN_PROPERTIES.map((name) => [LUN_KEYS[name].word, name]));
const WORDS: readonly string[] = [...BY_WORD.keys(), FAULT_WORD];

/** Reads a `--lun` word; throws `ConfigError` at the part that is wrong. */
export function parseLunWord(text: string, origin: Origin = argumentOrigin("--lun")): LunSpec {
  const [first, ...pairs] = partsOf(text);
  const properties: Partial<LunProperties> = {};
  const faults: FaultWord[] = [];
  const seen = new Set<string>();
  for (const pair of pairs) {
    const { word, value, at } = cutPair(pair, origin);
    if (word === FAULT_WORD) {
      if (!value)
        throw new ConfigError(origin.file, at, "fault without a value, expected fault=read@1000:medium-error");
      faults.push({ text: value, at: origin.at(pair.start + FAULT_WORD.length + 1) });
    } else {
      if (seen.has(word)) throw new ConfigError(origin.file, at, `${word} is given twice`);
      seen.add(word);
      readPair(properties, word, value, origin.file, at);
    }
  }
  const backing = backingOf(first, properties, origin, seen);
  for (const pair of pairs) checkFit(cutPair(pair, origin), { ...properties, backing }, origin.file);
  return lunSpec(backing, properties, faults, origin.at(0));
}

/** The word that gives an equal LUN. */
export function formatLunWord(lun: LunSpec): string {
  const parts = [formatBacking(lun.backing)];
  eachProperty(lun, (row, value) => parts.push(row.flag && value === "true" ? row.word : `${row.word}=${value}`));
  for (const fault of lun.faults) parts.push(`${FAULT_WORD}=${fault.text}`);
  return parts.map((part) => part.replaceAll(",", ",,")).join(",");
}

function formatBacking(backing: LunBacking): string {
  if (backing.kind === "file" || backing.kind === "device") return backing.path;
  if (backing.kind === "iscsi") return formatIscsiUrl(backing.url);
  if (backing.kind === "nbd") return formatNbdUri(backing.uri);
  if (backing.kind === "empty") return EMPTY;
  // No word says a library, which has several LUNs, or what keeps nothing.
  if (backing.kind === "library") return backing.library.folder;
  if (backing.kind === "enclosure" || backing.kind === "controller") return backing.kind;
  return `${backing.kind === "memory" ? "mem" : "null"}:${LUN_KEYS.size.print(backing.size)}`;
}

/** A LUN with these properties; what is missing is as `LUN_DEFAULTS` says. */
export function lunSpec(
  backing: LunBacking,
  properties: Partial<LunProperties>,
  faults: readonly FaultWord[],
  at: Position,
): LunSpec {
  const { physical, vendor, product, revision, serial, wwn, reservations, encrypt, initiator, barcode } = properties;
  // These two are the backing's.
  const { sync: _sync, size: _size, ...shape } = { ...LUN_DEFAULTS, size: 0, ...properties };
  return {
    backing,
    ...shape,
    physical,
    vendor,
    product,
    revision,
    serial,
    wwn,
    reservations,
    encrypt,
    initiator,
    barcode,
    faults,
    at,
  };
}

interface Part {
  readonly text: string;
  readonly start: number;
}

/** Cuts at single commas; empty parts count for nothing. */
function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    if (i < text.length && text[i] !== ",") continue;
    if (text[i] === "," && text[i + 1] === ",") {
      i += 1;
      continue;
    }
    if (i > start) parts.push({ text: text.slice(start, i).replaceAll(",,", ","), start });
    start = i + 1;
  }
  return parts;
}

function cutPair(part: Part, origin: Origin): { word: string; value: string | undefined; at: Position } {
  const equals = part.text.indexOf("=");
  const at = origin.at(part.start);
  if (equals < 0) return { word: part.text, value: undefined, at };
  return { word: part.text.slice(0, equals), value: part.text.slice(equals + 1), at };
}

function readPair(
  properties: Partial<LunProperties>,
  word: string,
  value: string | undefined,
  file: string,
  at: Position,
): void {
  const name = BY_WORD.get(word);
  if (name === undefined) {
    throw new ConfigError(file, at, `unknown key ${quoted(word)}, expected one of ${WORDS.join(", ")}`);
  }
  const text = value ?? (LUN_KEYS[name].flag ? "true" : "");
  const expecting = readProperty(properties, name, text);
  if (expecting !== undefined)
    throw new ConfigError(file, at, `invalid ${word} ${quoted(text)}, expected ${expecting}`);
}

function checkFit(
  { word, at }: { word: string; at: Position },
  { backing, type }: { backing: LunBacking } & Partial<LunProperties>,
  file: string,
): void {
  const name = BY_WORD.get(word);
  const reason = name === undefined ? deviceFault(backing) : unfit(name, backing, type);
  if (reason !== undefined) throw new ConfigError(file, at, `invalid key ${word}: ${reason}`);
}

/** `fault` is the one word without a name. */
function deviceFault(backing: LunBacking): string | undefined {
  return isPassed(backing) ? "no fault can be injected into a real device" : undefined;
}

function backingOf(
  part: Part | undefined,
  properties: Partial<LunProperties>,
  origin: Origin,
  seen: ReadonlySet<string>,
): LunBacking {
  const at = origin.at(part?.start ?? 0);
  if (part === undefined || part.start > 0) {
    throw new ConfigError(origin.file, origin.at(0), "empty LUN, expected FILE, mem:SIZE or null:SIZE");
  }
  if (part.text.startsWith("iscsi://")) return { kind: "iscsi", url: parseIscsiUrl(part.text, origin), at };
  if (isNbdUri(part.text)) {
    return { kind: "nbd", uri: parseNbdUri(part.text, origin), sync: properties.sync ?? LUN_DEFAULTS.sync, at };
  }
  if (part.text === EMPTY) return emptyBacking(properties, origin, seen, at);
  const sized = /^(mem|null):(.*)$/s.exec(part.text);
  if (sized === null) return fileBacking(part.text, properties, origin.file, at);
  for (const word of ["size", "sync"]) {
    if (seen.has(word)) throw new ConfigError(origin.file, at, `${word} is for files, not for ${sized[1]}:SIZE`);
  }
  const size = parseSize(sized[2]);
  if (size === undefined) {
    throw new ConfigError(origin.file, at, `invalid size ${quoted(sized[2])}, expected ${SIZE_EXPECTED}`);
  }
  checkBlocks(size, properties, origin.file, at);
  if (sized[1] === "null" && properties.encrypt !== undefined) {
    throw new ConfigError(origin.file, at, "encrypt is for what keeps its bytes, not for null:SIZE");
  }
  return { kind: sized[1] === "mem" ? "memory" : "null", size, at };
}

/** A drive without a disc, in a LUN word. */
const EMPTY = "empty:";

function emptyBacking(
  { type }: Partial<LunProperties>,
  { file }: Origin,
  seen: ReadonlySet<string>,
  at: Position,
): LunBacking {
  if (type !== "cdrom") throw new ConfigError(file, at, `${EMPTY} is a drive without a disc, expected type=cdrom`);
  for (const word of ["size", "sync"]) {
    if (seen.has(word)) throw new ConfigError(file, at, `${word} is for files, not for ${EMPTY}`);
  }
  return { kind: "empty", at };
}

function fileBacking(path: string, properties: Partial<LunProperties>, file: string, at: Position): LunBacking {
  if (DEVICE_NODE.test(path)) return { kind: "device", path, at };
  if (path.includes("\0")) throw new ConfigError(file, at, "a NUL character in the name of a file");
  if (properties.size !== undefined) checkBlocks(properties.size, properties, file, at);
  return { kind: "file", path, createSize: properties.size, sync: properties.sync ?? LUN_DEFAULTS.sync, at };
}

function checkBlocks(size: number, properties: Partial<LunProperties>, file: string, at: Position): void {
  const expecting = misfit(size, properties);
  if (expecting !== undefined) throw new ConfigError(file, at, `invalid size ${size}, expected ${expecting}`);
}
