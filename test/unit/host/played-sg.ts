// Knows how to play Linux' sg driver with one device behind it: what is written to it waits until the test ends it.

import { type SgCalls, SgIoHeader, SgRequest, SgScsiId } from "@pvscsi/host";
import { expect } from "chai";

const BASE = 0x7f00_1234_5000;
export const DESCRIPTOR = 7;

/** Linux' sg driver and one device, played. */
export class Kernel implements SgCalls {
  bytes = new Uint8Array(0);
  readonly written: InstanceType<typeof SgIoHeader>[] = [];
  readonly ended: Uint8Array[] = [];
  readonly resets: ((error: Error | null) => void)[] = [];
  refuses = false;
  gone = false;
  released = 0;
  closed: number[] = [];
  #readable = () => {};

  open(): number {
    return DESCRIPTOR;
  }

  ioctl(_descriptor: number, request: number, argument: Uint8Array): number {
    expect(request).to.equal(SgRequest.getScsiId);
    Object.assign(new SgScsiId(argument), { host: 3, channel: 0, target: 5, lun: 2, type: 1 });
    return 0;
  }

  ioctlLater(_descriptor: number, request: number, argument: Uint8Array, done: (error: Error | null) => void): void {
    expect([request, ...argument]).to.deep.equal([SgRequest.scsiReset, 1, 0, 0, 0]);
    this.resets.push(done);
  }

  write(_descriptor: number, bytes: Uint8Array): void {
    if (this.refuses) throw Object.assign(new Error("EDOM"), { code: "EDOM" });
    this.written.push(new SgIoHeader(bytes.slice()));
  }

  read(_descriptor: number, target: Uint8Array): boolean {
    if (this.gone) throw Object.assign(new Error("ENODEV"), { code: "ENODEV" });
    const next = this.ended.shift();
    if (next !== undefined) target.set(next);
    return next !== undefined;
  }

  poll(_descriptor: number, readable: () => void): { close(): void } {
    this.#readable = readable;
    return { close: () => (this.#readable = () => {}) };
  }

  allocate(length: number) {
    this.bytes = new Uint8Array(length);
    return { bytes: this.bytes, address: BASE, release: () => (this.released += 1) };
  }

  close(descriptor: number): void {
    this.closed.push(descriptor);
  }

  /** The memory that a struct of the driver names by its lower word. */
  at(low: number, high: number, length: number): Uint8Array {
    const address = high * 2 ** 32 + low - BASE;
    return this.bytes.subarray(address, address + length);
  }

  /** The command that was written at this place among all. */
  cdb(index: number): Uint8Array {
    const { command, commandHigh, commandLength } = this.written[index];
    return this.at(command, commandHigh, commandLength);
  }

  /** Ends the command that was written at this place, its answer having these values. */
  end(index: number, values: Partial<InstanceType<typeof SgIoHeader>> = {}, sense: number[] = [], data: number[] = []) {
    const header = this.written[index];
    this.at(header.sense, header.senseHigh, 252).set(sense);
    this.at(header.data, header.dataHigh, header.length).set(data);
    const answer = new SgIoHeader(header.bytes.slice());
    Object.assign(answer, { senseLength: sense.length, ...values });
    this.ended.push(answer.bytes);
    this.#readable();
  }

  /** The device is unplugged. */
  unplug(): void {
    this.gone = true;
    this.#readable();
  }
}
