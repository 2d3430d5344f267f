// Knows a driver's end of the control queue: task management, one request of it in each slot. control-queue.ts is its
// mirror image.

import type { AdapterManagement } from "@pvscsi/scsi";
import { Places, Queue } from "@pvscsi/wire";
import { ControlType, ManagementRequestBytes, ManagementSubtype } from "../abi/scsi.js";
import type { Arena } from "../arena.js";
import type { QueueClient } from "../queue-client.js";
import { succeeded } from "./answers.js";
import { writeRequestLun } from "./lun.js";

const SLOTS = 16;
const SLOT_SIZE = 64;
const ANSWER_AT = 32;

/** A task management request under way. */
export class ManagementSlot {
  readonly request: InstanceType<typeof ManagementRequestBytes>;
  readonly answer: Uint8Array;
  readonly readable = new Places();
  readonly writable = new Places();
  management: AdapterManagement | null = null;

  constructor(bytes: Uint8Array) {
    this.request = new ManagementRequestBytes(bytes.subarray(0, ManagementRequestBytes.size));
    this.answer = bytes.subarray(ANSWER_AT, ANSWER_AT + 1);
    this.readable.add(this.request.bytes, 0, this.request.bytes.length);
    this.writable.add(this.answer, 0, 1);
  }

  fill(management: AdapterManagement, tag: number): void {
    const { request } = this;
    this.management = management;
    request.bytes.fill(0);
    request.type = ControlType.taskManagement;
    request.subtype =
      management.function === "abort" ? ManagementSubtype.abortTask : ManagementSubtype.logicalUnitReset;
    writeRequestLun(request.bytes, ManagementRequestBytes.offsets.lun, management.target, management.lun);
    request.tagLow = tag;
  }
}

export class ManagementQueue {
  readonly #client: QueueClient;
  readonly #slots: readonly ManagementSlot[];
  readonly #free: ManagementSlot[];
  readonly #waiting = new Queue<{ readonly management: AdapterManagement; readonly tag: number }>();

  constructor(client: QueueClient, memory: Arena) {
    this.#client = client;
    const bytes = memory.range(SLOTS * SLOT_SIZE);
    this.#slots = Array.from(
      { length: SLOTS },
      (_, i) => new ManagementSlot(bytes.subarray(i * SLOT_SIZE, (i + 1) * SLOT_SIZE)),
    );
    this.#free = [...this.#slots];
  }

  /** `tag` is the command's that is to be aborted; of no meaning for other functions. */
  submit(management: AdapterManagement, tag: number): void {
    this.#waiting.push({ management, tag });
    this.submitWaiting();
  }

  submitWaiting(): void {
    while (this.#waiting.length > 0) {
      const slot = this.#free.pop();
      if (slot === undefined) return;
      const { management, tag } = this.#waiting.first();
      slot.fill(management, tag);
      if (!this.#client.add(slot.readable, slot.writable, slot)) {
        this.#release(slot);
        return;
      }
      this.#waiting.shift();
    }
  }

  /** Takes back a slot of whose answer the device has written so many bytes. */
  used(slot: ManagementSlot, written: number): void {
    const management = slot.management as AdapterManagement;
    management.succeeded = written > 0 && succeeded(slot.answer[0]);
    this.#release(slot);
    management.completed(management);
  }

  close(): void {
    this.#client.close();
    const underWay = this.#slots.flatMap((slot) => slot.management ?? []);
    for (const slot of this.#slots) if (slot.management !== null) this.#release(slot);
    while (this.#waiting.length > 0) underWay.push(this.#waiting.shift().management);
    for (const management of underWay) {
      management.succeeded = false;
      management.completed(management);
    }
  }

  run(): void {
    this.#client.run();
  }

  #release(slot: ManagementSlot): void {
    slot.management = null;
    this.#free.push(slot);
  }
}
