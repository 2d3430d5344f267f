// Knows the verb of a tape library's operator: what is in it, and cartridges that are put in and taken out.

import { type Element, isBarcode, type Library } from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { type Column, formatColumns } from "@pvscsi/wire";
import type { System } from "./system.js";
import { JSON_OPTION, UsageError, type Verb, type VerbWords } from "./verb.js";

export const LIBRARY_VERB: Verb = {
  name: "library",
  parameters: "CHANGER [put BARCODE | take BARCODE]",
  summary: "what is in a tape library; puts a cartridge into an import/export element, or takes one out of it",
  example: "library 3:0:0:0 put B00001L8",
  least: 1,
  most: 3,
  options: [JSON_OPTION],
  run: operate,
};

async function operate(system: System, { arguments: [changer, action, barcode], options }: VerbWords): Promise<string> {
  const library = await system.library(changer);
  if (action === undefined) return list(library, options.has("--json"));
  if (action !== "put" && action !== "take") throw new UsageError(`unknown action '${action}', expected put or take`);
  if (barcode === undefined || !isBarcode(barcode)) {
    throw new UsageError(`invalid barcode '${barcode ?? ""}', expected up to 32 of A-Z, 0-9, - and _`);
  }
  const done = action === "put" ? await library.putIn(barcode) : await library.takeOut(barcode);
  if (typeof done === "string") throw new ToolstackError("FAIL", done);
  return `${barcode} ${action === "put" ? "is in" : "was in"} element ${done}`;
}

const WORDS = { transport: "transport", storage: "slot", importExport: "import/export", drive: "drive" } as const;

const COLUMNS: readonly Column<Element>[] = [
  { title: "Element", align: "right", text: ({ address }) => String(address) },
  { title: "Kind", text: ({ kind }) => WORDS[kind] },
  { title: "Cartridge", text: ({ cartridge }) => cartridge?.barcode ?? "-" },
  { title: "From", align: "right", text: ({ source, imported }) => (imported ? "operator" : String(source ?? "-")) },
  { title: "State", text: ({ failed, open, drive }) => stateOf(failed, open, drive?.holds === true) },
];

function stateOf(failed: boolean, open: boolean, loaded: boolean): string {
  if (failed) return "cannot be used";
  return open ? "open" : loaded ? "loaded" : "-";
}

function list({ elements }: Library, json: boolean): string {
  if (!json) return formatColumns(COLUMNS, elements);
  const told = elements.map((element) => {
    const { kind, address, cartridge, source, imported, failed, open, drive } = element;
    const barcode = cartridge?.barcode ?? null;
    return { address, kind, barcode, source, imported, state: stateOf(failed, open, drive?.holds === true) };
  });
  return JSON.stringify(told, null, 2);
}
