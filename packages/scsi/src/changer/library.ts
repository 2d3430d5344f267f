// Knows a library: where its cartridges are, and how its robot carries them, one at a time and so that each is in one place whenever the
// power goes. Knows no command and no file.

import type { Keeper } from "../keeper.js";
import { SENSE, type Sense } from "../sense.js";
import { StoreError } from "../store.js";
import { type Element, type ElementCounts, type ElementKind, makeElements } from "./elements.js";
import { readInventory, writeInventory } from "./kept.js";

export interface LibraryOptions extends ElementCounts {
  /** Barcodes of the cartridges that are in the first slots where nothing was kept. */
  readonly cartridges: readonly string[];
  /** Keeps where they are through a loss of power; without it they are where they were at first. */
  readonly keeper?: Keeper | undefined;
}

/** What the changer's device server has to say where an operator comes. */
export interface Door {
  /** PREVENT ALLOW MEDIUM REMOVAL keeps the operator out. */
  readonly prevented: boolean;
  /** An operator had an import/export element. */
  accessed(): void;
}

/** One thing that the robot does when its turn comes; null where it has done it, else what it says. */
type Job = () => Promise<Sense | null>;

/** A job's place in the order of jobs. */
export interface Turn {
  state: "waiting" | "begun" | "withdrawn";
}

/** A cartridge on its way to an element. */
interface Carriage {
  readonly from: Element;
  readonly to: Element;
}

/** What an element holds, without the element. */
type Held = Pick<Element, "cartridge" | "source" | "imported" | "failed">;
const NOTHING: Held = { cartridge: null, source: null, imported: false, failed: false };

export class Library {
  /** In ascending order of their addresses. */
  readonly elements: readonly Element[];
  /** Set by the changer's device server. */
  door: Door | null = null;
  readonly #byAddress = new Map<number, Element>();
  readonly #keeper: Keeper | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** Throws `StoreError` for an inventory that was kept and is not of this library. */
  constructor(options: LibraryOptions) {
    this.elements = makeElements(options);
    this.#keeper = options.keeper;
    for (const element of this.elements) this.#byAddress.set(element.address, element);
    const kept = options.keeper?.kept ?? null;
    if (kept === null) this.#fill(options.cartridges);
    else this.#restore(kept);
  }

  /** Puts the cartridges into their drives; resolves when that is over, and all is kept. Rejects with `StoreError`. */
  async powerOn(): Promise<void> {
    if (this.#keeper?.kept === null) await this.#keeper.keep(writeInventory(this.elements));
    for (const element of this.elements) await load(element);
  }

  elementAt(address: number): Element | undefined {
    return this.#byAddress.get(address);
  }

  /** The transport element of an address of a CDB, where 0 is the usual one. */
  transportAt(address: number): Element | undefined {
    if (address === 0) return this.elements.find(({ kind }) => kind === "transport");
    const element = this.#byAddress.get(address);
    return element?.kind === "transport" ? element : undefined;
  }

  ofKind(wanted: ElementKind): Element[] {
    return this.elements.filter(({ kind }) => kind === wanted);
  }

  /** The element of a cartridge. */
  find(barcode: string): Element | undefined {
    return this.elements.find(({ cartridge }) => cartridge?.barcode === barcode);
  }

  /** Does something when all before it is done; `done` is not called for what is withdrawn before that. */
  enqueue(job: Job, done: (sense: Sense | null) => void): Turn {
    const turn: Turn = { state: "waiting" };
    void this.inTurn(async () => {
      if (turn.state === "withdrawn") return;
      turn.state = "begun";
      done(await this.#do(job));
    });
    return turn;
  }

  /** Does something of others when all before it is done; it ends as that does. */
  inTurn<Value>(job: () => Promise<Value>): Promise<Value> {
    const doing = this.#last.then(job);
    this.#last = doing.catch(() => {});
    return doing;
  }

  async #do(job: Job): Promise<Sense | null> {
    try {
      return await job();
    } catch (error) {
      if (error instanceof StoreError) return SENSE.internalTargetFailure;
      throw error;
    }
  }

  /** Resolves when nothing is left to be done. */
  async idle(): Promise<void> {
    await this.#last;
  }

  /** MOVE MEDIUM (SMC-3 6.4): what keeps it from being done, or null. */
  async move(from: Element, to: Element): Promise<Sense | null> {
    const refusal = refusalToTake(from) ?? (to === from ? null : refusalToPut(to));
    if (refusal !== null || to === from) return refusal;
    return this.#carry([{ from, to }]);
  }

  /** EXCHANGE MEDIUM (SMC-3 6.2): what is in `first` goes to `second`, which may be `from`, and what is in `from` goes to `first`. */
  async exchange(from: Element, first: Element, second: Element): Promise<Sense | null> {
    const refusal =
      refusalToTake(from) ?? refusalToTake(first) ?? (second === from ? notAccessible(second) : refusalToPut(second));
    if (refusal !== null) return refusal;
    return this.#carry([
      { from: first, to: second },
      { from, to: first },
    ]);
  }

  /** An operator puts a cartridge into the first import/export element that is free; in words why not, or the address. */
  putIn(barcode: string): Promise<string | number> {
    return this.inTurn(async () => {
      if (this.find(barcode) !== undefined) return `${barcode} is in the library already`;
      const free = this.ofKind("importExport").find(({ cartridge }) => cartridge === null);
      if (free === undefined) return "no import/export element is free";
      return await this.#operate(free, { ...NOTHING, cartridge: { barcode }, imported: true });
    });
  }

  /** An operator takes a cartridge out of its import/export element; in words why not, or the address. */
  takeOut(barcode: string): Promise<string | number> {
    return this.inTurn(async () => {
      const element = this.find(barcode);
      if (element === undefined) return `${barcode} is not in the library`;
      if (element.kind === "importExport") return await this.#operate(element, NOTHING);
      return `${barcode} is in element ${element.address}, which is no import/export element`;
    });
  }

  async #operate(element: Element, held: Held): Promise<string | number> {
    if (this.door?.prevented === true) return "an initiator prevents that cartridges are put in and taken out";
    try {
      await this.#commit([[element, held]]);
    } catch (error) {
      if (error instanceof StoreError) return error.message;
      throw error;
    }
    this.door?.accessed();
    return element.address;
  }

  /** All carriages are one step for whoever asks later, also after a loss of power in the midst of them. */
  async #carry(carriages: readonly Carriage[]): Promise<Sense | null> {
    const emptied = carriages.map(({ from }): [Element, Held] => [from, NOTHING]);
    const filled = carriages.map(({ from, to }): [Element, Held] => [to, arriving(from)]);
    try {
      for (const { from } of carriages) await from.drive?.remove();
      await this.#commit([...emptied, ...filled]);
    } finally {
      for (const element of new Set(carriages.flatMap(({ from, to }) => [from, to]))) await load(element);
    }
    return carriages.some(({ to }) => to.failed) ? SENSE.loadOrEjectFailed : null;
  }

  /** Changes what elements hold when it is kept that they do; rejects with `StoreError`, and nothing has changed, where it is not. */
  async #commit(changes: readonly [Element, Held][]): Promise<void> {
    const before = changes.map(([element]): [Element, Held] => [element, heldBy(element)]);
    for (const [element, held] of changes) Object.assign(element, held);
    try {
      await this.#keeper?.keep(writeInventory(this.elements));
    } catch (cause) {
      for (const [element, held] of before) Object.assign(element, held);
      throw new StoreError("hardware", "where the cartridges are could not be kept", { cause });
    }
  }

  #fill(barcodes: readonly string[]): void {
    const slots = this.ofKind("storage");
    for (const [index, barcode] of barcodes.entries()) slots[index].cartridge = { barcode };
  }

  #restore(text: string): void {
    for (const { address, barcode, source, imported } of readInventory(text)) {
      const element = this.#byAddress.get(address);
      if (element === undefined || element.kind === "transport") {
        throw new StoreError("hardware", `${barcode} is in element ${address}, which this library has not`);
      }
      Object.assign(element, { cartridge: { barcode }, source, imported });
    }
  }
}

function heldBy({ cartridge, source, imported, failed }: Element): Held {
  return { cartridge, source, imported, failed };
}

/** What is the last storage or import/export element of a cartridge that leaves (SVALID, SMC-3 table 24). */
function arriving({ kind, address, cartridge, source }: Element): Held {
  return { ...NOTHING, cartridge, source: kind === "drive" ? source : address };
}

/** A cartridge that its drive cannot use is in it nevertheless, and element status says so. */
async function load(element: Element): Promise<void> {
  const { drive, cartridge } = element;
  if (drive === null || cartridge === null) return;
  try {
    await drive.insert(cartridge.barcode);
    element.failed = false;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    element.failed = true;
  }
}

function notAccessible({ open }: Element): Sense | null {
  return open ? SENSE.mediumMagazineNotAccessible : null;
}

function refusalToTake(element: Element): Sense | null {
  if (element.cartridge === null) return SENSE.sourceElementEmpty;
  if (element.drive?.holds === true) return SENSE.removalPreventedByDrive;
  return notAccessible(element);
}

function refusalToPut(element: Element): Sense | null {
  return element.cartridge === null ? notAccessible(element) : SENSE.destinationElementFull;
}
