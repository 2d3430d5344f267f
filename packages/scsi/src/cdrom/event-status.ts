// Knows GET EVENT STATUS NOTIFICATION (MMC-6): which classes of events a drive has, and how each is told.

import { get16, put16 } from "../big-endian.js";
import { invalidField, reply } from "../device-server.js";
import type { Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import { MediaEvent } from "./events.js";

interface EventClass {
  readonly number: number;
  readonly name: string;
  /** Whether something has happened that the task's initiator has not heard of. */
  readonly pending: (drive: Cdrom, task: Task) => boolean;
  /** Sets the four bytes, which are zero; what it tells is told. */
  readonly write: (drive: Cdrom, task: Task, bytes: Uint8Array) => void;
}

const never = () => false;
const nothing = () => {};
const ACTIVE = 0x01;
const MEDIUM_PRESENT = 0x02;
const TRAY_OPEN = 0x01;

/** In ascending order, which is that of their priority. What is played or busy is none of a drive over a store. */
export const EVENT_CLASSES: readonly EventClass[] = [
  { number: 1, name: "Operational Change", pending: never, write: nothing },
  {
    number: 2,
    name: "Power Management",
    pending: never,
    write: (_drive, _task, bytes) => {
      bytes[1] = ACTIVE;
    },
  },
  { number: 3, name: "External Request", pending: never, write: nothing },
  {
    number: 4,
    name: "Media",
    pending: ({ events }, { nexus }) => events.pendingFor(nexus) !== MediaEvent.none,
    write: ({ events, loaded, trayOpen }, { nexus }, bytes) => {
      bytes[0] = events.pendingFor(nexus);
      bytes[1] = (loaded === null ? 0 : MEDIUM_PRESENT) | (trayOpen ? TRAY_OPEN : 0);
      events.heardBy(nexus);
    },
  },
  { number: 6, name: "Device Busy", pending: never, write: nothing },
];

const SUPPORTED = EVENT_CLASSES.reduce((classes, { number }) => classes | (1 << number), 0);
const HEADER = 4;
const EVENT = 4;
/** NEA: none of the classes that were asked for is there. */
const NO_EVENT_AVAILABLE = 0x80;

/** Without POLLED it would end when something happens: that is for tagged queues of old, and not supported. */
export function getEventStatus(drive: Cdrom, task: Task): void {
  const { cdb } = task;
  if ((cdb[1] & 0x01) === 0) return invalidField(drive, task, 1, 0);
  const asked = EVENT_CLASSES.filter(({ number }) => (cdb[4] & (1 << number)) !== 0);
  const told = asked.find(({ pending }) => pending(drive, task)) ?? asked.at(0);
  const bytes = drive.scratch;
  const room = get16(cdb, 7);
  bytes.fill(0, 0, HEADER + EVENT);
  bytes[2] = told === undefined ? NO_EVENT_AVAILABLE : told.number;
  bytes[3] = SUPPORTED;
  const length = told === undefined ? HEADER : HEADER + EVENT;
  put16(bytes, 0, length - 2);
  // With room for the header alone nothing is told, and so nothing is forgotten.
  if (room > HEADER) told?.write(drive, task, bytes.subarray(HEADER, HEADER + EVENT));
  reply(task, bytes, length, room);
}
