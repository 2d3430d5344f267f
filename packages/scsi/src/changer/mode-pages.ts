// Knows the mode pages of a medium changer (SMC-3 7.3): where its elements are, and what can be carried from where to where. Nothing in
// them can be changed.

import { put16 } from "../big-endian.js";
import { type ControlSettings, type ModeHeader, type ModePage, PRIMARY_MODE_PAGES } from "../device/mode-pages.js";
import type { Changer } from "./changer.js";
import { ELEMENT_KINDS, type ElementKind, rangeOf } from "./elements.js";

type ChangerPage = ModePage<Changer, ControlSettings>;

/** By their codes, as the pages have them. */
const KINDS = Object.keys(ELEMENT_KINDS) as ElementKind[];

/** SMC-3 7.3.4: the first address and the number of elements of each kind. */
const elementAddresses: ChangerPage = {
  code: 0x1d,
  subpage: 0,
  name: "Element Address Assignment",
  length: 20,
  write: (bytes, _settings, { library }) => {
    for (const [index, kind] of KINDS.entries()) {
      const { first, count } = rangeOf(library.elements, kind);
      put16(bytes, 2 + 4 * index, first);
      put16(bytes, 4 + 4 * index, count);
    }
  },
};

/** SMC-3 7.3.5: one transport element, the first of its set, which cannot turn a cartridge over. */
const transportGeometry: ChangerPage = {
  code: 0x1e,
  subpage: 0,
  name: "Transport Geometry Parameters",
  length: 4,
  write: () => {},
};

const ST = 0x02;
const IE = 0x04;
const DT = 0x08;
/** All but the transport element keep cartridges. */
const KEEPING = ST | IE | DT;

/** SMC-3 7.3.3: MOVE MEDIUM and EXCHANGE MEDIUM go from each kind of element to each, but for the transport element. */
const deviceCapabilities: ChangerPage = {
  code: 0x1f,
  subpage: 0,
  name: "Device Capabilities",
  length: 20,
  write: (bytes) => {
    bytes[2] = KEEPING;
    bytes.fill(KEEPING, 5, 8);
    bytes.fill(KEEPING, 13, 16);
  },
};

/** In ascending order of their codes. */
export const MODE_PAGES: readonly ChangerPage[] = [
  PRIMARY_MODE_PAGES.control,
  PRIMARY_MODE_PAGES.controlExtension,
  PRIMARY_MODE_PAGES.informationalExceptions,
  elementAddresses,
  transportGeometry,
  deviceCapabilities,
];

/** SMC-3 7.3.1: no block descriptor, and nothing of the device. */
export const MODE_HEADER: ModeHeader<Changer, ControlSettings> = { parameter: () => 0, descriptor: null };
