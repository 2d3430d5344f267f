// Knows FORMAT MEDIUM: how a cartridge is cut into partitions, as mode page 11h asks.

import { check, invalidField, invalidParameter } from "../device-server.js";
import { SENSE } from "../sense.js";
import type { StoreError } from "../store.js";
import type { Task } from "../task.js";
import { LEAST_PARTITION } from "./medium.js";
import { type TapeSettings, UNITS } from "./mode-pages.js";
import type { Tape } from "./tape.js";

/** FORMAT: one partition, or those of the mode page; 2h does what 1h does, as formatting is nothing else. */
const Format = { whole: 0, byPage: 1, both: 2 } as const;

/** FORMAT MEDIUM (SSC-3 7.1), at the beginning of the medium alone. All that was on it is gone. */
export function formatMedium(tape: Tape, task: Task): void {
  const { medium } = tape;
  const format = task.cdb[2] & 0x0f;
  if (format > Format.both) return invalidField(tape, task, 2, 3);
  if (task.cdb[3] !== 0 || task.cdb[4] !== 0) return invalidField(tape, task, 3, null);
  if (medium.partition !== 0 || !medium.atBeginning) return check(tape, task, SENSE.positionPastBeginningOfMedium);
  const blank = medium.partitions.every(({ records }) => records.objects === 0);
  if (medium.cartridge.label.worm === true && !blank) return check(tape, task, SENSE.wormOverwriteAttempted);
  const sizes =
    format === Format.whole ? [medium.cartridge.capacity] : sizesOf(tape.settings, medium.cartridge.capacity);
  if (sizes === null) return invalidParameter(tape, task, 8, null);
  tape.take(task);
  medium.format(sizes).then(
    () => formatted(tape),
    (error: StoreError) => tape.storeFailed(error, false),
  );
}

function formatted(tape: Tape): void {
  tape.buffered = false;
  tape.shapeChanged();
  tape.succeed();
}

/** What mode page 11h makes of a capacity; null where it does not fit. */
function sizesOf(settings: TapeSettings, capacity: number): number[] | null {
  if (settings.additionalPartitions === 0) return [capacity];
  const sizes = wantedSizes(settings, capacity);
  return sizes.every((size) => size >= LEAST_PARTITION) && sizes[0] + sizes[1] <= capacity ? sizes : null;
}

/** FDP has fixed sizes, here halves; SDP and IDP give them in units, and FFFFh stands for the rest. */
function wantedSizes({ fixedPartitions, partitionUnits, partitionSizes }: TapeSettings, capacity: number): number[] {
  if (fixedPartitions) return [Math.floor(capacity / 2), Math.floor(capacity / 2)];
  const unit = UNITS[partitionUnits];
  const asked = [Math.floor(partitionSizes / 0x1_0000), partitionSizes % 0x1_0000];
  const [first, second] = asked.map((size) => (size === REST ? null : size * unit));
  if (first === null) return [capacity - (second ?? Math.floor(capacity / 2)), second ?? Math.floor(capacity / 2)];
  return [first, second ?? capacity - first];
}

const REST = 0xffff;
