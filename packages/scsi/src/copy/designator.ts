// Knows designation descriptors: the names of a logical unit and of what leads to it, as VPD page 83h (SPC-4 7.8.6) and EXTENDED
// COPY write them.

/** What a name is of. */
export const Association = { unit: 0, port: 1, device: 2 } as const;

export const DesignatorType = { t10: 0x1, eui64: 0x2, naa: 0x3, relativePort: 0x4, portGroup: 0x5, name: 0x8 } as const;

/** How the bytes of a name are to be read. */
export const CodeSet = { binary: 1, ascii: 2, utf8: 3 } as const;

export interface Designator {
  readonly codeSet: number;
  readonly association: number;
  readonly type: number;
  readonly bytes: Uint8Array;
}

export const DESIGNATOR_HEADER = 4;

/** Reads the descriptor at `at`, whose bytes are all there; the protocol identifier is not looked at. */
export function readDesignator(bytes: Uint8Array, at: number): Designator {
  const begin = at + DESIGNATOR_HEADER;
  return {
    codeSet: bytes[at] & 0x0f,
    association: (bytes[at + 1] >>> 4) & 0x03,
    type: bytes[at + 1] & 0x0f,
    bytes: bytes.slice(begin, begin + bytes[at + 3]),
  };
}

export function sameDesignator(one: Designator, other: Designator): boolean {
  return (
    one.codeSet === other.codeSet &&
    one.association === other.association &&
    one.type === other.type &&
    one.bytes.length === other.bytes.length &&
    one.bytes.every((byte, index) => byte === other.bytes[index])
  );
}

/** Writes the descriptor at `at`; returns where the next one goes. */
export function writeDesignator(
  bytes: Uint8Array,
  at: number,
  { codeSet, association, type, bytes: name }: Designator,
): number {
  bytes[at] = codeSet;
  bytes[at + 1] = (association << 4) | type;
  bytes[at + 2] = 0;
  bytes[at + 3] = name.length;
  bytes.set(name, at + DESIGNATOR_HEADER);
  return at + DESIGNATOR_HEADER + name.length;
}
