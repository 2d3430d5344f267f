// Knows the driver domain's SCSI devices: finds them by every name they have, gives each to one guest. Knows no transport.

import {
  ALL_FORMS,
  ConfigError,
  compareAddresses,
  type FabricConfig,
  type FabricLun,
  type HostConfig,
  type HostLun,
  type LunSpec,
  type LunType,
  parsePhysicalDevice,
  type ScsiAddress,
  type ScsiHostConfig,
} from "@pvscsi/config";
import { loadNative, NativeMissing } from "@pvscsi/native";
import {
  type DeviceDirectory,
  type Fault,
  type Library,
  type OpenedDevice,
  type OpenedFor,
  parseFault,
} from "@pvscsi/scsi";
import type { Clock, Timer } from "@pvscsi/wire";
import type { HostInitiator, Surroundings } from "./backing.js";
import { inFabric, type PortNames, type VportRefusal, vportOf } from "./fabric.js";
import type { NativeFiles } from "./file-open.js";
import { identityOf } from "./identity.js";
import type { Unguessable } from "./key-file.js";
import { HostLibraries } from "./library.js";
import { lookupKey, lookupKeys, nameLuns } from "./names.js";
import { OpenFiles } from "./open-files.js";
import { type SgCalls, sgCalls } from "./sg/sg-calls.js";
import { HostUnit } from "./unit.js";

export interface HostOptions {
  /** Relative paths of files begin here; usually the folder of host.yaml. */
  readonly directory: string;
  readonly clock: Clock;
  /** Milliseconds between two looks at the sizes of files in use; default 1000. */
  readonly sizeCheck?: number;
  /** Gives as many bytes that nobody can guess, for the keys of LUNs that are encrypted; without it none gets a new key. */
  readonly unguessable?: Unguessable;
  /** Loads what Node cannot do with files; the default is koffi, where it is installed. */
  readonly native?: () => Promise<NativeFiles>;
  /** Who logs in to iSCSI targets; without it LUNs of theirs cannot be opened. */
  readonly initiator?: HostInitiator;
  /** Asks the kernel for real devices; the default is koffi as well. */
  readonly sg?: () => Promise<SgCalls>;
}

/** One LUN of the host, for listings and for a toolstack that wants to know it before it attaches it. */
export interface HostDevice {
  readonly address: ScsiAddress;
  readonly type: LunType;
  readonly driver: string | undefined;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  /** `naa.` and 16 hex digits, or 32. */
  readonly wwn: string;
  /** Kernel names, without /dev/. */
  readonly node: string;
  readonly sg: string;
  /** Links, without their directory: /dev/disk/by-id and by-path, or of tapes and changers /dev/tape/by-id and by-path. */
  readonly byId: readonly string[];
  readonly byPath: readonly string[];
  /** Bytes, where they are known before it is opened. */
  readonly size: number | undefined;
  readonly shareable: boolean;
  readonly users: readonly OpenedFor[];
}

/** Opens the devices of a configuration; nothing is touched on disk before a device is wanted. Throws `ConfigError`. */
export function openHost(config: HostConfig, options: HostOptions): Host {
  return new Host(config, options);
}

const SIZE_CHECK = 1000;

export class Host implements DeviceDirectory {
  readonly #config: HostConfig;
  readonly #surroundings: Surroundings;
  /** With the LUNs that they have by their fabrics. */
  #hosts: readonly ScsiHostConfig[] = [];
  #units: readonly HostUnit[] = [];
  readonly #byName = new Map<string, HostUnit>();
  /** The first path to each LUN of a fabric: what is in memory outlives all paths. */
  readonly #firstPaths = new Map<FabricLun, HostUnit>();
  readonly #clock: Clock;
  readonly #sizeCheck: number;
  #timer: Timer | null = null;

  constructor(
    config: HostConfig,
    {
      directory,
      clock,
      sizeCheck = SIZE_CHECK,
      unguessable,
      native = loadNative,
      sg = nativeSg,
      initiator,
    }: HostOptions,
  ) {
    const openFiles = new OpenFiles();
    let loading: Promise<NativeFiles | null> | null = null;
    const files = () => (loading ??= native().catch(nothingNative));
    this.#clock = clock;
    this.#sizeCheck = sizeCheck;
    const libraries = new HostLibraries({ directory, openFiles });
    this.#config = config;
    this.#surroundings = {
      clock,
      directory,
      initiator,
      sg: () => sg().catch(nothingNative),
      openFiles,
      libraries,
      native: files,
      unguessable,
    };
    for (const { targets } of config.fabrics ?? []) {
      for (const lun of targets.flatMap(({ luns }) => luns)) faultsOf(config.file, lun);
    }
    this.#add(config.hosts);
    checkReservations(config.file, this.#units);
  }

  /** The hosts with their LUNs, virtual ones too, in the order of their numbers. */
  get hosts(): readonly ScsiHostConfig[] {
    return this.#hosts;
  }

  /** The fabrics that hosts are in. */
  get fabrics(): readonly FabricConfig[] {
    return this.#config.fabrics ?? [];
  }

  /** Makes a virtual port of a host, which is a host with what its port sees; gives it, or why the kernel would not. Throws `ConfigError`. */
  addVport(parent: number, names: PortNames): ScsiHostConfig | VportRefusal {
    const vport = vportOf(this.#hosts, this.#hostOf(parent), names);
    if (typeof vport === "string") return vport;
    this.#add([vport]);
    return this.#hostOf(vport.host)!;
  }

  /** Takes a virtual port away: for those who have LUNs by it there are none any more. Gives why not, or null. */
  removeVport(parent: number, { wwnn, wwpn }: PortNames): VportRefusal | null {
    const vport = this.#hosts.find((host) => host.vportOf === parent && host.wwnn === wwnn && host.wwpn === wwpn);
    if (vport === undefined) return "ENODEV";
    const gone = this.#units.filter(({ named }) => named.host === vport);
    for (const unit of gone) unit.cut();
    this.#hosts = this.#hosts.filter((host) => host !== vport);
    this.#units = this.#units.filter((unit) => !gone.includes(unit));
    this.#nameAll();
    return null;
  }

  #hostOf(number: number): ScsiHostConfig | undefined {
    return this.#hosts.find(({ host }) => host === number);
  }

  /** Hosts that have come, with the LUNs that their ports see. */
  #add(hosts: readonly ScsiHostConfig[]): void {
    const { file } = this.#config;
    const found = hosts.map((host) => inFabric(this.#config, host));
    const known = this.#units.map(({ named }) => named);
    const units = nameLuns({ ...this.#config, hosts: found }, known).map((named) => {
      const fabricLun = named.lun.path?.lun;
      const first = fabricLun === undefined ? undefined : this.#firstPaths.get(fabricLun);
      const unit = new HostUnit(named, faultsOf(file, named.lun), this.#surroundings, first);
      if (fabricLun !== undefined && first === undefined) this.#firstPaths.set(fabricLun, unit);
      return unit;
    });
    this.#hosts = [...this.#hosts, ...found].sort((a, b) => a.host - b.host);
    this.#units = [...this.#units, ...units].sort((a, b) => compareAddresses(a.named.lun.address, b.named.lun.address));
    this.#nameAll();
  }

  /** Several paths may lead to one LUN: its name is that of the first one which stays. */
  #nameAll(): void {
    this.#byName.clear();
    const virtual = ({ named }: HostUnit): boolean => named.host.vportOf !== undefined;
    for (const unit of [...this.#units.filter((unit) => !virtual(unit)), ...this.#units.filter(virtual)]) {
      for (const key of lookupKeys(unit.named)) {
        if (!this.#byName.has(key)) this.#byName.set(key, unit);
      }
    }
  }

  /** All devices, in the order in which Linux finds them. */
  list(): HostDevice[] {
    return this.#units.map(describe);
  }

  /** The device a p-dev names, or in words why there is none. */
  find(physicalDevice: string): HostDevice | string {
    const unit = this.#find(physicalDevice);
    return typeof unit === "string" ? unit : describe(unit);
  }

  /** Gives a device to a guest, or says why not: unknown, in use, or its file cannot be opened. */
  async open(physicalDevice: string, opener: OpenedFor): Promise<OpenedDevice | string> {
    const unit = this.#find(physicalDevice);
    if (typeof unit === "string") return unit;
    const opened = await unit.open(opener);
    if (typeof opened === "string") return opened;
    this.#watch();
    return { logicalUnit: opened.logicalUnit, release: () => this.#release(opened) };
  }

  /** Why a device would not be given to a guest now: unknown, or in use; null where its file decides. */
  refusal(physicalDevice: string): string | null {
    const unit = this.#find(physicalDevice);
    return typeof unit === "string" ? unit : unit.taken;
  }

  /** Makes a device that is in use `size` bytes long; its guests hear of it through SCSI. Gives why not, or null. */
  async grow(physicalDevice: string, size: number): Promise<string | null> {
    const unit = this.#find(physicalDevice);
    return typeof unit === "string" ? unit : unit.grow(size);
  }

  /** The library of a changer, for its operator; in words why there is none. */
  async library(physicalDevice: string): Promise<Library | string> {
    const unit = this.#find(physicalDevice);
    return typeof unit === "string" ? unit : unit.library();
  }

  /** Puts the disc whose image is at a path into a CD/DVD drive, in the place of the one that is there. Gives why not, or null. */
  async insert(physicalDevice: string, path: string): Promise<string | null> {
    const unit = this.#find(physicalDevice);
    return typeof unit === "string" ? unit : unit.insert(path);
  }

  /** Takes the disc out of a CD/DVD drive. Gives why not, or null: a guest that keeps it in is told that it is wanted. */
  async eject(physicalDevice: string): Promise<string | null> {
    const unit = this.#find(physicalDevice);
    return typeof unit === "string" ? unit : unit.eject();
  }

  /** Looks now whether files in use have other sizes; the guests that have them are told. */
  async refresh(): Promise<void> {
    await Promise.allSettled(this.#units.map((unit) => unit.refresh()));
  }

  #find(physicalDevice: string): HostUnit | string {
    const named = this.#byName.get(physicalDevice);
    if (named !== undefined) return named;
    const device = parsePhysicalDevice(physicalDevice, ALL_FORMS);
    if (typeof device === "string") return device;
    const unit = this.#byName.get(lookupKey(device));
    if (unit !== undefined) return unit;
    const disk = /^(\/dev\/sd[a-z]+)\d+$/.exec(physicalDevice)?.[1];
    if (disk !== undefined && this.#byName.has(disk)) return `${physicalDevice} is a partition, expecting ${disk}`;
    return `no device ${physicalDevice}: ${this.#known()}`;
  }

  #known(): string {
    if (this.#units.length === 0) return "this host has none";
    const titles = this.#units.slice(0, 8).map((unit) => unit.title);
    const more = this.#units.length > titles.length ? ` and ${this.#units.length - titles.length} more` : "";
    return `this host has ${titles.join(", ")}${more}`;
  }

  async #release(opened: OpenedDevice): Promise<void> {
    try {
      await opened.release();
    } finally {
      if (this.#timer !== null && !this.#inUse) {
        this.#clock.cancel(this.#timer);
        this.#timer = null;
      }
    }
  }

  get #inUse(): boolean {
    return this.#units.some((unit) => unit.users.length > 0);
  }

  /** While anything is in use, files are looked at: inotify would report every write instead. */
  #watch(): void {
    if (this.#timer !== null || !this.#inUse) return;
    this.#timer = this.#clock.after(this.#sizeCheck, { run: () => void this.#check() });
  }

  async #check(): Promise<void> {
    // Forgotten first: whoever opens or releases a device meanwhile finds no timer that has fired already.
    this.#timer = null;
    await this.refresh();
    this.#watch();
  }
}

async function nativeSg(): Promise<SgCalls> {
  return sgCalls(await loadNative());
}

function nothingNative(error: unknown): null {
  if (error instanceof NativeMissing) return null;
  throw error;
}

function faultsOf(file: string, lun: LunSpec): Fault[] {
  return lun.faults.map(({ text, at }) => {
    const fault = parseFault(text, lun.blockSize);
    if (typeof fault === "string") throw new ConfigError(file, at, fault);
    return fault;
  });
}

function describe({ named, users }: HostUnit): HostDevice {
  const { lun, host, wwn, node, sg, byId, byPath } = named;
  const { vendor, product, revision } = identityOf(lun, wwn);
  return {
    address: lun.address,
    type: lun.type,
    driver: host.driver,
    vendor,
    product,
    revision,
    wwn,
    node,
    sg,
    byId,
    byPath,
    size: knownSize(lun),
    shareable: lun.shareable,
    users: [...users],
  };
}

function knownSize({ backing }: HostLun): number | undefined {
  if (backing.kind === "file") return backing.createSize;
  return "size" in backing ? backing.size : undefined;
}

/** Two LUNs cannot keep their reservations in one file; throws `ConfigError`. */
function checkReservations(file: string, units: readonly HostUnit[]): void {
  const users = new Map<string, HostUnit>();
  for (const unit of units) {
    if (unit.reservations === null) continue;
    const other = users.get(unit.reservations);
    users.set(unit.reservations, unit);
    // By its own name a LUN's file is beside what it alone writes.
    if (
      other === undefined ||
      unit.isSameAs(other) ||
      [unit, other].every(({ named }) => named.lun.reservations === undefined)
    )
      continue;
    const taken = `reservations of ${other.title} are in ${unit.reservations} already`;
    throw new ConfigError(file, unit.named.lun.at, taken);
  }
}
