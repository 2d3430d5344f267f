// Knows a driver's end of one request queue: commands become requests, answers complete them. request-queue.ts is its
// mirror image.

import type { Command } from "@pvscsi/scsi";
import { ProtocolError } from "@pvscsi/wire";
import { CommandResponse } from "../abi/scsi.js";
import type { QueueClient } from "../queue-client.js";
import { readAnswer, refuse } from "./answers.js";
import type { CommandSlot } from "./command-slots.js";

export class CommandQueue {
  readonly #client: QueueClient;
  readonly #slots: readonly CommandSlot[];
  readonly #free: CommandSlot[];

  /** `slots` are as many as may be under way. */
  constructor(client: QueueClient, slots: readonly CommandSlot[]) {
    this.#client = client;
    this.#slots = slots;
    this.#free = [...slots];
  }

  get underWay(): number {
    return this.#slots.length - this.#free.length;
  }

  /** False when there is no room. */
  submit(command: Command): boolean {
    const slot = this.#free.pop();
    if (slot === undefined) return false;
    slot.fill(command);
    if (this.#client.add(slot.readable, slot.writable, slot)) return true;
    slot.command = null;
    this.#free.push(slot);
    return false;
  }

  /** Takes back a slot that the device has used; throws ProtocolError when it has answered nothing. */
  used(slot: CommandSlot, written: number): void {
    const command = slot.command as Command;
    if (written < CommandResponse.size) throw new ProtocolError(`a response of ${written} bytes`);
    readAnswer(slot.answer, written, command);
    this.#release(slot);
    command.completed(command);
  }

  /** The slot that a command is under way in. */
  find(command: Command): CommandSlot | undefined {
    return this.#slots.find((slot) => slot.command === command);
  }

  /** Ends everything under way, and looks for no more answers. */
  close(hostByte: number): void {
    this.#client.close();
    for (const slot of this.#slots) {
      const { command } = slot;
      if (command === null) continue;
      this.#release(slot);
      refuse(command, hostByte);
    }
  }

  /** The interrupt. */
  run(): void {
    this.#client.run();
  }

  #release(slot: CommandSlot): void {
    slot.command = null;
    this.#free.push(slot);
  }
}
