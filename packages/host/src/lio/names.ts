// Knows the names that LIO's tools make up: of targets, initiators, unit serial numbers and links. Draws them from what is given.

import { fail, type Random } from "@pvscsi/wire";
import type { LioNames } from "./node.js";

/** NAA 5 of OpenFabrics, which LIO's names begin with; 9 hex digits follow. */
const NAA = "naa.5001405";
const EUI = "eui.001405";

/** What names are drawn from. */
export type Draw = Pick<Random, "below">;

/** `host` and `machine` are what uname says. */
export function drawnNames(random: Draw, { host, machine }: { host: string; machine: string }): LioNames {
  const digits = (number: number) => hexDigits(random, number);
  return {
    wwn: (kind) => {
      if (kind === "naa") return nexusName(random);
      if (kind === "eui") return EUI + digits(10);
      if (kind !== "iqn") return fail(`no names of kind ${kind}`);
      const [name, type] = [host.split(".")[0], machine].map((word) => word.replaceAll("_", ""));
      return `iqn.2003-01.org.linux-iscsi.${name}.${type}:sn.${digits(12)}`.toLowerCase();
    },
    // A UUID of version 4 (RFC 9562 5.4).
    unitSerial: () => {
      const variant = "89ab"[random.below(4)];
      return `${digits(8)}-${digits(4)}-4${digits(3)}-${variant}${digits(3)}-${digits(12)}`;
    },
    alias: () => digits(10),
  };
}

/** `naa.5001405` and 9 hex digits. */
export function nexusName(random: Draw): string {
  return NAA + hexDigits(random, 9);
}

function hexDigits(random: Draw, number: number): string {
  return Array.from({ length: number }, () => random.below(16).toString(16)).join("");
}
