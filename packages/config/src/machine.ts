// Knows what a guest is made of, and which settings of an xl.cfg say so. Knows nothing of how a guest runs.

import { groupControllers, type VscsiController } from "./controllers.js";
import { ConfigError, type ConfigWarning, formatPosition, type Position, quoted } from "./errors.js";
import { isWholeHost, parseVscsi, type VscsiDevice, type VscsiDialect, type WholeHost } from "./vscsi.js";
import {
  atomOrigin,
  effectiveValue,
  parseXlConfig,
  type XlAtom,
  type XlConfig,
  type XlSetting,
  type XlValue,
} from "./xl-config.js";

export type MachineType = "pv" | "pvh" | "hvm";

/** A guest as its configuration describes it. */
export interface MachineConfig {
  readonly file: string;
  readonly dialect: VscsiDialect;
  readonly name: string;
  readonly type: MachineType;
  /** 8-4-4-4-12 hex digits in lower case; undefined leaves it to the toolstack. */
  readonly uuid: string | undefined;
  /** MiB. */
  readonly memory: number;
  readonly vcpus: number;
  /** It serves devices of its own to other guests. */
  readonly driverDomain: boolean;
  /** Every entry of `vscsi`, in order. */
  readonly vscsi: ReadonlyArray<VscsiDevice | WholeHost>;
  /** The entries that name a v-dev, on their controllers. Whole hosts are not in it: see `wholeHostDevices`. */
  readonly controllers: readonly VscsiController[];
  /** All other settings, as written. */
  readonly others: readonly XlSetting[];
  readonly warnings: readonly ConfigWarning[];
}

/** What xl takes when a setting is missing. */
export const MACHINE_DEFAULTS = { type: "pv", memory: 32, vcpus: 1 } as const;

/** The settings that a `MachineConfig` has fields for. */
const OURS: readonly string[] = ["name", "type", "uuid", "memory", "vcpus", "driver_domain", "vscsi"];
const TYPES: readonly string[] = ["pv", "pvh", "hvm"] satisfies readonly MachineType[];
/** Xen's limit for a PV guest; MiB of 16 TiB. */
const MAX_VCPUS = 8192;
const MAX_MEMORY = 16 * 1024 * 1024;

/** Reads a domU.cfg; `file` is its name in errors. Throws `ConfigError` at the first fault. */
export function parseMachineConfig(
  text: string,
  options: { file: string; dialect?: VscsiDialect | undefined },
): MachineConfig {
  const config = parseXlConfig(text, options.file);
  const dialect = options.dialect ?? "libxl";
  const { vscsi, warnings } = readVscsi(config, dialect);
  const { file } = config;
  return {
    file,
    dialect,
    name: readName(config),
    type: readType(config),
    uuid: readUuid(config),
    memory: readNumber(config, "memory", 1, MAX_MEMORY) ?? MACHINE_DEFAULTS.memory,
    vcpus: readNumber(config, "vcpus", 1, MAX_VCPUS) ?? MACHINE_DEFAULTS.vcpus,
    driverDomain: readNumber(config, "driver_domain", 0, 1) === 1,
    vscsi,
    controllers: groupControllers(
      vscsi.filter((device) => !isWholeHost(device)),
      dialect,
    ),
    others: config.settings.filter((setting) => !OURS.includes(setting.name)),
    warnings: [...replacedSettings(config), ...warnings],
  };
}

/** The file would be legal and half of it silently without effect. */
function replacedSettings(config: XlConfig): ConfigWarning[] {
  const last = new Map<string, Position>();
  const warnings: ConfigWarning[] = [];
  for (const { name, operator, at } of config.settings) {
    const earlier = last.get(name);
    if (operator === "=" && earlier !== undefined && OURS.includes(name)) {
      warnings.push({ file: config.file, at, reason: `${name} replaces the one at ${formatPosition(earlier)}` });
    }
    last.set(name, at);
  }
  return warnings;
}

/** A name is part of paths and of xenstore values. */
function readName(config: XlConfig): string {
  const atom = readAtom(config, "name");
  if (atom === undefined) {
    throw new ConfigError(config.file, { line: 1, column: 1 }, "no name, expected a setting such as name = 'domU'");
  }
  if (!/^[^\p{Cc}/]{1,255}$/u.test(atom.text) || atom.text === "." || atom.text === "..") {
    fail(
      config,
      atom,
      `invalid name ${quoted(atom.text)}, expected 1 to 255 characters without '/' and control characters`,
    );
  }
  return atom.text;
}

/** `builder` is what said the type before `type` did. */
function readType(config: XlConfig): MachineType {
  const atom = readAtom(config, "type");
  if (atom === undefined) return readAtom(config, "builder")?.text === "hvm" ? "hvm" : MACHINE_DEFAULTS.type;
  if (!TYPES.includes(atom.text))
    fail(config, atom, `invalid type ${quoted(atom.text)}, expected one of ${TYPES.join(", ")}`);
  return atom.text as MachineType;
}

function readUuid(config: XlConfig): string | undefined {
  const atom = readAtom(config, "uuid");
  if (atom === undefined) return undefined;
  const digits = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/i.exec(atom.text);
  if (digits === null) {
    fail(config, atom, `invalid uuid ${quoted(atom.text)}, expected 8-4-4-4-12 hex digits`);
  }
  return digits.slice(1).join("-").toLowerCase();
}

/** As C's strtol reads it with base 0: decimal, 0x hex, 0 octal. */
function readNumber(config: XlConfig, name: string, least: number, most: number): number | undefined {
  const atom = readAtom(config, name);
  if (atom === undefined) return undefined;
  const added = config.settings.findLast((setting) => setting.name === name)?.operator === "+=";
  if (added) fail(config, atom, `cannot use += with the number ${name}`);
  const value = parseNumber(atom.text);
  if (value === undefined) fail(config, atom, `invalid ${name} ${quoted(atom.text)}, expected a number`);
  if (value < least || value > most) fail(config, atom, `${name} is ${value}, expected ${least} to ${most}`);
  return value;
}

function parseNumber(text: string): number | undefined {
  if (/^0x[0-9a-f]+$/i.test(text)) return Number(text);
  if (/^0[0-7]*$/.test(text)) return Number.parseInt(text, 8);
  return /^[1-9]\d*$/.test(text) ? Number(text) : undefined;
}

function readAtom(config: XlConfig, name: string): XlAtom | undefined {
  const value = effectiveValue(config, name);
  if (value?.kind === "list") fail(config, value, `${name} is a list, expected a single value`);
  return value;
}

function readVscsi(config: XlConfig, dialect: VscsiDialect): Pick<MachineConfig, "vscsi" | "warnings"> {
  const list = effectiveValue(config, "vscsi");
  if (list === undefined) return { vscsi: [], warnings: [] };
  if (list.kind !== "list") fail(config, list, "vscsi is a single value, expected a list: [ 'pdev,vdev[,options]' ]");
  const entries = list.values.map((value) => {
    if (value.kind === "list") fail(config, value, "a list in vscsi, expected a string 'pdev,vdev[,options]'");
    return parseVscsi(value.text, atomOrigin(value, config.file), dialect);
  });
  return {
    vscsi: entries.map((entry) => entry.device),
    warnings: entries.flatMap((entry) => entry.warnings),
  };
}

function fail(config: XlConfig, value: XlValue, reason: string): never {
  throw new ConfigError(config.file, value.at, reason);
}
