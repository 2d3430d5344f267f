// Knows the operating system: which hosts it has, how devices come and go, what they are called. Knows no transport.

import {
  type AdapterEvent,
  type BlockAdapter,
  type ByteStore,
  COMMANDS,
  type DecodedSense,
  diskName,
  type HostAdapter,
  SenseKey,
} from "@pvscsi/scsi";
import { type Clock, never, nullProbes, type Probes, type Scheduler } from "@pvscsi/wire";
import type { BlockDevice } from "./block-device.js";
import { adapterCommands, type CommandPath, deviceCommands } from "./command-path.js";
import type { ScsiDevice } from "./device.js";
import { Disk } from "./disk.js";
import { FLUSH_PATIENCE } from "./disk-commands.js";
import { type DiskSite, printDisk, printFailure, probeDisk } from "./disk-probe.js";
import { DiskStore } from "./disk-store.js";
import { Drivers } from "./drivers.js";
import { type ScanRange, ScsiHost } from "./host.js";
import { ask } from "./inquiry.js";
import { KernelLog } from "./kernel-log.js";
import { LowestFree } from "./naming.js";
import type { PlainDisk } from "./plain-disk.js";
import { PlainDisks } from "./plain-disks.js";
import { FailureReport } from "./report.js";
import { PageShortage } from "./request-pages.js";
import { isGone } from "./scan.js";

export interface GuestOptions {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes?: Probes;
  /** The host name. */
  readonly name: string;
  /** Milliseconds a disk's command may take; Linux has 30 seconds. */
  readonly timeout?: number;
}

/** Peripheral device types that the disk driver takes: disk, optical, simplified disk, host managed zoned disk. */
const DISK_TYPES = new Set([0x00, 0x07, 0x0e, 0x14]);
const CAPACITY_CHANGED = 0x2a09;

/** A guest: what an operating system makes of its host adapters. */
export class Guest {
  readonly name: string;
  readonly log: KernelLog;
  /** For what is measured in the guest, as by dd. */
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #timeout: number;
  readonly #report: FailureReport;
  readonly #hostNumbers = new LowestFree();
  readonly #diskNumbers = new LowestFree();
  readonly #genericNumbers = new LowestFree();
  readonly #drivers: Drivers;
  readonly #diskNumberOf = new Map<Disk, number>();
  readonly #hosts: ScsiHost[] = [];
  readonly #plain: PlainDisks;
  readonly #shortage = new PageShortage();

  constructor({ clock, scheduler, probes = nullProbes, name, timeout = 30_000 }: GuestOptions) {
    this.name = name;
    this.clock = clock;
    this.#scheduler = scheduler;
    this.#timeout = timeout;
    this.log = new KernelLog(clock, probes);
    this.#report = new FailureReport(this.log, clock);
    this.#drivers = new Drivers(this.log);
    this.#plain = new PlainDisks(this.log, this.#report);
  }

  /** In the order of their numbers. */
  get hosts(): readonly ScsiHost[] {
    return this.#hosts;
  }

  /** All devices, host by host, by channel, target and LUN. */
  get devices(): readonly ScsiDevice[] {
    return this.#hosts.flatMap(({ devices }) =>
      [...devices].sort((a, b) => a.channel - b.channel || a.target - b.target || a.lun - b.lun),
    );
  }

  /** Takes an adapter; its devices are attached as it announces them, or by `scan`. */
  attach(adapter: HostAdapter): ScsiHost {
    const { log, clock } = this;
    const host = new ScsiHost(this.#hostNumbers.take(), adapter, {
      clock,
      scheduler: this.#scheduler,
      log,
      shortage: this.#shortage,
      found: (at, device) => this.#bind(at, device),
    });
    this.#hosts.push(host);
    this.#hosts.sort((a, b) => a.hostNumber - b.hostNumber);
    log.print(`scsi host${host.hostNumber}: ${adapter.name}`);
    adapter.listen((event) => this.#heard(host, event));
    return host;
  }

  /** Parts from all devices of a host, caches written back, and closes its adapter. */
  async detach(host: ScsiHost): Promise<void> {
    if (!this.#hosts.includes(host)) return;
    this.#hosts.splice(this.#hosts.indexOf(host), 1);
    await host.inTurn(() => this.#removeAll(host));
    await host.queue.close();
    this.#hostNumbers.giveBack(host.hostNumber);
  }

  /** Takes a disk that is no SCSI device. */
  attachBlock(adapter: BlockAdapter): PlainDisk {
    return this.#plain.attach(adapter);
  }

  /** Parts from such a disk, its cache written back, and closes its adapter. */
  detachBlock(disk: PlainDisk): Promise<void> {
    return this.#plain.detach(disk);
  }

  /** Looks for devices; resolves when the new ones are attached. */
  scan(host: ScsiHost, range: ScanRange = {}): Promise<void> {
    return host.scan(range);
  }

  /** The same, after parting from what is there no more. */
  async rescan(host: ScsiHost, range: ScanRange = {}): Promise<void> {
    await host.inTurn(async () => {
      const known = host.devices.filter((device) => inRange(device, range));
      for (const device of known) if (await isGone(host, device)) await this.#remove(host, device);
    });
    await host.scan(range);
  }

  /** The device called `/dev/sda`, `sda`, `/dev/nst0`, `/dev/sg0` or `sg0`. */
  device(name: string): ScsiDevice | undefined {
    const short = name.replace(/^\/dev\//, "");
    return this.devices.find((device) => device.isCalled(short));
  }

  /** The disk called `/dev/sda` or `sda`, or `vda`. */
  disk(name: string): BlockDevice | undefined {
    const short = name.replace(/^\/dev\//, "");
    const disks = this.devices.map((device) => this.diskOf(device));
    return disks.find((disk) => disk?.name === short) ?? this.#plain.find(short);
  }

  /** Where SG_IO goes for the device of that name; null when it takes no SCSI commands, undefined when there is none. */
  commandPath(name: string): CommandPath | null | undefined {
    const device = this.device(name);
    const host = device && this.hostOf(device);
    if (device !== undefined && host !== undefined) return deviceCommands(host.queue, device);
    const plain = this.#plain.find(name.replace(/^\/dev\//, ""));
    if (plain === undefined) return undefined;
    return plain.adapter.passesCommands ? adapterCommands(plain.adapter) : null;
  }

  diskOf(device: ScsiDevice): Disk | undefined {
    return this.hostOf(device)?.disks.get(device);
  }

  hostOf(device: ScsiDevice): ScsiHost | undefined {
    return this.#hosts.find(({ hostNumber }) => hostNumber === device.hostNumber);
  }

  /** A disk's bytes, as a store for whoever wants them, e.g. an NBD server. */
  store(disk: BlockDevice): ByteStore {
    return new DiskStore(disk);
  }

  async #heard(host: ScsiHost, event: AdapterEvent): Promise<boolean> {
    if (!this.#hosts.includes(host)) return true;
    switch (event.kind) {
      case "device-added":
        return host.addDevice(event.address);
      case "device-removed":
        await host.inTurn(() => this.#remove(host, host.find(event.address)));
        return true;
      case "device-changed":
        await host.inTurn(() => this.#lookAgain(host, host.find(event.address)));
        return true;
      case "target-changed":
        await this.rescan(host, { channel: event.address.channel, target: event.address.target });
        return true;
      case "bus-changed":
        await this.rescan(host);
        return true;
      case "closed":
        await this.detach(host);
        return true;
      default:
        return never(event);
    }
  }

  /** Gives a new device its sg name and its driver: disks are looked at last, by a thread of their own as in Linux. */
  async #bind(host: ScsiHost, device: ScsiDevice): Promise<void> {
    const { type = 0x1f, qualifier = 0 } = device.inquiry ?? {};
    const isDisk = DISK_TYPES.has(type) && qualifier === 0;
    if (isDisk) device.driver = "sd";
    await this.#drivers.bind(host, device);
    device.generic = this.#genericNumbers.take();
    device.print(`Attached scsi generic sg${device.generic} type ${type}`);
    if (isDisk) await this.#bindDisk(host, device);
  }

  async #bindDisk(host: ScsiHost, device: ScsiDevice): Promise<void> {
    const number = this.#diskNumbers.take();
    const disk = new Disk(diskName(number), device, host.queue, this.#report, this.#timeout);
    const site: DiskSite = { queue: host.queue, device, log: this.log, name: disk.name };
    device.node = disk.name;
    disk.parameters = await probeDisk(site, null);
    this.#diskNumberOf.set(disk, number);
    host.disks.set(device, disk);
    device.attention = this.#attention(host, site, disk);
    printDisk(site, `Attached SCSI ${device.inquiry?.removable ? "removable " : ""}disk`);
  }

  /** As udev's rule does when the capacity has changed: the disk is looked at again, once for all that wait for it. */
  #attention(host: ScsiHost, site: DiskSite, disk: Disk): (sense: DecodedSense) => void {
    let waiting = false;
    return ({ asc, ascq }) => {
      if (((asc << 8) | ascq) !== CAPACITY_CHANGED || waiting) return;
      waiting = true;
      void host.inTurn(async () => {
        waiting = false;
        if (disk.device.state === "running") disk.parameters = await probeDisk(site, disk.parameters);
      });
    };
  }

  async #lookAgain(host: ScsiHost, device: ScsiDevice | undefined): Promise<void> {
    const disk = device === undefined ? undefined : host.disks.get(device);
    if (device === undefined || disk === undefined) return;
    const site: DiskSite = { queue: host.queue, device, log: this.log, name: disk.name };
    disk.parameters = await probeDisk(site, disk.parameters);
  }

  async #removeAll(host: ScsiHost): Promise<void> {
    for (const device of [...host.devices]) await this.#remove(host, device);
  }

  async #remove(host: ScsiHost, device: ScsiDevice | undefined): Promise<void> {
    if (device === undefined) return;
    const disk = host.disks.get(device);
    if (disk !== undefined) await this.#unbindDisk(host, device, disk);
    this.#drivers.unbind(device);
    device.state = "removed";
    host.devices.splice(host.devices.indexOf(device), 1);
    if (device.generic !== null) this.#genericNumbers.giveBack(device.generic);
  }

  async #unbindDisk(host: ScsiHost, device: ScsiDevice, disk: Disk): Promise<void> {
    await disk.stop();
    device.attention = null;
    if (disk.parameters.writeCache) {
      const site = { queue: host.queue, device, log: this.log, name: disk.name };
      await synchronize(site, disk.timeout * FLUSH_PATIENCE);
    }
    host.disks.delete(device);
    this.#diskNumbers.giveBack(this.#diskNumberOf.get(disk) ?? 0);
    this.#diskNumberOf.delete(disk);
  }
}

function inRange({ channel, target, lun }: ScsiDevice, range: ScanRange): boolean {
  const fits = (wanted: number | undefined, is: number): boolean => wanted === undefined || wanted === is;
  return fits(range.channel, channel) && fits(range.target, target) && fits(range.lun, lun);
}

/** Writes a disk's cache back before it goes. */
async function synchronize(site: DiskSite, timeout: number): Promise<void> {
  printDisk(site, "Synchronizing SCSI cache");
  const cdb = new Uint8Array(COMMANDS.synchronizeCache10.length);
  cdb[0] = COMMANDS.synchronizeCache10.opcode;
  const outcome = await ask(site.queue, site.device, cdb, { timeout });
  if (!outcome.good && outcome.sense?.key !== SenseKey.recoveredError) {
    printFailure(site, "Synchronize Cache(10)", outcome);
  }
}
