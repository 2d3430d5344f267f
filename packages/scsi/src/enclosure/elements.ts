// Knows the elements of an enclosure, kind by kind: what each reports, and what of it an initiator can ask for (SES-3 7.3).

import { put16 } from "../big-endian.js";

/** What is in a slot now: the device's NAA name in hex digits, or null. */
export interface SlotView {
  readonly name: string;
  readonly occupant: () => string | null;
}

export interface EnclosureShape {
  readonly slots: readonly SlotView[];
  readonly powerSupplies: number;
  /** Revolutions per minute of each fan. */
  readonly fans: readonly number[];
  /** Degrees Celsius at each sensor, -19 to 235. */
  readonly temperatures: readonly number[];
}

export interface EnclosureElement {
  /** What page 07h calls it. */
  readonly name: string;
  /** What lights; asked for by page 02h, and told there. */
  identify: boolean;
  fault: boolean;
  /** Sets the four bytes of its status, which are zero. */
  readonly write: (bytes: Uint8Array) => void;
}

export interface ElementGroup {
  /** ELEMENT TYPE (SES-3 table 71). */
  readonly type: number;
  readonly name: string;
  /** Where the control element has RQST IDENT, and the status element IDENT. */
  readonly identify: Bit;
  /** RQST FAULT, which is told where it was asked for; null where the kind has none. */
  readonly fault: Bit | null;
  readonly elements: readonly EnclosureElement[];
  /** Of them those that are array device slots; empty for all other kinds. */
  readonly slots: readonly SlotView[];
}

interface Bit {
  readonly byte: number;
  readonly mask: number;
}

/** ELEMENT STATUS CODE. */
const OK = 0x1;
const NOT_INSTALLED = 0x5;

const FIRST_BYTE: Bit = { byte: 1, mask: 0x80 };
const SLOT = { identify: { byte: 2, mask: 0x02 }, fault: { byte: 3, mask: 0x20 } } as const;

/** The groups in the order in which pages have them; those without an element are left out. */
export function groupsOf({ slots, powerSupplies, fans, temperatures }: EnclosureShape): ElementGroup[] {
  const plain = { identify: FIRST_BYTE, fault: null, slots: [] };
  const all: ElementGroup[] = [
    { type: 0x17, name: "Array device slots", ...SLOT, slots, elements: slots.map(slotElement) },
    {
      type: 0x02,
      name: "Power supplies",
      ...plain,
      elements: named("Power supply", Array(powerSupplies).fill(null), writeSupply),
    },
    { type: 0x03, name: "Fans", ...plain, elements: named("Fan", fans, writeFan) },
    {
      type: 0x04,
      name: "Temperature sensors",
      ...plain,
      elements: named("Temperature", temperatures, writeTemperature),
    },
  ];
  return all.filter(({ elements }) => elements.length > 0);
}

function named<Value>(
  name: string,
  values: readonly Value[],
  write: (bytes: Uint8Array, value: Value) => void,
): EnclosureElement[] {
  return values.map((value, index) => ({
    name: `${name} ${index + 1}`,
    identify: false,
    fault: false,
    write: (bytes) => write(bytes, value),
  }));
}

/** SES-3 7.3.3. */
function slotElement({ name, occupant }: SlotView): EnclosureElement {
  return {
    name,
    identify: false,
    fault: false,
    write: (bytes) => {
      bytes[0] = occupant() === null ? NOT_INSTALLED : OK;
    },
  };
}

const RQSTED_ON = 0x20;

/** SES-3 7.3.4. */
function writeSupply(bytes: Uint8Array): void {
  bytes[0] = OK;
  bytes[3] = RQSTED_ON;
}

const NOMINAL_SPEED = 0x04;

/** SES-3 7.3.5: the speed in tens, of eleven bits. */
function writeFan(bytes: Uint8Array, speed: number): void {
  bytes[0] = OK;
  put16(bytes, 1, Math.min(0x7ff, Math.round(speed / 10)));
  bytes[3] = RQSTED_ON | NOMINAL_SPEED;
}

/** SES-3 7.3.6: counted from 20 degrees below zero. */
function writeTemperature(bytes: Uint8Array, degrees: number): void {
  bytes[0] = OK;
  bytes[2] = degrees + 20;
}
