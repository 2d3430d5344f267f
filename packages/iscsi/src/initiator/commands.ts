// Knows how commands become PDUs and what the target's answers make of them: data both ways, R2Ts, status, sense, residuals
// (RFC 7143 11.3, 11.4, 11.7, 11.8). Knows no connection but by what it sends and by the header that is coming in.

import { type Command, HostByte, MAX_SENSE, writeLun } from "@pvscsi/scsi";
import { assert, copyBytes, ProtocolError, Queue } from "@pvscsi/wire";
import { ATTRIBUTES, CommandFlag, FINAL, ResidualFlag, STATUS } from "../abi/codes.js";
import { NO_TAG, Opcode } from "../abi/pdu.js";
import type { Parameters } from "../keys.js";
import { CommandSlot, slotIndex } from "./command-slot.js";
import type { AnswerData, IncomingAnswer } from "./incoming-answer.js";
import type { RequestWriter } from "./outgoing-request.js";

/** The numbers of task attributes; what is untagged is SIMPLE, as nothing else is meant by it. */
const ATTRIBUTE_CODES: { readonly [attribute: string]: number } = {
  ...Object.fromEntries(ATTRIBUTES.map((name, code) => [name, code])),
  // A number that no attribute has.
  reserved: 7,
};

/** What a connection in full feature phase has for commands. */
export interface CommandChannel {
  readonly writer: RequestWriter;
  readonly parameters: Parameters;
}

export class Commands {
  readonly #slots: CommandSlot[];
  readonly #free: CommandSlot[];
  /** Not sent yet. */
  readonly #waiting = new Queue<Command>();
  readonly #idle: () => void;
  #channel: CommandChannel | null = null;
  /** Set while nothing more is to be sent, though there is a channel. */
  held = false;

  /** `depth` may be under way; `idle` hears of each that is over. */
  constructor(depth: number, idle: () => void) {
    this.#slots = Array.from({ length: depth }, (_, index) => new CommandSlot(index, (slot) => this.#over(slot)));
    this.#free = this.#slots.slice().reverse();
    this.#idle = idle;
  }

  /** Commands that were sent and are not over. */
  get underWay(): number {
    return this.#slots.length - this.#free.length;
  }

  /** Commands go by `channel` from now on, those that have waited first; null where there is none. */
  use(channel: CommandChannel | null): void {
    this.#channel = channel;
    for (const slot of this.#slots) slot.lateTag = NO_TAG;
    this.proceed();
  }

  queue(command: Command): void {
    if (this.#waiting.length > 0 || !this.#mayBegin) this.#waiting.push(command);
    else this.#send(command);
  }

  /** Sends what has waited, as far as there is room. */
  proceed(): void {
    while (this.#waiting.length > 0 && this.#mayBegin) this.#send(this.#waiting.shift());
  }

  get #mayBegin(): boolean {
    return this.#channel !== null && !this.held && this.#free.length > 0 && this.#channel.writer.open;
  }

  /** Takes out a command that was not sent yet, and ends it; false where it is none of those. */
  withdraw(command: Command): boolean {
    if (!this.#waiting.remove(command)) return false;
    refuse(command, HostByte.abort);
    return true;
  }

  /** Ends what was not sent yet. */
  refuseWaiting(hostByte: number): void {
    for (let left = this.#waiting.length; left > 0; left--) refuse(this.#waiting.shift(), hostByte);
  }

  find(command: Command): CommandSlot | undefined {
    return this.#slots.find((slot) => !slot.ended && slot.command === command);
  }

  /** Ends all that are under way; nobody knows what they have done. */
  endAll(hostByte: number): void {
    for (const slot of this.#slots) if (!slot.ended) this.#fail(slot, hostByte);
  }

  /** Ends those that meet `wanted`, as a task management function has. */
  abandon(hostByte: number, wanted: (slot: CommandSlot) => boolean): void {
    for (const slot of this.#slots) {
      if (slot.ended || !wanted(slot)) continue;
      slot.lateTag = slot.tag;
      this.#fail(slot, hostByte);
    }
  }

  /** Ends one that was not answered. */
  #fail(slot: CommandSlot, hostByte: number): void {
    const command = slot.command as Command;
    command.hostByte = hostByte;
    command.residual = command.data.length;
    command.overflow = 0;
    slot.end();
  }

  #send(command: Command): void {
    const { writer, parameters } = this.#channel as CommandChannel;
    const slot = this.#free.pop() as CommandSlot;
    slot.begin(command);
    slot.cmdSN = writer.cmdSN;
    const { length, writes } = slot;
    const burst = writes ? Math.min(length, parameters.FirstBurstLength) : 0;
    const immediate = parameters.ImmediateData ? Math.min(burst, parameters.MaxRecvDataSegmentLength) : 0;
    const unsolicited = parameters.InitialR2T ? immediate : burst;
    const pdu = writer.begin(Opcode.command, unsolicited > immediate ? 0 : FINAL);
    const { command: fields } = pdu;
    // Also where there is no room: a target tells then how much it would have moved.
    if (command.direction !== "none") fields.flags |= writes ? CommandFlag.write : CommandFlag.read;
    fields.flags |= ATTRIBUTE_CODES[command.attribute];
    writeLun(pdu.bytes, 8, command.lun);
    fields.itt = slot.tag;
    fields.expectedLength = length;
    pdu.writeCdb(command.cdb, command.cdbLength);
    slot.unsent += 1;
    pdu.owner = slot;
    if (immediate > 0) {
      slot.part.select(command.data, 0, immediate);
      slot.moved = immediate;
      writer.send(pdu, slot.part, true);
    } else writer.send(pdu, null, true);
    if (unsolicited > immediate) this.#sendData(slot, unsolicited, NO_TAG);
  }

  /** Sends Data-Outs up to byte `end`, in one sequence. */
  #sendData(slot: CommandSlot, end: number, ttt: number): void {
    const { writer, parameters } = this.#channel as CommandChannel;
    const command = slot.command as Command;
    for (let dataSN = 0; slot.moved < end; dataSN++) {
      const size = Math.min(parameters.MaxRecvDataSegmentLength, end - slot.moved);
      const pdu = writer.begin(Opcode.dataOut, slot.moved + size === end ? FINAL : 0);
      const { dataOut } = pdu;
      writeLun(pdu.bytes, 8, command.lun);
      dataOut.itt = slot.tag;
      dataOut.ttt = ttt;
      dataOut.dataSN = dataSN;
      dataOut.bufferOffset = slot.moved;
      slot.part.select(command.data, slot.moved, size);
      slot.moved += size;
      slot.unsent += 1;
      pdu.owner = slot;
      writer.send(pdu, slot.part, false);
    }
  }

  /** Null for a command that was ended by a function, which tgt answers nevertheless. Throws ProtocolError for one that there is not. */
  #slotOf(tag: number): CommandSlot | null {
    const slot = this.#slots[slotIndex(tag)];
    if (slot !== undefined && slot.tag === tag && !slot.ended) return slot;
    if (slot !== undefined && slot.lateTag === tag && tag !== NO_TAG) return null;
    throw new ProtocolError(`an answer to the tag 0x${tag.toString(16)}, which nothing has`);
  }

  /** Takes a Data-In's header, and says where its data goes. Throws ProtocolError. */
  dataComes(pdu: IncomingAnswer): void {
    const { itt, dataSN, bufferOffset } = pdu.dataIn;
    const slot = this.#slotOf(itt);
    if (slot === null) return;
    if (slot.writes || slot.length === 0) throw new ProtocolError("data for a command that reads none");
    if (dataSN !== slot.sequence) throw new ProtocolError(`DataSN ${dataSN} where ${slot.sequence} is next`);
    if (bufferOffset !== slot.moved) throw new ProtocolError(`data at ${bufferOffset} where ${slot.moved} is next`);
    if (pdu.dataLength > slot.length - slot.moved) throw new ProtocolError("more data than there is room for");
    slot.sequence += 1;
    if (pdu.dataLength > 0) pdu.into((slot.command as Command).data, slot.moved);
  }

  /** Takes one that is whole, with the status of its command or without. */
  dataCame(pdu: IncomingAnswer): void {
    const { itt, flags, status, residual } = pdu.dataIn;
    const slot = this.#slotOf(itt);
    if (slot === null) return;
    slot.moved += pdu.dataLength;
    if ((flags & STATUS) !== 0) this.#answer(slot, flags, status, residual);
  }

  /** Takes an R2T. Throws ProtocolError. */
  readyToTransfer(pdu: IncomingAnswer): void {
    const { itt, ttt, r2tSN, bufferOffset, desiredLength } = pdu.readyToTransfer;
    const { parameters } = this.#channel as CommandChannel;
    const slot = this.#slotOf(itt);
    if (slot === null) return;
    if (!slot.writes || ttt === NO_TAG) throw new ProtocolError("an R2T where nothing is to be written");
    if (r2tSN !== slot.sequence) throw new ProtocolError(`R2TSN ${r2tSN} where ${slot.sequence} is next`);
    if (bufferOffset !== slot.moved) throw new ProtocolError(`an R2T at ${bufferOffset} where ${slot.moved} is next`);
    if (desiredLength === 0 || desiredLength > Math.min(parameters.MaxBurstLength, slot.length - slot.moved)) {
      throw new ProtocolError(`an R2T for ${desiredLength} bytes`);
    }
    slot.sequence += 1;
    this.#sendData(slot, bufferOffset + desiredLength, ttt);
  }

  /** Takes a SCSI Response, whose data is sense data behind two bytes of its length. Throws ProtocolError. */
  respond(pdu: IncomingAnswer, data: AnswerData): void {
    const { itt, flags, response, status, residual } = pdu.response;
    const slot = this.#slotOf(itt);
    if (slot === null) return;
    const command = slot.command as Command;
    // "Target failure": it was not completed, and there is no status (11.4.3).
    if (response !== 0) return this.#fail(slot, HostByte.error);
    if (data.length >= 2) {
      const length = (data.bytes[0] << 8) | data.bytes[1];
      if (length > data.length - 2) throw new ProtocolError("sense data longer than its PDU");
      command.senseLength = Math.min(length, MAX_SENSE);
      copyBytes(data.bytes, 2, command.sense, 0, command.senseLength);
    }
    this.#answer(slot, flags, status, residual);
  }

  /** What a read has not got is what did not come, whatever the target says of it. */
  #answer(slot: CommandSlot, flags: number, status: number, residual: number): void {
    const command = slot.command as Command;
    command.status = status;
    const told = (flags & ResidualFlag.underflow) !== 0 ? Math.min(residual, slot.length) : 0;
    command.overflow = (flags & ResidualFlag.overflow) !== 0 ? residual : 0;
    command.residual = slot.writes ? told : slot.length - slot.moved;
    slot.end();
  }

  #over(slot: CommandSlot): void {
    const { command } = slot;
    assert(command !== null, "a command was over twice");
    slot.command = null;
    slot.part.clear();
    this.#free.push(slot);
    command.completed(command);
    this.proceed();
    this.#idle();
  }
}

/** Ends a command that was not sent. */
export function refuse(command: Command, hostByte: number): void {
  command.hostByte = hostByte;
  command.status = 0;
  command.senseLength = 0;
  command.residual = command.data.length;
  command.completed(command);
}
