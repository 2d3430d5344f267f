// Knows what of a device could be left in Xen: grants that are mapped, event channels, nodes; and tells what is. Xen and its own
// tools are asked.

import type { Dom0 } from "./dom0.js";

/** What is open at a moment, a line each. */
export async function openThings(dom0: Dom0): Promise<string[]> {
  const [ports, grants, nodes] = [await dom0.run("lsevtchn 0"), await dom0.run(GRANTS), await dom0.run(NODES)];
  const mapped = linesOf(grants).filter((line) => MAPPED.test(line));
  return [...linesOf(ports), ...mapped, ...linesOf(nodes)];
}

/** Xen prints its grant tables to its log when it is asked by a key. */
const GRANTS = "xl dmesg -c > /dev/null; xl debug-keys g; xl dmesg";
/** An entry of a table; the other lines say how large the tables have grown. */
export const MAPPED = /^\(XEN\) \[\s*(0x)?[0-9a-f]+\]/;
/** A port that leads to another one. */
export const PORT = /: Interdomain/;
const NODES = "xenstore-ls -fp /local/domain/0";

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

/** Fails with all that is open and was not, or the other way round. */
export function compareThings(before: readonly string[], after: readonly string[]): void {
  nothing(
    "left",
    after.filter((line) => !before.includes(line)),
  );
  nothing(
    "missing",
    before.filter((line) => !after.includes(line)),
  );
}

/** Fails with all the lines that should not be. */
export function nothing(what: string, lines: readonly string[]): void {
  if (lines.length > 0) throw new Error(`${what}: ${lines.join("; ")}`);
}
