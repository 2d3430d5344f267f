// Knows the host's tape libraries: the folder of each with its cartridges' files, where they are, and which drive is in use. Knows no guest.

import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { formatAddress, type LibraryConfig } from "@pvscsi/config";
import {
  type Designator,
  Library,
  type LibraryDrive,
  LoadedTape,
  StoreError,
  Tape,
  type TapeOptions,
} from "@pvscsi/scsi";
import type { Surroundings } from "./backing.js";
import { reasonOf } from "./file-errors.js";
import { openKeeper } from "./kept-file.js";
import { FileCartridge } from "./tape-file.js";

type Around = Pick<Surroundings, "directory" | "openFiles">;

/** Each library of a host once, opened when one of its LUNs is first wanted. */
export class HostLibraries {
  readonly #around: Around;
  readonly #libraries = new Map<LibraryConfig, HostLibrary>();

  constructor(around: Around) {
    this.#around = around;
  }

  of(config: LibraryConfig): HostLibrary {
    const known = this.#libraries.get(config);
    if (known !== undefined) return known;
    const library = new HostLibrary(config, this.#around);
    this.#libraries.set(config, library);
    return library;
  }
}

export class HostLibrary {
  readonly #config: LibraryConfig;
  readonly #around: Around;
  readonly #bays: readonly Bay[];
  #opening: Promise<Library> | null = null;

  constructor(config: LibraryConfig, around: Around) {
    this.#config = config;
    this.#around = around;
    this.#bays = config.drives.map(() => new Bay((barcode) => this.#load(barcode)));
  }

  /** Rejects with `StoreError` where its folder or what is kept in it cannot be used. */
  open(): Promise<Library> {
    this.#opening ??= this.#open().catch((error) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  /** The drive of an address, with the cartridge that is in it. Rejects with `StoreError`. */
  async openDrive(index: number, options: TapeOptions): Promise<Tape> {
    const library = await this.open();
    const bay = this.#bays[index];
    return await library.inTurn(() => bay.attach(options, (job) => library.inTurn(job)));
  }

  /** Names the drives for element status before anybody has opened one. */
  name(index: number, designator: Designator): void {
    this.#bays[index].designator = designator;
  }

  async #open(): Promise<Library> {
    const { slots, importExports, cartridges, changer } = this.#config;
    const folder = this.#folder;
    try {
      await mkdir(folder, { recursive: true });
    } catch (error) {
      throw new StoreError("hardware", `cannot make ${folder}: ${reasonOf(error)}`, { cause: error });
    }
    const path = join(folder, "inventory");
    const keeper = await openKeeper(path, "the inventory");
    try {
      const library = new Library({ slots, importExports, cartridges, drives: this.#bays, keeper });
      await library.powerOn();
      return library;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      throw new StoreError(
        "hardware",
        `the inventory of library ${formatAddress(changer)} in ${path}: ${error.message}`,
      );
    }
  }

  get #folder(): string {
    return resolve(this.#around.directory, this.#config.folder);
  }

  /** A cartridge that has no file yet is a new one. */
  async #load(barcode: string): Promise<LoadedTape> {
    const { openFiles } = this.#around;
    const cartridge = await FileCartridge.open(join(this.#folder, `${barcode}.tap`), {
      label: { barcode },
      capacity: this.#config.capacity,
      create: true,
      access: "read-write",
      sync: "writeback",
      openFiles,
    });
    try {
      return await LoadedTape.of(cartridge);
    } catch (error) {
      await cartridge.close();
      throw error;
    }
  }
}

/** Where a drive is: a cartridge may be in it while nobody uses the drive. */
class Bay implements LibraryDrive {
  designator: Designator | null = null;
  readonly #load: (barcode: string) => Promise<LoadedTape>;
  #barcode: string | null = null;
  #drive: Tape | null = null;

  constructor(load: (barcode: string) => Promise<LoadedTape>) {
    this.#load = load;
  }

  /** A drive that nobody uses has its cartridge where the robot can take it. */
  get holds(): boolean {
    return this.#drive !== null && this.#drive.tape !== null && this.#drive.threading !== "ejected";
  }

  async insert(barcode: string): Promise<void> {
    this.#barcode = barcode;
    this.#drive?.load(await this.#load(barcode));
  }

  async remove(): Promise<void> {
    this.#barcode = null;
    const tape = await this.#drive?.unload();
    await tape?.close();
  }

  /** The drive is in use until it is closed. What is in it and cannot be read stays in it, and the drive has no medium. */
  async attach(options: TapeOptions, inTurnOfRobot: (job: () => Promise<void>) => Promise<void>): Promise<Tape> {
    const drive = new LibraryTape({ ...options, tape: await this.#contents() }, (close) =>
      inTurnOfRobot(async () => {
        this.#drive = null;
        await close();
      }),
    );
    this.#drive = drive;
    return drive;
  }

  async #contents(): Promise<LoadedTape | undefined> {
    if (this.#barcode === null) return undefined;
    try {
      return await this.#load(this.#barcode);
    } catch (error) {
      if (error instanceof StoreError) return undefined;
      throw error;
    }
  }
}

/** A drive that says when it is closed. */
class LibraryTape extends Tape {
  readonly #closing: (close: () => Promise<void>) => Promise<void>;

  constructor(options: TapeOptions, closing: (close: () => Promise<void>) => Promise<void>) {
    super(options);
    this.#closing = closing;
  }

  override close(): Promise<void> {
    return this.#closing(() => super.close());
  }
}
