// Knows lsscsi's table: one line a device, in the columns of lsscsi 0.31.

import type { Guest } from "../guest.js";
import { shortTypeName } from "../linux-words.js";
import { print, type Tool } from "./tool.js";

const NODE_WIDTH = 9;

export const lsscsi: Tool = {
  usage: "[-g]",
  summary: "lists the SCSI devices; -g with their sg names",
  async run({ guest }, words) {
    const wrong = words.find((word) => word !== "-g" && word !== "--generic");
    if (wrong !== undefined) return print([`lsscsi: unrecognized option '${wrong}'`, "Usage: lsscsi [-g]"], 1);
    return print(deviceTable(guest, words.length > 0));
  },
};

function deviceTable(guest: Guest, generic: boolean): string[] {
  return guest.devices.map((device) => {
    const { type = 0x1f, vendor = "", product = "", revision = "" } = device.inquiry ?? {};
    const nodes = [device.node === null ? "-" : `/dev/${device.node}`];
    if (generic) nodes.push(device.generic === null ? "-" : `/dev/sg${device.generic}`);
    const address = `[${device.name}]`.padEnd(12);
    const described = `${shortTypeName(type).padEnd(7)} ${vendor.padEnd(8)} ${product.padEnd(16)} ${revision.padEnd(4)}`;
    return `${address} ${described}  ${nodes.map((node) => node.padEnd(NODE_WIDTH)).join("  ")}`;
  });
}
