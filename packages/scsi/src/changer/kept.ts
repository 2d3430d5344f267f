// Knows how it is written down where the cartridges of a library are, so that it outlives a loss of power, and read back from whatever
// stands there. Knows no file.

import { KeptText, writeKeptText } from "../kept-text.js";
import { type Element, isBarcode } from "./elements.js";

/** A cartridge in its place. */
export interface KeptCartridge {
  readonly barcode: string;
  readonly address: number;
  readonly source: number | null;
  readonly imported: boolean;
}

const TITLE = "pvscsi library, version 1";

/** The text that says which cartridge is in which element. */
export function writeInventory(elements: readonly Element[]): string {
  const lines = elements.flatMap(({ address, cartridge, source, imported }) => {
    if (cartridge === null) return [];
    const from = imported ? " imported" : source === null ? "" : ` from ${source}`;
    return [`element ${address} cartridge ${cartridge.barcode}${from}`];
  });
  return writeKeptText(TITLE, lines);
}

const EXPECTED = `"element", its address, "cartridge", a barcode, and perhaps "imported" or "from" an address`;

/** Reads what `writeInventory` wrote. Throws `StoreError` for everything else, with the line. */
export function readInventory(text: string): KeptCartridge[] {
  const kept = new KeptText(text, TITLE);
  const last = kept.end(1);
  const seen = new Set<string | number>();
  const cartridges: KeptCartridge[] = [];
  for (let index = 1; index < last; index++) {
    const cartridge = cartridgeOf(kept.lines[index]) ?? kept.fail(index, EXPECTED);
    for (const name of [cartridge.barcode, cartridge.address]) {
      if (seen.has(name)) kept.fail(index, "each element and each cartridge once");
      seen.add(name);
    }
    cartridges.push(cartridge);
  }
  return cartridges;
}

function cartridgeOf(line: string): KeptCartridge | undefined {
  const [, address, barcode, from, source] =
    /^element (\d{1,5}) cartridge ([A-Z0-9_-]+)( imported| from (\d{1,5}))?$/.exec(line) ?? [];
  if (barcode === undefined || !isBarcode(barcode)) return undefined;
  const numbers = [Number(address), Number(source ?? 0)];
  if (numbers.some((number) => number > 0xffff)) return undefined;
  return {
    barcode,
    address: numbers[0],
    source: source === undefined ? null : numbers[1],
    imported: from === " imported",
  };
}
