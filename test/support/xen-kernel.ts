// Knows a Linux kernel on a Xen host as far as drivers in processes see it: the device nodes /dev/xen/xenbus, gntdev,
// gntalloc and evtchn, played over a domain of the in-process hypervisor. Its structs are read and written as bytes, as the headers
// of Linux (uapi/xen) have them, with numbers of its own: the driver's tables are not used.

import { SystemCallError } from "@pvscsi/native";
import type { Runnable, Scheduler } from "@pvscsi/wire";
import { GrantCopyFlags, GrantStatus, type InProcessDomain, type Page, type Xenstored } from "@pvscsi/xen";
import { type HostCalls, NoXenHost, openHostDomain } from "@pvscsi/xenbus";
import type { XenWorld } from "./xen-world.js";

const EINVAL = 22;
const EBADF = 9;
const EAGAIN = 11;
const ENOSPC = 28;
/** Where mapped memory begins, and gntdev's indices: beyond 32 bits, so that both halves of a number count. */
const ADDRESSES = 0x7f12_0000_0000;
const INDICES = 0x1_0000_0000;

interface Mapping {
  readonly bytes: Uint8Array;
  unmap(): void;
}

/** A device node that is open. */
interface DeviceFile {
  ioctl(request: number, argument: DataView): number;
  map(offset: number, access: "read-only" | "read-write"): Mapping;
  /** Bytes that wait to be read. */
  readonly unread: Uint8Array[];
  write(bytes: Uint8Array): void;
  close(): void;
}

interface Readable {
  readonly told: Runnable;
  queued: boolean;
}

export interface XenKernelOptions {
  /** The domain that the process runs in. */
  readonly domain: InProcessDomain;
  readonly xenstored: Xenstored;
  readonly scheduler: Scheduler;
}

export class XenKernel implements HostCalls {
  readonly #options: XenKernelOptions;
  readonly #files = new Map<number, DeviceFile>();
  readonly #polls = new Map<number, Readable>();
  readonly #memory: { readonly address: number; readonly bytes: Uint8Array }[] = [];
  #address = ADDRESSES;
  #descriptor = 3;
  /** Device nodes of modules that are not loaded. */
  readonly missing = new Set<string>();
  /** Calls of ioctl by request. */
  readonly requests = new Map<number, number>();

  constructor(options: XenKernelOptions) {
    this.#options = options;
  }

  /** Files that are open. */
  get openFiles(): number {
    return this.#files.size;
  }

  open(path: string): number {
    const descriptor = this.#descriptor++;
    const readable = () => this.#wake(descriptor);
    const file = this.#device(path, readable);
    this.#files.set(descriptor, file);
    return descriptor;
  }

  ioctl(descriptor: number, request: number, argument: Uint8Array): number {
    this.requests.set(request, (this.requests.get(request) ?? 0) + 1);
    const view = new DataView(argument.buffer, argument.byteOffset, argument.byteLength);
    if (view.byteLength !== request >>> 16)
      throw new Error(`request ${request.toString(16)} of ${view.byteLength} bytes`);
    return this.#file(descriptor).ioctl(request, view);
  }

  poll(descriptor: number, readable: () => void): { close(): void } {
    const poll = { told: { run: () => this.#tell(descriptor, readable) }, queued: false };
    this.#polls.set(descriptor, poll);
    this.#wake(descriptor);
    return { close: () => void this.#polls.delete(descriptor) };
  }

  map(descriptor: number, offset: number, _length: number, access: "read-only" | "read-write") {
    const { bytes, unmap } = this.#file(descriptor).map(offset, access);
    return { bytes, address: this.#place(bytes), release: unmap };
  }

  allocate(length: number) {
    const bytes = new Uint8Array(length);
    return { bytes, address: this.#place(bytes), release: () => {} };
  }

  read(descriptor: number, target: Uint8Array): number {
    const { unread } = this.#file(descriptor);
    const [piece] = unread;
    if (piece === undefined) return 0;
    const taken = piece.subarray(0, target.length);
    target.set(taken);
    if (taken.length === piece.length) unread.shift();
    else unread[0] = piece.subarray(taken.length);
    return taken.length;
  }

  write(descriptor: number, bytes: Uint8Array): void {
    this.#file(descriptor).write(bytes);
  }

  close(descriptor: number): void {
    this.#file(descriptor).close();
    this.#files.delete(descriptor);
  }

  /** The bytes at an address of the process. */
  at(address: number, length: number): Uint8Array {
    const found = this.#memory.find(
      ({ address: base, bytes }) => address >= base && address + length <= base + bytes.length,
    );
    if (found === undefined) throw new SystemCallError("ioctl", EINVAL);
    return found.bytes.subarray(address - found.address, address - found.address + length);
  }

  #device(path: string, readable: () => void): DeviceFile {
    const { domain, xenstored } = this.#options;
    if (this.missing.has(path)) throw new NoXenHost(`${path}: no such device`);
    if (path === "/dev/xen/gntdev") return new GrantDevice(domain, (address, length) => this.at(address, length));
    if (path === "/dev/xen/gntalloc") return new PageDevice(domain);
    if (path === "/dev/xen/evtchn") return new EventDevice(domain, readable);
    if (path === "/dev/xen/xenbus") return new StoreDevice(domain.id, xenstored, readable);
    throw new Error(`${path}: no such device`);
  }

  #file(descriptor: number): DeviceFile {
    const file = this.#files.get(descriptor);
    if (file === undefined) throw new SystemCallError("ioctl", EBADF);
    return file;
  }

  #wake(descriptor: number): void {
    const poll = this.#polls.get(descriptor);
    if (poll === undefined || poll.queued || this.#file(descriptor).unread.length === 0) return;
    poll.queued = true;
    this.#options.scheduler.soon(poll.told);
  }

  #tell(descriptor: number, readable: () => void): void {
    const poll = this.#polls.get(descriptor);
    if (poll === undefined) return;
    poll.queued = false;
    readable();
    if (this.#polls.has(descriptor)) this.#wake(descriptor);
  }

  #place(bytes: Uint8Array): number {
    const address = this.#address;
    this.#memory.push({ address, bytes });
    this.#address += Math.ceil(bytes.length / 4096) * 4096;
    return address;
  }
}

/** The domain of a process in `dom0`, over a kernel that is played. */
export async function openPlayedHost(world: XenWorld, dom0: InProcessDomain) {
  const { xenstored, simulation: scheduler } = world;
  const kernel = new XenKernel({ domain: dom0, xenstored, scheduler });
  await world.write({ [`/local/domain/${dom0.id}/domid`]: String(dom0.id) });
  const host = await world.done(openHostDomain({ calls: kernel, scheduler }));
  return { host, kernel };
}

const COPY_SEGMENT = 24;
/** UNMAP_NOTIFY_SEND_EVENT. */
const SEND_EVENT = 2;

/** A grant that may be mapped, or is. */
interface AskedGrant {
  readonly domid: number;
  readonly reference: number;
  /** The port that is to be notified when it is mapped no more; 0 for none. */
  port: number;
}

class GrantDevice implements DeviceFile {
  readonly unread: Uint8Array[] = [];
  readonly #domain: InProcessDomain;
  readonly #at: (address: number, length: number) => Uint8Array;
  readonly #asked = new Map<number, AskedGrant>();
  #index = INDICES;

  constructor(domain: InProcessDomain, at: (address: number, length: number) => Uint8Array) {
    this.#domain = domain;
    this.#at = at;
  }

  ioctl(request: number, argument: DataView): number {
    if (request === 0x184700) return this.#ask(argument);
    if (request === 0x104701) return this.#forget(argument);
    if (request === 0x104707) return this.#notifyAtEnd(argument);
    if (request === 0x104708) return this.#copyAll(argument);
    throw new SystemCallError("ioctl", EINVAL);
  }

  map(offset: number, access: "read-only" | "read-write"): Mapping {
    const asked = this.#asked.get(offset);
    if (asked === undefined) throw new SystemCallError("mmap", EINVAL);
    const page = this.#domain.grants.map(asked.domid, asked.reference, access);
    if (typeof page === "number") throw new SystemCallError("mmap", EINVAL);
    return { bytes: page.bytes, unmap: () => void this.#domain.grants.unmap(page) };
  }

  write(): void {
    throw new SystemCallError("write", EINVAL);
  }

  close(): void {
    if (this.#asked.size > 0) throw new Error(`${this.#asked.size} grants were not unmapped`);
  }

  #ask(argument: DataView): number {
    if (argument.getUint32(0, true) !== 1) throw new SystemCallError("ioctl", EINVAL);
    const index = this.#index;
    this.#index += 4096;
    argument.setBigUint64(8, BigInt(index), true);
    this.#asked.set(index, { domid: argument.getUint32(16, true), reference: argument.getUint32(20, true), port: 0 });
    return 0;
  }

  #forget(argument: DataView): number {
    const index = Number(argument.getBigUint64(0, true));
    const asked = this.#asked.get(index);
    if (argument.getUint32(8, true) !== 1 || asked === undefined) throw new SystemCallError("ioctl", EINVAL);
    this.#asked.delete(index);
    if (asked.port !== 0) this.#domain.events.notify(asked.port);
    return 0;
  }

  #notifyAtEnd(argument: DataView): number {
    const asked = this.#asked.get(Number(argument.getBigUint64(0, true)));
    const port = argument.getUint32(12, true);
    if (asked === undefined || argument.getUint32(8, true) !== SEND_EVENT) throw new SystemCallError("ioctl", EINVAL);
    if (this.#domain.events.state(port) === "closed") throw new SystemCallError("ioctl", EINVAL);
    asked.port = port;
    return 0;
  }

  #copyAll(argument: DataView): number {
    const count = argument.getUint32(0, true);
    const bytes = this.#at(Number(argument.getBigUint64(8, true)), count * COPY_SEGMENT);
    for (let i = 0; i < count; i++) {
      const segment = new DataView(bytes.buffer, bytes.byteOffset + i * COPY_SEGMENT, COPY_SEGMENT);
      segment.setInt16(20, this.#copy(segment), true);
    }
    return 0;
  }

  /** One side is granted, the other the process' own. */
  #copy(segment: DataView): number {
    const length = segment.getUint16(16, true);
    const flags = segment.getUint16(18, true);
    const incoming = flags === GrantCopyFlags.sourceGref;
    if (!incoming && flags !== GrantCopyFlags.destGref) throw new SystemCallError("ioctl", EINVAL);
    const [theirs, ours] = incoming ? [0, 8] : [8, 0];
    const reference = segment.getUint32(theirs, true);
    const offset = segment.getUint16(theirs + 4, true);
    if (offset + length > 4096) return GrantStatus.badCopyArgument;
    const page = this.#domain.grants.map(
      segment.getUint16(theirs + 6, true),
      reference,
      incoming ? "read-only" : "read-write",
    );
    if (typeof page === "number") return page;
    const own = this.#at(Number(segment.getBigUint64(ours, true)), length);
    const granted = page.bytes.subarray(offset, offset + length);
    if (incoming) own.set(granted);
    else granted.set(own);
    this.#domain.grants.unmap(page);
    return GrantStatus.okay;
  }
}

/** A page that is granted, for as long as the file or a mapping has it. */
interface AllocatedPage {
  readonly page: Page;
  readonly reference: number;
  users: number;
}

class PageDevice implements DeviceFile {
  readonly unread: Uint8Array[] = [];
  readonly #domain: InProcessDomain;
  readonly #pages = new Map<number, AllocatedPage>();
  #index = INDICES;

  constructor(domain: InProcessDomain) {
    this.#domain = domain;
  }

  ioctl(request: number, argument: DataView): number {
    if (request === 0x184705) return this.#allocate(argument);
    if (request === 0x104706) return this.#giveBack(argument);
    throw new SystemCallError("ioctl", EINVAL);
  }

  map(offset: number): Mapping {
    const allocated = this.#pages.get(offset);
    if (allocated === undefined) throw new SystemCallError("mmap", EINVAL);
    allocated.users += 1;
    return { bytes: allocated.page.bytes, unmap: () => this.#leave(allocated) };
  }

  write(): void {
    throw new SystemCallError("write", EINVAL);
  }

  close(): void {
    if (this.#pages.size > 0) throw new Error(`${this.#pages.size} pages were not given back`);
  }

  #allocate(argument: DataView): number {
    if (argument.getUint32(4, true) !== 1) throw new SystemCallError("ioctl", EINVAL);
    const [page] = this.#newPage();
    const access = argument.getUint16(2, true) === 1 ? "read-write" : "read-only";
    const reference = this.#domain.grants.grant(argument.getUint16(0, true), page, access);
    const index = this.#index;
    this.#index += 4096;
    argument.setBigUint64(8, BigInt(index), true);
    argument.setUint32(16, reference, true);
    this.#pages.set(index, { page, reference, users: 1 });
    return 0;
  }

  #newPage(): Page[] {
    try {
      return this.#domain.allocatePages(1);
    } catch {
      throw new SystemCallError("ioctl", ENOSPC);
    }
  }

  #giveBack(argument: DataView): number {
    const index = Number(argument.getBigUint64(0, true));
    const allocated = this.#pages.get(index);
    if (argument.getUint32(8, true) !== 1 || allocated === undefined) throw new SystemCallError("ioctl", EINVAL);
    this.#pages.delete(index);
    this.#leave(allocated);
    return 0;
  }

  /** Linux tries again each second to end a grant that is in use; here it ends with the domain. */
  #leave(allocated: AllocatedPage): void {
    allocated.users -= 1;
    if (allocated.users > 0 || !this.#domain.grants.revoke(allocated.reference)) return;
    this.#domain.freePages([allocated.page]);
  }
}

class EventDevice implements DeviceFile {
  readonly unread: Uint8Array[] = [];
  readonly #domain: InProcessDomain;
  readonly #readable: () => void;
  readonly #ports = new Set<number>();

  constructor(domain: InProcessDomain, readable: () => void) {
    this.#domain = domain;
    this.#readable = readable;
  }

  ioctl(request: number, argument: DataView): number {
    const { events } = this.#domain;
    const first = argument.getUint32(0, true);
    if (request === 0x084501) return this.#bound(events.bindInterdomain(first, argument.getUint32(4, true)));
    if (request === 0x044502) return this.#bound(events.allocateUnbound(first));
    if (!this.#ports.has(first)) throw new SystemCallError("ioctl", EINVAL);
    if (request === 0x044503) this.#unbind(first);
    else if (request === 0x044504) events.notify(first);
    else throw new SystemCallError("ioctl", EINVAL);
    return 0;
  }

  map(): never {
    throw new SystemCallError("mmap", EINVAL);
  }

  /** Ports that are to be heard again. */
  write(bytes: Uint8Array): void {
    const ports = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length; at += 4) this.#domain.events.unmask(ports.getUint32(at, true));
  }

  close(): void {
    for (const port of this.#ports) this.#domain.events.close(port);
  }

  #bound(port: number | string): number {
    if (typeof port === "string") throw new SystemCallError("ioctl", ERRNO[port] ?? EAGAIN);
    this.#ports.add(port);
    this.#domain.events.listen(port, { run: () => this.#raised(port) });
    return port;
  }

  #unbind(port: number): void {
    this.#ports.delete(port);
    this.#domain.events.close(port);
  }

  #raised(port: number): void {
    this.#domain.events.mask(port);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, port, true);
    this.unread.push(bytes);
    this.#readable();
  }
}

const ERRNO: Readonly<Record<string, number>> = { EPERM: 1, ENOENT: 2, ESRCH: 3, EINVAL, ENOSPC };

/** Types of messages: watch and unwatch, which Linux sends itself, and an event. */
const WATCHES: readonly number[] = [4, 5];
const WATCH_EVENT = 15;

function wordAt(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
}

class StoreDevice implements DeviceFile {
  readonly unread: Uint8Array[] = [];
  readonly #connection;
  #unanswered = 0;

  constructor(domain: number, xenstored: Xenstored, readable: () => void) {
    this.#connection = xenstored.connect({ domain, privileged: domain === 0 }, (bytes) => {
      for (let at = 0; at < bytes.length; at += 16 + wordAt(bytes, at + 12)) {
        if (wordAt(bytes, at) !== WATCH_EVENT) this.#unanswered -= 1;
      }
      this.unread.push(bytes.slice());
      readable();
      return true;
    });
  }

  ioctl(): never {
    throw new SystemCallError("ioctl", EINVAL);
  }

  map(): never {
    throw new SystemCallError("mmap", EINVAL);
  }

  write(bytes: Uint8Array): void {
    if (WATCHES.includes(wordAt(bytes, 0)) && this.#unanswered > 0) {
      throw new Error("all of xenbus hangs: a watch was written before the requests in front of it were answered");
    }
    this.#unanswered += 1;
    this.#connection.receive(bytes.slice());
  }

  close(): void {
    this.#connection.close();
  }
}
