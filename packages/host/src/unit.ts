// Knows one LUN of the host from its first user to its last: opened when it is wanted, refused when it is taken.

import { formatSize, misfit } from "@pvscsi/config";
import { type Fault, type Library, type OpenedDevice, type OpenedFor, StoreError } from "@pvscsi/scsi";
import { assert } from "@pvscsi/wire";
import type { Surroundings } from "./backing.js";
import { CdromStarter } from "./cdrom-unit.js";
import { DiskStarter } from "./disk-unit.js";
import { FileStore } from "./file-store.js";
import { LibraryStarter } from "./library-unit.js";
import { type NamedLun, titleOf } from "./names.js";
import { PassedStarter } from "./passed-unit.js";
import type { Running, Starter } from "./running.js";
import { ServiceStarter } from "./service-unit.js";
import { TapeStarter } from "./tape-unit.js";

/** What a LUN is whose size nobody here changes. */
const WITHOUT_BYTES = {
  disk: "is a real device",
  tape: "is a tape",
  changer: "is a library",
  cdrom: "is a drive",
  enclosure: "keeps nothing",
  controller: "keeps nothing",
} as const;

/** One LUN and its users. */
export class HostUnit {
  readonly named: NamedLun;
  readonly users: OpenedFor[] = [];
  readonly #starter: Starter;
  #running: Promise<Running> | null = null;
  #closing: Promise<void> = Promise.resolve();

  constructor(named: NamedLun, faults: readonly Fault[], surroundings: Surroundings) {
    const { backing } = named.lun;
    this.named = named;
    if (backing.kind === "device" || backing.kind === "iscsi") {
      this.#starter = new PassedStarter(named, backing, surroundings);
    } else if (backing.kind === "nbd") {
      this.#starter = new DiskStarter(named, backing, faults, surroundings);
    } else if (backing.kind === "library") {
      this.#starter = new LibraryStarter(named, backing.library, surroundings);
    } else if (backing.kind === "enclosure" || backing.kind === "controller") {
      const enclosure = backing.kind === "enclosure" ? backing.enclosure : null;
      this.#starter = new ServiceStarter(named, enclosure, surroundings);
    } else if (named.lun.type === "cdrom") this.#starter = new CdromStarter(named, backing, faults, surroundings);
    else if (backing.kind === "empty") assert(false, "only a CD/DVD drive is empty");
    else if (named.lun.type === "tape") this.#starter = new TapeStarter(named, backing, faults, surroundings);
    else this.#starter = new DiskStarter(named, backing, faults, surroundings);
  }

  /** The file its reservations are kept in; null where they are not. */
  get reservations(): string | null {
    return this.#starter.reservations;
  }

  /** `0:0:1:0 (/dev/sdb)`. */
  get title(): string {
    return titleOf(this.named);
  }

  /** Why it cannot be given to one more user, or null. */
  get taken(): string | null {
    const [user] = this.users;
    if (user === undefined || this.named.lun.shareable) return null;
    return `${this.title} is in use by domain ${user.domain} as ${user.virtualDevice}, and not shareable`;
  }

  async open(user: OpenedFor): Promise<OpenedDevice | string> {
    const { taken } = this;
    if (taken !== null) return taken;
    // Entered before anything is awaited: of two who ask at the same time one is refused.
    this.users.push(user);
    this.#running ??= this.#start();
    const running = this.#running;
    try {
      const { logicalUnit } = await running;
      return { logicalUnit, release: () => this.#release(user) };
    } catch (error) {
      this.#forget(user);
      if (this.#running === running) this.#running = null;
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  /** Looks whether the file behind it has another size now. */
  async refresh(): Promise<void> {
    const running = await this.#running;
    if (running?.bytes instanceof FileStore) await running.bytes.refresh();
  }

  /** Makes it longer for all its users, who hear of it through SCSI; gives why it cannot be, in words, or null. */
  async grow(size: number): Promise<string | null> {
    const { lun } = this.named;
    if (lun.readOnly) return `${this.title} is read-only`;
    const expecting = misfit(size, { blockSize: lun.blockSize });
    if (expecting !== undefined) return `invalid size ${size}, expected ${expecting}`;
    if (this.#running === null) return `${this.title} is not in use`;
    try {
      const { bytes } = await this.#running;
      if (bytes === null) return `${this.title} ${WITHOUT_BYTES[lun.type]}, which has the size it has`;
      if (size < bytes.size) return `${this.title} has ${formatSize(bytes.size)}: a LUN is not made smaller`;
      if (size > bytes.size) await bytes.grow(size);
      return null;
    } catch (error) {
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  /** The library whose changer it is; in words why there is none. */
  async library(): Promise<Library | string> {
    const { type } = this.named.lun;
    if (!(this.#starter instanceof LibraryStarter) || type !== "changer") return `${this.title} is no changer`;
    try {
      return await this.#starter.library.open();
    } catch (error) {
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  /** Puts the disc whose image is at a path in; gives why it cannot be, in words, or null. */
  async insert(path: string): Promise<string | null> {
    return this.#exchange(this.#starter.insert?.bind(this.#starter, path));
  }

  /** Takes the disc out; likewise. */
  async eject(): Promise<string | null> {
    return this.#exchange(this.#starter.eject?.bind(this.#starter));
  }

  async #exchange(act: (() => Promise<void>) | undefined): Promise<string | null> {
    if (act === undefined) return `${this.title} is no CD/DVD drive`;
    await this.#running?.catch(() => {});
    try {
      await act();
      return null;
    } catch (error) {
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  async #start(): Promise<Running> {
    await this.#closing;
    return this.#starter.start();
  }

  #forget(user: OpenedFor): void {
    const index = this.users.indexOf(user);
    assert(index >= 0, `${this.title} was given back twice`);
    this.users.splice(index, 1);
  }

  async #release(user: OpenedFor): Promise<void> {
    this.#forget(user);
    if (this.users.length > 0 || this.#running === null) return;
    const closed = this.#running.then(({ logicalUnit }) => logicalUnit.close());
    this.#running = null;
    // The next one to open waits for it, and does not suffer from how it ended.
    this.#closing = closed.catch(() => {});
    await closed;
  }
}
