// Knows which commands a CD/DVD drive supports, with their CDB usage maps: the one table that executes and reports them.

import { portGroupRows } from "../alua/commands.js";
import { COMMANDS, MMC_COMMANDS } from "../cdb.js";
import { preventAccess } from "../device/removal.js";
import { ASKS, diagnosticRows, primaryRows } from "../device/rows.js";
import { type CommandRow, CommandTable, row } from "../device-server.js";
import { reservationRows } from "../reservations/commands.js";
import type { Cdrom } from "./cdrom.js";
import { getConfiguration } from "./configuration.js";
import { getEventStatus } from "./event-status.js";
import { readDiscInformation, readTrackInformation } from "./information.js";
import { CDROM_MODEL } from "./model.js";
import { readCd, readCdMsf } from "./read-cd.js";
import { getPerformance, setCdSpeed } from "./speed.js";
import { readDvdStructure } from "./structure.js";
import { readSubChannel, readToc } from "./toc.js";
import { read, readCapacity, seek } from "./transfer.js";
import { mechanismStatus, preventAllowRemoval, startStopAccess, startStopUnit } from "./tray.js";

const READS = { needs: "medium", data: "in" } as const;
const SIZE = { ...READS, access: "asks" } as const;
const GROUPS = ["none", "implicit", "explicit"] as const;

/** Drives of one shape have one table. */
const TABLES = new Map<string, CommandTable<Cdrom>>();

export function cdromTable({ portGroups }: Cdrom): CommandTable<Cdrom> {
  const explicit = portGroups?.all.some((group) => group.explicit) === true;
  const groups = GROUPS[portGroups === null ? 0 : explicit ? 2 : 1];
  const table = TABLES.get(groups) ?? new CommandTable(cdromRows(groups));
  TABLES.set(groups, table);
  return table;
}

/** What plays audio is not there, nor what writes. */
function cdromRows(groups: (typeof GROUPS)[number]): readonly CommandRow<Cdrom>[] {
  return [
    ...primaryRows(CDROM_MODEL),
    ...(groups === "none" ? [] : portGroupRows(groups === "explicit")),
    ...reservationRows(),
    ...driveRows(),
    ...readRows(),
    ...diagnosticRows(CDROM_MODEL),
  ];
}

function driveRows(): CommandRow<Cdrom>[] {
  return [
    row(COMMANDS.startStopUnit, "01 00 00 f3 00", startStopUnit, { access: startStopAccess }),
    row(COMMANDS.preventAllow, "00 00 00 03 00", preventAllowRemoval, { access: preventAccess }),
    row(MMC_COMMANDS.getConfiguration, "03 ff ff 00 00 00 ff ff 00", getConfiguration, ASKS),
    row(MMC_COMMANDS.getEventStatus, "01 00 00 ff 00 00 ff ff 00", getEventStatus, ASKS),
    row(MMC_COMMANDS.getPerformance, "1f ff ff ff ff 00 00 ff ff ff 00", getPerformance, {
      data: "in",
      access: "reads",
    }),
    row(MMC_COMMANDS.setCdSpeed, "03 ff ff ff ff 00 00 00 00 00 00", setCdSpeed),
    row(MMC_COMMANDS.mechanismStatus, "00 00 00 00 00 00 00 ff ff 00 00", mechanismStatus, ASKS),
    row(MMC_COMMANDS.seek10, "00 ff ff ff ff 00 00 00 00", seek, { needs: "medium" }),
  ];
}

function readRows(): CommandRow<Cdrom>[] {
  return [
    row(COMMANDS.readCapacity10, "00 00 00 00 00 00 00 00 00", readCapacity, SIZE),
    row(COMMANDS.read10, "18 ff ff ff ff 00 ff ff 00", read, READS),
    row(COMMANDS.read12, "18 ff ff ff ff ff ff ff ff 00 00", read, READS),
    row(MMC_COMMANDS.readToc, "02 0f 00 00 00 ff ff ff 00", readToc, SIZE),
    row(MMC_COMMANDS.readSubChannel, "02 40 ff 00 00 ff ff ff 00", readSubChannel, READS),
    row(MMC_COMMANDS.readDiscInformation, "07 00 00 00 00 00 ff ff 00", readDiscInformation, READS),
    row(MMC_COMMANDS.readTrackInformation, "07 ff ff ff ff 00 ff ff 00", readTrackInformation, READS),
    row(MMC_COMMANDS.readDvdStructure, "0f ff ff ff ff ff ff ff ff c0 00", readDvdStructure, READS),
    row(MMC_COMMANDS.readCd, "1e ff ff ff ff ff ff ff fe 07 00", readCd, READS),
    row(MMC_COMMANDS.readCdMsf, "1e 00 ff ff ff ff ff ff fe 07 00", readCdMsf, READS),
  ];
}

/** What runs in spite of a unit attention, besides what does so everywhere (MMC-6, unit attention conditions). */
export function ignoresAttention(opcode: number): boolean {
  return opcode === MMC_COMMANDS.getConfiguration.opcode || opcode === MMC_COMMANDS.getEventStatus.opcode;
}
