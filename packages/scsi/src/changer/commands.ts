// Knows which commands a medium changer supports, with their CDB usage maps: the one table that executes and reports them.

import { SMC_COMMANDS } from "../cdb.js";
import { plainRows } from "../device/plain.js";
import { removalRows } from "../device/rows.js";
import { type CommandRow, CommandTable, row } from "../device-server.js";
import type { Changer } from "./changer.js";
import { readElementStatus } from "./element-status.js";
import { CHANGER_MODEL } from "./model.js";
import {
  exchangeMedium,
  initializeElementStatus,
  initializeRange,
  moveMedium,
  openCloseImportExport,
  positionToElement,
} from "./moves.js";

/** Seconds that a robot, a drive that writes out what it has, and those who were before it may take. */
const LONG = 600;
const MOVES = { access: "writes", timeout: LONG } as const;
/** CURDATA asks for what is known without moving, which is always so: it may be set, and reservations do not matter then (SMC-3 5.6). */
const CURDATA = 0x02;
const STATUS = {
  data: "in",
  access: (cdb: Uint8Array) => ((cdb[6] & CURDATA) === 0 ? "reads" : "asks"),
} as const;

let table: CommandTable<Changer> | undefined;

/** All changers have the same. */
export function changerTable(): CommandTable<Changer> {
  table ??= new CommandTable<Changer>(changerRows());
  return table;
}

/** No transport element turns a cartridge over: INVERT is zero in every map. */
function changerRows(): CommandRow<Changer>[] {
  return [
    ...plainRows(CHANGER_MODEL),
    row(SMC_COMMANDS.initializeElementStatus, "00 00 00 00 00", initializeElementStatus, MOVES),
    row(SMC_COMMANDS.initializeElementStatusWithRange, "03 ff ff 00 00 ff ff 00 00", initializeRange, MOVES),
    row(SMC_COMMANDS.openCloseImportExport, "00 ff ff 1f 00", openCloseImportExport, MOVES),
    row(SMC_COMMANDS.positionToElement, "00 ff ff ff ff 00 00 00 00", positionToElement, MOVES),
    row(SMC_COMMANDS.moveMedium, "00 ff ff ff ff ff ff 00 00 00 00", moveMedium, MOVES),
    row(SMC_COMMANDS.exchangeMedium, "00 ff ff ff ff ff ff ff ff 00 00", exchangeMedium, MOVES),
    row(SMC_COMMANDS.readElementStatus, "1f ff ff ff ff 03 ff ff ff 00 00", readElementStatus, STATUS),
    ...removalRows(),
  ];
}
