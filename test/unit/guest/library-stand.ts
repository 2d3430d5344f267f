// Knows a tape library for tests of a guest: a changer, two drives with real tapes in memory, a CD drive and a shelf, one LUN each.

import {
  createCdrom,
  createChanger,
  createEnclosure,
  createTape,
  directAdapter,
  Library,
  type LibraryDrive,
  LoadedTape,
  MemoryCartridge,
  MemoryStore,
  Target,
  unitDesignators,
} from "@pvscsi/scsi";
import { MIB, Stand } from "./stand.js";

const BARCODES = ["A00001L8", "A00002L8", "A00003L8"];

type TapeDrive = ReturnType<typeof createTape>;

function identity(product: string, number: number) {
  const serial = `TEST000${number}`;
  return { blockSize: 512, vendor: "PVSCSI", product, revision: "0001", serial, wwn: `600140500000000${number}` };
}

/** A drive as the robot finds it; each cartridge keeps what was written on it. */
class Bay implements LibraryDrive {
  readonly drive: TapeDrive;
  readonly #cartridges: Map<string, MemoryCartridge>;
  barcode: string | null = null;

  constructor(drive: TapeDrive, cartridges: Map<string, MemoryCartridge>) {
    this.drive = drive;
    this.#cartridges = cartridges;
  }

  get designator() {
    return unitDesignators(this.drive.identity)[0] ?? null;
  }

  get holds(): boolean {
    return this.drive.threading === "threaded" && this.drive.tape !== null;
  }

  async insert(barcode: string): Promise<void> {
    const cartridge = this.#cartridges.get(barcode);
    if (cartridge === undefined) throw new Error(`no ${barcode}`);
    this.drive.load(await LoadedTape.of(cartridge));
  }

  async remove(): Promise<void> {
    await this.drive.unload();
  }
}

/** A guest with the changer at LUN 0, drives at 1 and 2, a CD drive at 3 and a shelf at 4. */
export async function libraryStand() {
  const cartridges = new Map(BARCODES.map((barcode) => [barcode, new MemoryCartridge(4 * MIB)]));
  const drives = [1, 2].map((number) => createTape({ ...identity("VIRTUAL TAPE", number), removable: true }));
  const bays = drives.map((drive) => new Bay(drive, cartridges));
  const library = new Library({ slots: 4, importExports: 1, drives: bays, cartridges: BARCODES });
  await library.powerOn();
  const target = new Target();
  target.add(0, createChanger({ ...identity("VIRTUAL LIBRARY", 3), removable: true, library }));
  for (const [i, drive] of drives.entries()) target.add(i + 1, drive);
  const store = new MemoryStore(MIB);
  target.add(3, createCdrom({ ...identity("VIRTUAL CD-ROM", 4), removable: true, store }));
  const shape = { slots: [], powerSupplies: 1, fans: [3000], temperatures: [25] };
  target.add(4, createEnclosure({ ...identity("VIRTUAL SHELF", 5), shape }));
  const stand = new Stand();
  const host = await stand.attach(directAdapter(target));
  return { stand, host, target, library, drives };
}
