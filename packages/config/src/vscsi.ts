// Knows one entry of `vscsi=[ 'PDEV,VDEV[,...]' ]`, in both dialects of the field. Knows neither files nor controllers.
// The same text is the argument of scsi-attach.

import {
  ALL_FORMS,
  formatAddress,
  type PhysicalDevice,
  type PhysicalDeviceKind,
  parsePhysicalDevice,
  parseVirtualDevice,
  type ScsiAddress,
} from "./device-names.js";
import { argumentOrigin, ConfigError, type ConfigWarning, type Origin, type Position, quoted } from "./errors.js";

/** `libxl`: the libxl patches, third field options. `xend`: xm's, third field the backend domain. */
export type VscsiDialect = "libxl" | "xend";

/** One LUN that a guest is to have. */
export interface VscsiDevice {
  readonly kind: "device";
  readonly file: string;
  readonly physical: PhysicalDevice;
  readonly virtual: ScsiAddress;
  /** Raw commands are let through: the option `feature-host`, or xend's host mode. */
  readonly featureHost: boolean;
  /** Further options, which a backend may know; none of them is ours. */
  readonly options: readonly string[];
  /** The backend's domain, by name or number, where one was named: the option `backend=`, or xend's third field. */
  readonly backend: string | undefined;
  /** Where its entry stands, and its two names in it. */
  readonly at: Position;
  readonly physicalAt: Position;
  readonly virtualAt: Position;
}

/** xend's VDEV `host`: every LUN of the physical host that `physical` is on. */
export interface WholeHost {
  readonly kind: "whole-host";
  readonly file: string;
  readonly physical: PhysicalDevice;
  readonly backend: string | undefined;
  readonly at: Position;
  readonly physicalAt: Position;
}

export interface VscsiEntry {
  readonly device: VscsiDevice | WholeHost;
  readonly warnings: readonly ConfigWarning[];
}

const FEATURE_HOST = "feature-host";
/** As libxl's disks and nics have it. */
const BACKEND = "backend=";
/** The libxl patches know no bare kernel names and no scsi_ids. */
const LIBXL_FORMS: readonly PhysicalDeviceKind[] = ["path", "wwn", "address"];

/** True for an entry that asks for a whole host: it has no v-dev. */
export function isWholeHost(device: VscsiDevice | WholeHost): device is WholeHost {
  return device.kind === "whole-host";
}

/** Reads one entry; throws `ConfigError` at the field that is wrong. */
export function parseVscsi(text: string, origin: Origin, dialect: VscsiDialect = "libxl"): VscsiEntry {
  return dialect === "libxl" ? parseLibxl(text, origin) : parseXend(text, origin);
}

/** Reads `PDEV VDEV [OPTIONS]` as words of a command line; columns count from the first word. */
export function parseVscsiWords(words: readonly string[], dialect: VscsiDialect = "libxl"): VscsiEntry {
  const text = words.join(",");
  const at = argumentOrigin();
  if (words.length < 2 || words.length > 3) {
    throw new ConfigError(at.file, at.at(0), `expecting PDEV VDEV [OPTIONS], found ${words.length} of them`);
  }
  return parseVscsi(text, at, dialect);
}

/** The text of an entry; reading it in the same dialect gives an equal one. */
export function formatVscsi(device: VscsiDevice | WholeHost, dialect: VscsiDialect = "libxl"): string {
  const virtual = isWholeHost(device) ? "host" : formatAddress(device.virtual);
  const fields = [device.physical.text, virtual];
  if (dialect === "xend") {
    if (device.backend !== undefined) fields.push(device.backend);
  } else if (!isWholeHost(device)) {
    if (device.featureHost) fields.push(FEATURE_HOST);
    if (device.backend !== undefined) fields.push(`${BACKEND}${device.backend}`);
    fields.push(...device.options);
  }
  return fields.join(",");
}

interface Field {
  readonly text: string;
  readonly start: number;
}

/** Cuts at commas and takes the blanks around each field away. */
function fieldsOf(text: string): Field[] {
  const fields: Field[] = [];
  let start = 0;
  for (const piece of text.split(",")) {
    const trimmed = piece.trimStart();
    fields.push({ text: trimmed.trimEnd(), start: start + piece.length - trimmed.length });
    start += piece.length + 1;
  }
  return fields;
}

/** Empty fields count for nothing, as with the strtok of the patches. */
function parseLibxl(text: string, origin: Origin): VscsiEntry {
  const [pdev, vdev, ...rest] = fieldsOf(text).filter((field) => field.text !== "");
  if (pdev === undefined || vdev === undefined) {
    throw new ConfigError(origin.file, origin.at(0), `invalid devspec ${quoted(text)}, expecting pdev,vdev[,options]`);
  }
  const physical = physicalOf(pdev, origin, LIBXL_FORMS);
  const options = rest.filter(({ text }) => text !== FEATURE_HOST && !text.startsWith(BACKEND));
  const device: VscsiDevice = {
    kind: "device",
    file: origin.file,
    physical,
    virtual: virtualOf(vdev, origin),
    featureHost: rest.some((field) => field.text === FEATURE_HOST),
    options: options.map((field) => field.text),
    backend: backendOf(rest, origin),
    at: origin.at(0),
    physicalAt: origin.at(pdev.start),
    virtualAt: origin.at(vdev.start),
  };
  const warnings = options.map((field) => ({
    file: origin.file,
    at: origin.at(field.start),
    reason: `unknown option ${quoted(field.text)}, expecting ${FEATURE_HOST} or ${BACKEND}DOMAIN: left to the backend`,
  }));
  return { device, warnings };
}

/** The last one counts, as in libxl. */
function backendOf(fields: readonly Field[], origin: Origin): string | undefined {
  const named = fields.findLast((field) => field.text.startsWith(BACKEND));
  const backend = named?.text.slice(BACKEND.length).trim();
  if (named !== undefined && backend === "") {
    throw new ConfigError(origin.file, origin.at(named.start), `${BACKEND} names no domain`);
  }
  return backend;
}

function parseXend(text: string, origin: Origin): VscsiEntry {
  const [pdev, vdev, third, ...more] = fieldsOf(text);
  if (vdev === undefined || more.length > 0 || [pdev, vdev, third].some((field) => field?.text === "")) {
    const reason = `vscsi syntax error ${quoted(text)}, expecting PDEV, VDEV[, BACKDOM]`;
    throw new ConfigError(origin.file, origin.at(0), reason);
  }
  const common = {
    file: origin.file,
    physical: physicalOf(pdev, origin, ALL_FORMS),
    backend: third?.text,
    at: origin.at(0),
    physicalAt: origin.at(pdev.start),
  };
  const warnings = third?.text === FEATURE_HOST ? [mistakenOption(third, origin)] : [];
  if (vdev.text === "host") return { device: { kind: "whole-host", ...common }, warnings };
  const device: VscsiDevice = {
    kind: "device",
    ...common,
    virtual: virtualOf(vdev, origin),
    featureHost: false,
    options: [],
    virtualAt: origin.at(vdev.start),
  };
  return { device, warnings };
}

/** An entry of libxl's dialect that is read in xend's. */
function mistakenOption(field: Field, origin: Origin): ConfigWarning {
  const reason = `the third field is the backend domain in xend's dialect, where VDEV host is what ${FEATURE_HOST} asks for`;
  return { file: origin.file, at: origin.at(field.start), reason };
}

function physicalOf(field: Field, origin: Origin, forms: readonly PhysicalDeviceKind[]): PhysicalDevice {
  const physical = parsePhysicalDevice(field.text, forms);
  if (typeof physical === "string") throw new ConfigError(origin.file, origin.at(field.start), physical);
  return physical;
}

function virtualOf(field: Field, origin: Origin): ScsiAddress {
  const virtual = parseVirtualDevice(field.text);
  if (typeof virtual === "string") throw new ConfigError(origin.file, origin.at(field.start), virtual);
  return virtual;
}
