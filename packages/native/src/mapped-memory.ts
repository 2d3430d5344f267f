// Knows memory that was mapped: its bytes, where they are, and how their end is survived by whoever still has a view of
// them. A view of memory that is unmapped ends the process when it is touched, which nothing can catch.

/** What mapped memory needs of the platform. */
export interface MemoryCalls {
  /** Puts pages of zeros, which cost nothing until they are touched, in the place of what is mapped there. */
  replace(address: number, length: number): void;
  unmap(address: number, length: number): void;
}

interface Held {
  readonly calls: MemoryCalls;
  readonly address: number;
  readonly length: number;
}

/** The mapping ends for good when no view of it is left. */
const unreachable = new FinalizationRegistry<Held>(({ calls, address, length }) => calls.unmap(address, length));

export class MappedMemory {
  /** For as long as somebody has it, whatever `release` does. */
  readonly bytes: Uint8Array;
  /** For structs of the kernel that hold one. */
  readonly address: number;
  readonly #calls: MemoryCalls;
  readonly #length: number;
  #mapped = true;

  /** `buffer` is the view of the `length` bytes that are mapped at `address`, or of the first of them, and the only one. */
  constructor(buffer: ArrayBuffer, address: number, length: number, calls: MemoryCalls) {
    this.bytes = new Uint8Array(buffer);
    this.address = address;
    this.#calls = calls;
    this.#length = length;
    unreachable.register(buffer, { calls, address, length });
  }

  /** Ends what is mapped here: from now on the bytes are zeros that belong to nobody else. A second time it does nothing. */
  release(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    this.#calls.replace(this.address, this.#length);
  }
}
