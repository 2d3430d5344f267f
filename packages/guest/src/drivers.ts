// Knows which of Linux' drivers takes which type of device, disks apart, how their nodes in /dev are called, and what each asks and
// prints when it binds: st, sr, ch and ses. What is done with the devices afterwards is not known here.

import { describeChanger } from "./changer-probe.js";
import type { ScsiDevice } from "./device.js";
import { describeDrive } from "./drive-probe.js";
import type { KernelLog } from "./kernel-log.js";
import { LowestFree } from "./naming.js";
import type { ScanSite } from "./scan.js";

/** A device that a driver is looking at. */
export interface DriverSite {
  readonly host: ScanSite;
  readonly device: ScsiDevice;
  /** What the driver calls it: `st0`, `sr0`, `ch0`. */
  readonly name: string;
}

interface Driver {
  readonly name: ScsiDevice["driver"];
  /** Peripheral device types (SPC-4 table 138). */
  readonly types: readonly number[];
  /** What its module says when the first device of its own comes. */
  readonly greeting: string | null;
  /** The node below /dev of what the driver calls `name`; null where it makes none. */
  node(name: string): string | null;
  /** Other names of the same device, e.g. the one that does not rewind. */
  aliases(name: string): readonly string[];
  /** Asks and prints what Linux does, up to the line that it is attached. */
  bind(site: DriverSite): Promise<void>;
}

const none = (): readonly string[] => [];

const DRIVERS: readonly Driver[] = [
  {
    name: "st",
    types: [0x01],
    greeting: "st: Version 20160209, fixed bufsize 32768, s/g segs 256",
    node: (name) => name,
    // Four modes, each with its letter and each with a node that does not rewind (st.c, st_formats).
    aliases: (name) => ["", "l", "m", "a"].flatMap((mode) => [`${name}${mode}`, `n${name}${mode}`]),
    async bind({ device, name }) {
      device.print(`Attached scsi tape ${name}`);
      device.print(`${name}: try direct i/o: yes (alignment 4 B)`);
    },
  },
  {
    name: "sr",
    types: [0x04, 0x05],
    greeting: null,
    node: (name) => name,
    aliases: none,
    bind: describeDrive,
  },
  {
    name: "ch",
    types: [0x08],
    greeting: "SCSI Media Changer driver v0.25 ",
    node: (name) => `s${name}`,
    aliases: none,
    bind: describeChanger,
  },
  {
    name: "ses",
    types: [0x0d],
    greeting: null,
    node: () => null,
    aliases: none,
    async bind({ device }) {
      device.print("Attached Enclosure device");
    },
  },
];

/** The drivers of one guest, and the numbers they have given away. */
export class Drivers {
  readonly #log: KernelLog;
  readonly #numbers = new Map<Driver, LowestFree>();
  readonly #bound = new Map<ScsiDevice, { readonly driver: Driver; readonly number: number }>();

  constructor(log: KernelLog) {
    this.#log = log;
  }

  /** Binds the driver that takes devices of that type, where there is one and the device is connected. */
  async bind(host: ScanSite, device: ScsiDevice): Promise<void> {
    const { type, qualifier } = device.inquiry ?? { type: 0x1f, qualifier: 0 };
    const driver = DRIVERS.find(({ types }) => types.includes(type));
    if (driver === undefined || qualifier !== 0) return;
    const number = this.#numbersOf(driver).take();
    const name = `${driver.name}${number}`;
    device.driver = driver.name;
    this.#bound.set(device, { driver, number });
    await driver.bind({ host, device, name });
    device.node = driver.node(name);
    device.aliases = driver.aliases(name);
  }

  /** Gives the device's number back. */
  unbind(device: ScsiDevice): void {
    const bound = this.#bound.get(device);
    if (bound === undefined) return;
    this.#bound.delete(device);
    this.#numbersOf(bound.driver).giveBack(bound.number);
  }

  #numbersOf(driver: Driver): LowestFree {
    const known = this.#numbers.get(driver);
    if (known !== undefined) return known;
    if (driver.greeting !== null) this.#log.printOnce(driver.greeting);
    const numbers = new LowestFree();
    this.#numbers.set(driver, numbers);
    return numbers;
  }
}
