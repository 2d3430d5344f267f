// Knows what a guest sees of LIO's configuration by vhost-scsi: target ids, LUNs, and disks that say of themselves what
// LIO's say. Knows no transport and no file.

import { compareAddresses, type ScsiAddress } from "./device-names.js";
import { ConfigError, type ConfigWarning, type Position, quoted } from "./errors.js";
import type { HostConfig, HostLun } from "./host-config.js";
import { NO_NAMES } from "./lun-host.js";
import type { LunBacking, LunSpec } from "./lun-keys.js";
import { lunSpec } from "./lun-word.js";
import {
  backstorePath,
  type PortalGroup,
  type Saveconfig,
  type SavedTarget,
  type StorageObject,
} from "./saveconfig.js";

export interface VhostLun {
  readonly lun: number;
  /** Where its storage object is among `devices`. */
  readonly device: ScsiAddress;
}

export interface VhostTarget {
  /** The target id the guest sees: the tag of the portal group. */
  readonly target: number;
  readonly luns: readonly VhostLun[];
}

/** One vhost target of LIO: a SCSI controller of one guest. */
export interface VhostController {
  /** `naa.` and 16 hex digits. */
  readonly wwn: string;
  readonly targets: readonly VhostTarget[];
  /** Each storage object once, under the address 0:0:TARGET:LUN where the guest first finds it. */
  readonly devices: HostConfig;
  readonly warnings: readonly ConfigWarning[];
}

/** The controller of a WWN, which may be left out where there is one only. Throws `ConfigError` for what cannot be served. */
export function vhostController(config: Saveconfig, wwn?: string): VhostController {
  return new VhostReader(config).controller(wwn);
}

class VhostReader {
  readonly #config: Saveconfig;
  readonly #warnings: ConfigWarning[] = [];
  readonly #devices = new Map<string, HostLun>();
  readonly #objects: ReadonlyMap<string, StorageObject>;

  constructor(config: Saveconfig) {
    this.#config = config;
    this.#objects = new Map(config.storageObjects.map((object) => [backstorePath(object), object]));
  }

  controller(wwn: string | undefined): VhostController {
    const saved = this.#choose(wwn);
    const targets = saved.groups.flatMap((group) => this.#target(group));
    for (const { fabric, wwn: name, at } of this.#config.targets) {
      if (fabric !== "vhost") this.#warn(at, `target ${name} of fabric ${fabric} is not served: only vhost is`);
    }
    const luns = [...this.#devices.values()].sort((a, b) => compareAddresses(a.address, b.address));
    const host = { host: 0, driver: undefined, pci: undefined, luns, at: saved.at };
    const devices = { file: this.#config.file, hosts: [host] };
    return { wwn: saved.wwn, targets, devices, warnings: this.#warnings };
  }

  #choose(wwn: string | undefined): SavedTarget {
    const all = this.#config.targets.filter(({ fabric }) => fabric === "vhost");
    const found = all.filter((target) => wwn === undefined || target.wwn === wwn.toLowerCase());
    if (found.length === 1) return found[0];
    if (all.length === 0) this.#fail(this.#config.at, "no target of fabric vhost");
    const names = all.map((target) => target.wwn).join(", ");
    if (wwn !== undefined)
      this.#fail(this.#config.at, `no target ${quoted(wwn)} of fabric vhost, expected one of ${names}`);
    return this.#fail(found[1].at, `${all.length} targets of fabric vhost, expected to be told which of ${names}`);
  }

  #target(group: PortalGroup): VhostTarget[] {
    const { tag, luns, others, at } = group;
    if (group.enable === false) return [];
    if (Array.isArray(others.node_acls) && others.node_acls.length > 0) {
      this.#warn(at, "node_acls are without effect: the guest finds every LUN, writable");
    }
    const sorted = [...luns].sort((a, b) => a.index - b.index);
    return [
      {
        target: tag,
        luns: sorted.map(({ index, storageObject }) => ({
          lun: index,
          device: this.#device(storageObject, tag, index),
        })),
      },
    ];
  }

  /** Where a storage object is; the first LUN that has it gives it its address. */
  #device(path: string, target: number, lun: number): ScsiAddress {
    const known = this.#devices.get(path);
    if (known !== undefined) return known.address;
    const address = { host: 0, channel: 0, target, lun };
    const spec = this.#lunOf(this.#objects.get(path) as StorageObject);
    this.#devices.set(path, { ...spec, address, shareable: true, names: NO_NAMES });
    return address;
  }

  #lunOf(object: StorageObject): LunSpec {
    const { name, wwn, attributes, at } = object;
    const blockSize = attributes.blockSize ?? 512;
    if (blockSize !== 512 && blockSize !== 4096) {
      this.#fail(at, `block_size ${blockSize} is not supported in this version, expected 512 or 4096`);
    }
    const kind = LIO_KINDS.get(object.plugin);
    if (kind === undefined) {
      const plugins = [...LIO_KINDS.keys()].join(", ");
      this.#fail(at, `plugin ${quoted(object.plugin)} cannot be served in this version, expected one of ${plugins}`);
    }
    if (object.size !== undefined && object.size < blockSize)
      this.#fail(at, `size ${object.size} is less than a block of ${blockSize} bytes`);
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
      // LIO says that it takes FUA only where there is a cache to go past.
      fua: cached && (attributes.fuaWrite ?? true),
      rotation: (attributes.nonRotating ?? kind.nonRotating) ? 1 : 0,
    } as const;
    return lunSpec(kind.backing(object, cached), properties, [], at);
  }

  #warn(at: Position, reason: string): void {
    this.#warnings.push({ file: this.#config.file, at, reason });
  }

  #fail(at: Position, reason: string): never {
    throw new ConfigError(this.#config.file, at, reason);
  }
}

/** Thin is what has either way to give space back; without one it does not matter which. */
function provisioning({ unmap = false, writeSameUnmap = false }: StorageObject["attributes"]) {
  return unmap || writeSameUnmap ? { thin: true, unmap, writeSameUnmap } : { thin: false };
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
