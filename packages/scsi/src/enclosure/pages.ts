// Knows the diagnostic pages of an enclosure (SES-3 6.1): what it consists of, how its elements are, and what lights at them.

import { get32, put16, put32, putText } from "../big-endian.js";
import type { DiagnosticPage } from "../device/diagnostics.js";
import type { WrongField } from "../device/mode-pages.js";
import type { ElementGroup, EnclosureElement } from "./elements.js";
import type { Enclosure } from "./enclosure.js";

/** What elements there are never changes. */
const GENERATION = 0;
const HEADER = 8;
const STATUS = 4;

/** A page with its header and generation code, which all of SES have alike. */
function page(code: number, pieces: readonly Uint8Array[], second = 0): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, HEADER);
  const bytes = new Uint8Array(length);
  bytes[0] = code;
  bytes[1] = second;
  put16(bytes, 2, length - 4);
  put32(bytes, 4, GENERATION);
  let at = HEADER;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  putText(bytes, 0, text.length, text);
  return bytes;
}

const ENCLOSURE_DESCRIPTOR = 40;

/** SES-3 6.1.2: one enclosure, whose services process is the one that answers. */
function configuration({ identity, groups }: Enclosure): Uint8Array {
  const enclosure = new Uint8Array(ENCLOSURE_DESCRIPTOR);
  enclosure[0] = 0x11;
  enclosure[2] = groups.length;
  enclosure[3] = ENCLOSURE_DESCRIPTOR - 4;
  enclosure.set(naaBytes(identity.wwn), 4);
  putText(enclosure, 12, 8, identity.vendor);
  putText(enclosure, 20, 16, identity.product);
  putText(enclosure, 36, 4, identity.revision);
  const headers = groups.map(({ type, elements, name }) => Uint8Array.of(type, elements.length, 0, name.length));
  return page(0x01, [enclosure, ...headers, ...groups.map(({ name }) => ascii(name))]);
}

/** The first eight bytes of a name. */
function naaBytes(digits: string): Uint8Array {
  return Uint8Array.from({ length: 8 }, (_, index) => Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16));
}

/** SES-3 6.1.4: of each group what is overall, which is not told, and then each element. */
function status({ groups }: Enclosure): Uint8Array {
  return page(
    0x02,
    groups.flatMap((group) => [new Uint8Array(STATUS), ...group.elements.map((element) => statusOf(group, element))]),
  );
}

function statusOf({ identify, fault }: ElementGroup, element: EnclosureElement): Uint8Array {
  const bytes = new Uint8Array(STATUS);
  element.write(bytes);
  if (element.identify) bytes[identify.byte] |= identify.mask;
  if (fault !== null && element.fault) bytes[fault.byte] |= fault.mask;
  return bytes;
}

const SELECT = 0x80;

/** SES-3 6.1.3: what the elements that are selected shall have lit; a group's overall element stands for all that are not. */
function control({ groups }: Enclosure, bytes: Uint8Array): WrongField | null {
  const count = groups.reduce((sum, { elements }) => sum + 1 + elements.length, 0);
  if (bytes.length !== HEADER + STATUS * count) return { byte: 2, bit: null };
  if (get32(bytes, 4) !== GENERATION) return { byte: 4, bit: null };
  let at = HEADER;
  for (const group of groups) {
    const overall = bytes.subarray(at, at + STATUS);
    for (const element of group.elements) {
      at += STATUS;
      const own = bytes.subarray(at, at + STATUS);
      light(group, element, (own[0] & SELECT) !== 0 ? own : overall);
    }
    at += STATUS;
  }
  return null;
}

function light({ identify, fault }: ElementGroup, element: EnclosureElement, wanted: Uint8Array): void {
  if ((wanted[0] & SELECT) === 0) return;
  element.identify = (wanted[identify.byte] & identify.mask) !== 0;
  if (fault !== null) element.fault = (wanted[fault.byte] & fault.mask) !== 0;
}

/** SES-3 6.1.10: what each is called. */
function descriptors({ groups }: Enclosure): Uint8Array {
  const texts = groups.flatMap(({ name, elements }) => [name, ...elements.map((element) => element.name)]);
  return page(
    0x07,
    texts.map((text) => {
      const bytes = new Uint8Array(4 + text.length);
      put16(bytes, 2, text.length);
      bytes.set(ascii(text), 4);
      return bytes;
    }),
  );
}

const EIP = 0x10;
const SAS = 0x06;
const ADDITIONAL = 36;
/** SAS END DEVICE, and SSP TARGET PORT. */
const END_DEVICE = 0x10;
const SSP_TARGET = 0x08;
const INVALID = 0x80;

/** SES-3 6.1.13: which device is in each slot, by its name as a SAS address. */
function additional({ groups }: Enclosure): Uint8Array {
  const [first] = groups;
  return page(
    0x0a,
    (first?.slots ?? []).map(({ occupant }, index) => {
      const bytes = new Uint8Array(ADDITIONAL);
      const name = occupant();
      bytes[0] = (name === null ? INVALID : 0) | EIP | SAS;
      bytes[1] = ADDITIONAL - 2;
      // Counted without the overall elements (EIIOE 0).
      bytes[3] = index;
      bytes[4] = 1;
      bytes[7] = index;
      if (name === null) return bytes;
      bytes[8] = END_DEVICE;
      bytes[11] = SSP_TARGET;
      bytes.set(naaBytes(name), 20);
      return bytes;
    }),
  );
}

/** In ascending order of their codes. */
export const PAGES: readonly DiagnosticPage<Enclosure>[] = [
  { code: 0x01, name: "Configuration", read: configuration },
  { code: 0x02, name: "Enclosure Status", read: status, write: control },
  { code: 0x07, name: "Element Descriptor", read: descriptors },
  { code: 0x0a, name: "Additional Element Status", read: additional },
];
