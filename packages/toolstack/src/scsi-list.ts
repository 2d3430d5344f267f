// Knows how a domain's LUNs are listed: as `xm scsi-list` did, column for column, and in full.

import { type Column, formatColumns } from "@pvscsi/wire";
import { type XenbusState, xenbusStateName } from "@pvscsi/xen";
import type { ControllerInfo, LunInfo } from "./inventory.js";

/** One LUN in the words of scsi-list; also what --json prints. */
export interface ScsiListRow {
  readonly domain: number;
  /** devid. */
  readonly idx: number;
  readonly backend: number;
  /** The front end's state. */
  readonly state: number;
  readonly featureHost: boolean;
  readonly physical: string;
  readonly physicalName: string;
  readonly virtual: string;
  /** The front end's state of the device. */
  readonly deviceState: number;
}

export function scsiListRows(controllers: readonly ControllerInfo[]): ScsiListRow[] {
  return controllers.flatMap((controller) =>
    controller.luns.map((lun) => ({
      domain: controller.domain,
      idx: controller.devid,
      backend: controller.backendDomain,
      state: controller.frontendState,
      featureHost: controller.featureHost,
      physical: lun.physicalDevice,
      physicalName: lun.physicalName,
      virtual: lun.virtualDevice,
      deviceState: lun.frontendState,
    })),
  );
}

/** The widths are xm's; a naa name does not push the other columns aside. */
const COLUMNS: readonly Column<ScsiListRow>[] = [
  { title: "Idx", width: 3, text: (row) => String(row.idx) },
  { title: "BE", width: 3, text: (row) => String(row.backend) },
  { title: "state", width: 5, text: (row) => String(row.state) },
  { title: "host", width: 5, text: (row) => (row.featureHost ? "1" : "0") },
  { title: "phy-hctl", width: 10, text: (row) => row.physical },
  { title: "phy", width: 5, text: (row) => row.physicalName },
  { title: "vir-hctl", width: 10, text: (row) => row.virtual },
  { title: "devstate", width: 8, text: (row) => String(row.deviceState) },
];

/** The table with its header line. */
export function formatScsiList(rows: readonly ScsiListRow[]): string {
  return formatColumns(COLUMNS, rows, " ");
}

/** Everything xenstore says of controllers and their LUNs, a paragraph for each. */
export function formatControllers(controllers: readonly ControllerInfo[]): string {
  return controllers.map((controller) => describeController(controller).join("\n")).join("\n\n");
}

function describeController(controller: ControllerInfo): string[] {
  const { domain, devid, host, featureHost, frontendPath, backendPath } = controller;
  return [
    `domain ${domain}, controller ${devid}: vHOST ${host}, feature-host ${featureHost ? 1 : 0}`,
    `  back end   ${backendPath}  ${stateText(controller.backendState)}`,
    `  front end  ${frontendPath}  ${stateText(controller.frontendState)}`,
    `  ring-ref ${controller.ringReference ?? "-"}, event-channel ${controller.eventChannel ?? "-"}`,
    ...controller.luns.map(describeLun),
  ];
}

function describeLun(lun: LunInfo): string {
  const { name, virtualDevice, physicalDevice, physicalName, backendState, frontendState } = lun;
  const states = `back end ${stateText(backendState)}, front end ${stateText(frontendState)}`;
  return `  ${name}: v-dev ${virtualDevice}, p-dev ${physicalDevice} (${physicalName}), ${states}`;
}

function stateText(state: XenbusState | null): string {
  return state === null ? "gone" : `${state} ${xenbusStateName(state)}`;
}
