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
import { behindPath } from "./path-unit.js";
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

/** A LUN between its first user and its last, whichever paths those have to it. */
interface Use {
  readonly starter: Starter;
  readonly users: OpenedFor[];
  running: Promise<Running> | null;
  closing: Promise<void>;
}

/** One LUN, or one of the paths to it, and its users. */
export class HostUnit {
  readonly named: NamedLun;
  /** Those who have it by this path. */
  readonly users: OpenedFor[] = [];
  readonly #use: Use;
  readonly #path = { gone: false };

  /** `sibling` is another path to the same LUN. */
  constructor(named: NamedLun, faults: readonly Fault[], surroundings: Surroundings, sibling?: HostUnit) {
    this.named = named;
    if (sibling !== undefined) this.#use = sibling.#use;
    else
      this.#use = {
        starter: starterOf(named, faults, surroundings),
        users: [],
        running: null,
        closing: Promise.resolve(),
      };
  }

  /** The file its reservations are kept in; null where they are not. */
  get reservations(): string | null {
    return this.#use.starter.reservations;
  }

  /** `0:0:1:0 (/dev/sdb)`. */
  get title(): string {
    return titleOf(this.named);
  }

  /** Why it cannot be given to one more user, or null. */
  get taken(): string | null {
    const [user] = this.#use.users;
    if (user === undefined || this.named.lun.shareable) return null;
    return `${this.title} is in use by domain ${user.domain} as ${user.virtualDevice}, and not shareable`;
  }

  /** Whether both are paths to one LUN. */
  isSameAs(other: HostUnit): boolean {
    return other.#use === this.#use;
  }

  /** The path is no more: there is no LUN for those who have it. */
  cut(): void {
    this.#path.gone = true;
  }

  async open(user: OpenedFor): Promise<OpenedDevice | string> {
    const { taken } = this;
    if (taken !== null) return taken;
    // Entered before anything is awaited: of two who ask at the same time one is refused.
    this.users.push(user);
    this.#use.users.push(user);
    this.#use.running ??= this.#start();
    const running = this.#use.running;
    try {
      const { logicalUnit: whole } = await running;
      const logicalUnit = this.named.lun.path === undefined ? whole : behindPath(whole, this.#path);
      return { logicalUnit, release: () => this.#release(user) };
    } catch (error) {
      this.#forget(user);
      if (this.#use.running === running) this.#use.running = null;
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  /** Looks whether the file behind it has another size now. */
  async refresh(): Promise<void> {
    const running = await this.#use.running;
    if (running?.bytes instanceof FileStore) await running.bytes.refresh();
  }

  /** Makes it longer for all its users, who hear of it through SCSI; gives why it cannot be, in words, or null. */
  async grow(size: number): Promise<string | null> {
    const { lun } = this.named;
    if (lun.readOnly) return `${this.title} is read-only`;
    const expecting = misfit(size, { blockSize: lun.blockSize });
    if (expecting !== undefined) return `invalid size ${size}, expected ${expecting}`;
    if (this.#use.running === null) return `${this.title} is not in use`;
    try {
      const { bytes } = await this.#use.running;
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
    if (!(this.#use.starter instanceof LibraryStarter) || type !== "changer") return `${this.title} is no changer`;
    try {
      return await this.#use.starter.library.open();
    } catch (error) {
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  /** Puts the disc whose image is at a path in; gives why it cannot be, in words, or null. */
  async insert(path: string): Promise<string | null> {
    return this.#exchange(this.#use.starter.insert?.bind(this.#use.starter, path));
  }

  /** Takes the disc out; likewise. */
  async eject(): Promise<string | null> {
    return this.#exchange(this.#use.starter.eject?.bind(this.#use.starter));
  }

  async #exchange(act: (() => Promise<void>) | undefined): Promise<string | null> {
    if (act === undefined) return `${this.title} is no CD/DVD drive`;
    await this.#use.running?.catch(() => {});
    try {
      await act();
      return null;
    } catch (error) {
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  async #start(): Promise<Running> {
    await this.#use.closing;
    return this.#use.starter.start();
  }

  #forget(user: OpenedFor): void {
    for (const users of [this.users, this.#use.users]) {
      const index = users.indexOf(user);
      assert(index >= 0, `${this.title} was given back twice`);
      users.splice(index, 1);
    }
  }

  async #release(user: OpenedFor): Promise<void> {
    this.#forget(user);
    if (this.#use.users.length > 0 || this.#use.running === null) return;
    const closed = this.#use.running.then(({ logicalUnit }) => logicalUnit.close());
    this.#use.running = null;
    // The next one to open waits for it, and does not suffer from how it ended.
    this.#use.closing = closed.catch(() => {});
    await closed;
  }
}

function starterOf(named: NamedLun, faults: readonly Fault[], surroundings: Surroundings): Starter {
  const { backing } = named.lun;
  switch (backing.kind) {
    case "device":
    case "iscsi":
      return new PassedStarter(named, backing, surroundings);
    case "nbd":
      return new DiskStarter(named, backing, faults, surroundings);
    case "library":
      return new LibraryStarter(named, backing.library, surroundings);
    case "enclosure":
      return new ServiceStarter(named, backing.enclosure, surroundings);
    case "controller":
      return new ServiceStarter(named, null, surroundings);
  }
  if (named.lun.type === "cdrom") return new CdromStarter(named, backing, faults, surroundings);
  if (backing.kind === "empty") assert(false, "only a CD/DVD drive is empty");
  if (named.lun.type === "tape") return new TapeStarter(named, backing, faults, surroundings);
  return new DiskStarter(named, backing, faults, surroundings);
}
