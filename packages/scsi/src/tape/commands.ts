// Knows which commands a tape drive supports, with their CDB usage maps: the one table that executes and reports them.

import { SSC_COMMANDS } from "../cdb.js";
import { diagnosticRows, primaryRows, removalRows } from "../device/rows.js";
import { type CommandRow, CommandTable, row } from "../device-server.js";
import { reservationRows } from "../reservations/commands.js";
import { readAttributeList, readAttributeValues, readPartitionList, readVolumeList } from "./attributes.js";
import { readBlockLimits, reportDensitySupport } from "./density.js";
import { formatMedium } from "./format.js";
import { loadUnload } from "./loading.js";
import { erase, writeFilemarks6 } from "./marks.js";
import { TAPE_MODEL } from "./model.js";
import {
  locate10,
  locate16,
  readPositionExtended,
  readPositionLong,
  readPositionShort,
  rewind,
  space6,
  space16,
} from "./position.js";
import type { Tape } from "./tape.js";
import { read, verify, write } from "./transfer.js";

/** Seconds: what was written becomes durable before the head moves. */
const LONG = 600;
const LOOKS = { data: "in", access: "asks" } as const;
const READS = { needs: "medium", data: "in" } as const;
const MOVES = { needs: "medium", access: "writes", timeout: LONG } as const;
const WRITES = { needs: "writable-medium", data: "out", timeout: LONG } as const;
const ENDS = { needs: "writable-medium", timeout: LONG } as const;
const WHERE = { needs: "medium", data: "in", access: "asks" } as const;

/** Bytes 1 to 7 of READ ATTRIBUTE: LOGICAL VOLUME NUMBER and PARTITION NUMBER. */
const ATTRIBUTE = "00 00 00 00 ff 00 ff";

/** What is in the maps of IMMED is taken everywhere, and nothing ends before it is done. */
function tapeRows(): readonly CommandRow<Tape>[] {
  return [
    ...primaryRows(TAPE_MODEL),
    ...reservationRows(),
    row(SSC_COMMANDS.rewind, "01 00 00 00 00", rewind, MOVES),
    row(SSC_COMMANDS.formatMedium, "03 0f ff ff 00", formatMedium, ENDS),
    row(SSC_COMMANDS.readBlockLimits, "00 00 00 00 00", readBlockLimits, LOOKS),
    row(SSC_COMMANDS.read6, "03 ff ff ff 00", read, READS),
    row(SSC_COMMANDS.write6, "01 ff ff ff 00", write, WRITES),
    row(SSC_COMMANDS.writeFilemarks6, "01 ff ff ff 00", writeFilemarks6, ENDS),
    row(SSC_COMMANDS.space6, "0f ff ff ff 00", space6, MOVES),
    row(SSC_COMMANDS.verify6, "05 ff ff ff 00", verify, { needs: "medium", timeout: LONG }),
    row(SSC_COMMANDS.erase6, "03 00 00 00 00", erase, ENDS),
    row(SSC_COMMANDS.loadUnload, "01 00 00 0f 00", loadUnload, { timeout: LONG }),
    ...removalRows(),
    row(SSC_COMMANDS.locate10, "07 00 ff ff ff ff 00 ff 00", locate10, MOVES),
    row(SSC_COMMANDS.readPositionShort, "00 00 00 00 00 00 00 00 00", readPositionShort, WHERE),
    row(SSC_COMMANDS.readPositionVendor, "00 00 00 00 00 00 00 00 00", readPositionShort, WHERE),
    row(SSC_COMMANDS.readPositionLong, "00 00 00 00 00 00 00 00 00", readPositionLong, WHERE),
    row(SSC_COMMANDS.readPositionExtended, "00 00 00 00 00 00 ff ff 00", readPositionExtended, WHERE),
    row(SSC_COMMANDS.reportDensitySupport, "03 00 00 00 00 00 ff ff 00", reportDensitySupport, LOOKS),
    row(SSC_COMMANDS.readAttributeValues, `${ATTRIBUTE} ff ff ff ff ff ff 01 00`, readAttributeValues, READS),
    row(SSC_COMMANDS.readAttributeList, `${ATTRIBUTE} 00 00 ff ff ff ff 01 00`, readAttributeList, READS),
    row(SSC_COMMANDS.readVolumeList, `${ATTRIBUTE} 00 00 ff ff ff ff 01 00`, readVolumeList, READS),
    row(SSC_COMMANDS.readPartitionList, `${ATTRIBUTE} 00 00 ff ff ff ff 01 00`, readPartitionList, READS),
    row(SSC_COMMANDS.readSupportedAttributes, `${ATTRIBUTE} 00 00 ff ff ff ff 01 00`, readAttributeList, READS),
    row(SSC_COMMANDS.space16, "0f 00 00 ff ff ff ff ff ff ff ff ff ff 00 00", space16, MOVES),
    row(SSC_COMMANDS.locate16, "3b 00 ff ff ff ff ff ff ff ff ff 00 00 00 00", locate16, MOVES),
    ...diagnosticRows(TAPE_MODEL),
  ];
}

export const TAPE_TABLE = new CommandTable(tapeRows());
