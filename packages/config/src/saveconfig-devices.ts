// Knows how LIO's storage objects are disks of ours: what backs them, and what they say of themselves, which is what LIO's say.
// Knows no fabric, no transport and no file.

import { compareAddresses, type ScsiAddress } from "./device-names.js";
import { ConfigError, type ConfigWarning, type Position, quoted } from "./errors.js";
import type { HostConfig, HostLun } from "./host-types.js";
import { NO_NAMES } from "./lun-host.js";
import type { LunBacking, LunSpec } from "./lun-keys.js";
import { lunSpec } from "./lun-word.js";
import { backstorePath, type GroupLun, type Saveconfig, type StorageObject } from "./saveconfig.js";
import { SavedPaths } from "./saveconfig-alua.js";

/** The storage objects that a fabric gives away, each once, and what is told of them. */
export class SavedDevices {
  readonly warnings: ConfigWarning[] = [];
  readonly #config: Saveconfig;
  readonly #devices = new Map<string, HostLun>();
  readonly #objects: ReadonlyMap<string, StorageObject>;
  readonly #paths: SavedPaths;

  constructor(config: Saveconfig) {
    this.#config = config;
    this.#paths = new SavedPaths(config.file);
    this.#objects = new Map(config.storageObjects.map((object) => [backstorePath(object), object]));
  }

  /** Where the storage object of a LUN is, to which a port leads; the first LUN that has it gives it its address. */
  at(given: GroupLun, target: number, port: number): ScsiAddress {
    const { storageObject: path, index: lun } = given;
    this.#paths.add(this.#objects.get(path) as StorageObject, port, given);
    const known = this.#devices.get(path);
    if (known !== undefined) return known.address;
    const address = { host: 0, channel: 0, target, lun };
    const spec = this.#lunOf(this.#objects.get(path) as StorageObject);
    this.#devices.set(path, { ...spec, address, shareable: true, names: NO_NAMES });
    return address;
  }

  /** All of them, as one host of ours. */
  config(at: Position): HostConfig {
    const luns = [...this.#devices]
      .map(([path, lun]) => ({ ...lun, portGroups: this.#paths.groupsOf(this.#objects.get(path) as StorageObject) }))
      .sort((a, b) => compareAddresses(a.address, b.address));
    return { file: this.#config.file, hosts: [{ host: 0, driver: undefined, pci: undefined, luns, at }] };
  }

  warn(at: Position, reason: string): void {
    this.warnings.push({ file: this.#config.file, at, reason });
  }

  fail(at: Position, reason: string): never {
    throw new ConfigError(this.#config.file, at, reason);
  }

  #lunOf(object: StorageObject): LunSpec {
    const { name, wwn, attributes, at } = object;
    const blockSize = attributes.blockSize ?? 512;
    if (blockSize !== 512 && blockSize !== 4096) {
      this.fail(at, `block_size ${blockSize} is not supported in this version, expected 512 or 4096`);
    }
    const kind = LIO_KINDS.get(object.plugin);
    if (kind === undefined) {
      const plugins = [...LIO_KINDS.keys()].join(", ");
      this.fail(at, `plugin ${quoted(object.plugin)} cannot be served in this version, expected one of ${plugins}`);
    }
    if (object.size !== undefined && object.size < blockSize)
      this.fail(at, `size ${object.size} is less than a block of ${blockSize} bytes`);
    const cached = kind.cached(object);
    const properties = {
      blockSize,
      readOnly: object.readOnly ?? false,
      vendor: "LIO-ORG",
      product: attributes.modelAlias === true ? name.slice(0, 16) : kind.product,
      revision: "4.0",
      ...(wwn === undefined ? {} : { serial: wwn, wwn: lioName(wwn) }),
      ...provisioning(attributes),
      compareAndWrite: attributes.compareAndWrite ?? true,
      thirdPartyCopy: attributes.thirdPartyCopy ?? true,
      reservable: attributes.reservable ?? true,
      taskAborted: attributes.taskAborted ?? true,
      // LIO says that it takes FUA only where there is a cache to go past.
      fua: cached && (attributes.fuaWrite ?? true),
      rotation: (attributes.nonRotating ?? kind.nonRotating) ? 1 : 0,
    } as const;
    return lunSpec(kind.backing(object, cached), properties, [], at);
  }
}

/** Thin is what has either way to give space back; without one it does not matter which. */
function provisioning({ unmap = false, writeSameUnmap = false, unmapZeroes = false }: StorageObject["attributes"]) {
  return unmap || writeSameUnmap ? { thin: true, unmap, writeSameUnmap, unmapZeroes } : { thin: false };
}

/** What LIO makes of the storage objects of a plugin. */
interface LioKind {
  /** INQUIRY's product where the name of the storage object is not (`emulate_model_alias`). */
  readonly product: string;
  readonly nonRotating: boolean;
  /** Whether there is a volatile cache. */
  cached(object: StorageObject): boolean;
  backing(object: StorageObject, cached: boolean): LunBacking;
}

const emulatedCache = ({ attributes, writeBack }: StorageObject): boolean =>
  attributes.writeCache ?? writeBack ?? false;

const LIO_KINDS: ReadonlyMap<string, LioKind> = new Map([
  ["fileio", { product: "FILEIO", nonRotating: false, cached: emulatedCache, backing: fileBacking }],
  // Its cache is the device's own, whatever write_back says.
  ["block", { product: "IBLOCK", nonRotating: false, cached: () => true, backing: fileBacking }],
  ["ramdisk", { product: "RAMDISK-MCP", nonRotating: true, cached: emulatedCache, backing: memoryBacking }],
]);

/** A missing file is made where its size is given, but never among the devices. */
function fileBacking({ plugin, dev = "", size, at }: StorageObject, cached: boolean): LunBacking {
  const createSize = plugin === "fileio" && !dev.startsWith("/dev/") ? size : undefined;
  return { kind: "file", path: dev, createSize, sync: cached ? "writeback" : "writethrough", at };
}

const PAGE = 4096;

/** In whole pages, as rtslib rounds. */
function memoryBacking({ size = 0, nullIo, at }: StorageObject): LunBacking {
  return { kind: nullIo === true ? "null" : "memory", size: PAGE * Math.max(1, Math.round(size / PAGE)), at };
}

/** OpenFabrics' company id, which LIO names its LUNs with. */
const OPEN_FABRICS = "001405";

/** LIO's NAA 6 name: the company id and the first 25 hex digits of the serial number, whatever stands between them. */
export function lioName(serial: string): string {
  const digits = serial.toLowerCase().replaceAll(/[^0-9a-f]/g, "");
  return `naa.6${OPEN_FABRICS}${digits.slice(0, 25).padEnd(25, "0")}`;
}
