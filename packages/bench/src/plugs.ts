// Knows how it is measured how long a guest takes to know of a device that was plugged in. Knows no transport.

import type { Clock } from "@pvscsi/wire";
import { type Column, formatColumns } from "@pvscsi/wire";

/** A way on which guests hear of devices. */
export interface PlugContender {
  readonly name: string;
  /** Plugs a device in; resolves when the guest knows. */
  plug(): Promise<void>;
  /** Takes it out again; resolves when the guest knows that too. */
  unplug(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds from the plug to the guest's knowing. */
export interface PlugRow {
  readonly contender: string;
  readonly plugs: number;
  readonly medianMilliseconds: number;
  readonly p99Milliseconds: number;
}

/** Plugs so often into each, in turns. */
export async function measurePlugs(
  contenders: readonly PlugContender[],
  plugs: number,
  clock: Clock,
): Promise<PlugRow[]> {
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round < plugs; round++) {
    for (const [index, contender] of contenders.entries()) {
      const began = clock.now();
      await contender.plug();
      times[index].push(clock.now() - began);
      await contender.unplug();
    }
  }
  return contenders.map(({ name }, index) => ({ contender: name, plugs, ...summaryOf(times[index]) }));
}

function summaryOf(times: readonly number[]): Pick<PlugRow, "medianMilliseconds" | "p99Milliseconds"> {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return { medianMilliseconds: at(0.5), p99Milliseconds: at(0.99) };
}

const COLUMNS: readonly Column<PlugRow>[] = [
  { title: "a guest knows of a plug by", text: (row) => row.contender },
  { title: "plugs", align: "right", text: (row) => String(row.plugs) },
  { title: "p50 ms", align: "right", text: (row) => row.medianMilliseconds.toFixed(2) },
  { title: "p99 ms", align: "right", text: (row) => row.p99Milliseconds.toFixed(2) },
];

export function formatPlugs(rows: readonly PlugRow[]): string {
  return formatColumns(COLUMNS, rows);
}
