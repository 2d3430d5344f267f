// Knows what it takes to give a LUN to a controller, or to take it away, in each state of both: the table of the libxl
// patches. Changes nothing.

import { XenbusState, xenbusStateName } from "@pvscsi/xen";
import { ToolstackError } from "./errors.js";
import type { ControllerInfo, LunInfo } from "./inventory.js";

/** Either the drivers shake hands over a change, or nobody has to be asked. */
export type Change = "handshake" | "none";

/** What it takes to attach a LUN; throws when the controller cannot be changed now, or not at all. */
export function changeToAttach({ devid, backendState }: ControllerInfo): Change {
  switch (backendState) {
    case XenbusState.Connected:
      return "handshake";
    case XenbusState.InitWait:
      return "none";
    case XenbusState.Initialised:
    case XenbusState.Reconfiguring:
    case XenbusState.Reconfigured:
      throw new ToolstackError(
        "NOT_READY",
        `controller ${devid} is being changed already, its back end is ${xenbusStateName(backendState)}: try again`,
      );
    case XenbusState.Unknown:
    case XenbusState.Initialising:
    case XenbusState.Closing:
    case XenbusState.Closed:
      throw new ToolstackError("FAIL", `controller ${devid}: its back end is ${xenbusStateName(backendState)}`);
    case null:
      throw new ToolstackError("FAIL", `controller ${devid} has no back end`);
  }
}

/** What it takes to detach a LUN; throws as above. What the back end has refused or let go of, it need not be asked for. */
export function changeToDetach(controller: ControllerInfo, lun: LunInfo): Change {
  const { devid, backendState } = controller;
  if (backendState === null) throw new ToolstackError("NOTFOUND", `controller ${devid} has no back end`);
  return lun.backendState === XenbusState.Closed ? "none" : changeToAttach(controller);
}

/** What it takes to undo an attachment that failed or stands still: nothing as long as the back end has not taken it. */
export function changeToTakeBack(_controller: ControllerInfo, { backendState }: LunInfo): Change {
  return backendState === XenbusState.Closed || backendState === XenbusState.Initialising ? "none" : "handshake";
}
