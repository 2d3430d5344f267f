// Knows the initiator's side of one iSCSI session over a socket (RFC 7143): login without authentication, commands with
// their data, logout. Holds the target to its numbers: StatSN, DataSN and buffer offsets have to be the next ones.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  Answer,
  CommandFlag,
  DataIn,
  DataOut,
  FINAL,
  formatText,
  HEADER_SIZE,
  IMMEDIATE,
  LoginRequest,
  LoginResponse,
  LogoutRequest,
  NO_TAG,
  Opcode,
  PDUS,
  parseText,
  ReadyToTransfer,
  Request,
  ResidualFlag,
  ScsiCommand,
  ScsiResponse,
  STATUS,
  Stage,
  TRANSIT,
} from "@pvscsi/iscsi";
import { writeLun } from "@pvscsi/scsi";
import type { Cursor, StructClass } from "@pvscsi/wire";

/** A command as an initiator has it. */
export interface Command {
  readonly lun: number;
  /** 16 bytes, whatever the command's own length. */
  readonly cdb: Uint8Array;
  /** Bytes of room for what is read; 0 where nothing is expected. */
  readonly room: number;
  /** What is to be written; null where the command is not sent as one that writes. Not together with room. */
  readonly data: Uint8Array | null;
}

/** How a command ended. */
export interface Ending {
  readonly status: number;
  readonly sense: Uint8Array;
  /** What was read: all that came, without the room that was left. */
  readonly data: Uint8Array;
  /** Positive: so many expected bytes were not moved (underflow); negative: so many more would have been (overflow). */
  readonly residual: number;
}

export interface SessionOptions {
  /** `ADDR:PORT`. */
  readonly address: string;
  readonly target: string;
  readonly initiator: string;
}

/** What is proposed; a target that wants less gets less. */
const WISHES = {
  HeaderDigest: "None",
  DataDigest: "None",
  InitialR2T: "Yes",
  ImmediateData: "Yes",
  MaxRecvDataSegmentLength: 262144,
  MaxBurstLength: 262144,
  FirstBurstLength: 65536,
  MaxConnections: 1,
  MaxOutstandingR2T: 1,
  DataPDUInOrder: "Yes",
  DataSequenceInOrder: "Yes",
  ErrorRecoveryLevel: 0,
  DefaultTime2Wait: 2,
  DefaultTime2Retain: 0,
} as const;
/** Milliseconds after which a target that says nothing is taken for one that hangs. */
const PATIENCE = 20_000;

/** A command under way. */
interface Exchange {
  readonly command: Command;
  readonly received: Uint8Array;
  length: number;
  dataSN: number;
  readonly timer: NodeJS.Timeout;
  end(ending: Ending): void;
  fail(error: Error): void;
}

/** One session of one connection; commands may be under way together, in the order of their CmdSN. */
export class Session {
  readonly #socket: Socket;
  /** Asynchronous Messages that have come: nothing was asked for them. */
  announcements = 0;
  readonly #exchanges = new Map<number, Exchange>();
  #input: Buffer = Buffer.alloc(0);
  #fault: Error | null = null;
  #itt = 1;
  #cmdSN = 1;
  #expStatSN: number | null = null;
  #login: ((bytes: Buffer, data: Buffer) => void) | null = null;
  #loginFailed: (error: Error) => void = () => {};
  /** Bytes the target takes in one PDU, and as immediate data. */
  #maxSend = 8192;
  #firstBurst = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.on("error", (error) => this.#broken(error));
    socket.on("close", () => this.#broken(new Error("the target has closed the connection")));
  }

  /** Rejects where the target refuses, or answers what is not in the RFC. */
  static async login({ address, target, initiator }: SessionOptions): Promise<Session> {
    const colon = address.lastIndexOf(":");
    const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon));
    await once(socket, "connect");
    const session = new Session(socket);
    try {
      await session.#logIn(target, initiator);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return session;
  }

  /** Why it is over, or null. */
  get fault(): Error | null {
    return this.#fault;
  }

  async #logIn(target: string, initiator: string): Promise<void> {
    const pairs = { InitiatorName: initiator, TargetName: target, SessionType: "Normal", ...WISHES };
    let text = formatText(Object.entries(pairs).map(([key, value]) => ({ key, value: String(value) })));
    const agreed = new Map<string, string>();
    for (let round = 0; round < 5; round++) {
      const { fields, data } = await this.#loginRound(text);
      if (fields.status !== 0) throw new Error(`login was refused with ${fields.status.toString(16)}h`);
      for (const { key, value } of parseText(data)) agreed.set(key, value);
      if ((fields.flags & TRANSIT) !== 0) return this.#agree(agreed);
      text = new Uint8Array(0);
    }
    throw new Error("a login without an end");
  }

  async #loginRound(text: Uint8Array): Promise<{ fields: InstanceType<typeof LoginResponse>; data: Buffer }> {
    const flags = TRANSIT | (Stage.operational << 2) | Stage.fullFeature;
    const fields = { opcode: Opcode.login | IMMEDIATE, flags, itt: 0, cid: 0, cmdSN: this.#cmdSN };
    const answered = new Promise<{ fields: InstanceType<typeof LoginResponse>; data: Buffer }>((resolve, reject) => {
      this.#login = (bytes, data) => resolve({ fields: new LoginResponse(bytes), data });
      this.#loginFailed = reject;
    });
    const pdu = pduOf(LoginRequest, { ...fields, expStatSN: this.#expStatSN ?? 0 }, text);
    // A random ISID (RFC 7143 11.12.5) would not be the same again: names tell initiators apart here.
    pdu.set([0x80, 0, 0, 0, 0, 1], 8);
    this.#socket.write(pdu);
    return await answered;
  }

  #agree(agreed: ReadonlyMap<string, string>): void {
    const number = (key: keyof typeof WISHES, otherwise: number) => Number(agreed.get(key) ?? otherwise);
    this.#login = null;
    this.#loginFailed = () => {};
    this.#maxSend = number("MaxRecvDataSegmentLength", 8192);
    const immediate = agreed.get("ImmediateData") !== "No";
    const first = Math.min(number("FirstBurstLength", WISHES.FirstBurstLength), WISHES.FirstBurstLength);
    this.#firstBurst = immediate ? Math.min(first, this.#maxSend) : 0;
  }

  /** Sends a command and resolves to how it ended; rejects when the session is over or the target breaks the RFC. */
  execute(command: Command): Promise<Ending> {
    return new Promise((resolve, reject) => {
      if (this.#fault !== null) return reject(this.#fault);
      const itt = this.#itt++;
      const fail = (): void => this.#broken(new Error("the target does not answer"));
      this.#exchanges.set(itt, {
        command,
        received: new Uint8Array(command.room),
        length: 0,
        dataSN: 0,
        timer: setTimeout(fail, PATIENCE),
        end: resolve,
        fail: reject,
      });
      this.#socket.write(this.#commandPdu(command, itt));
    });
  }

  #commandPdu({ lun, cdb, room, data }: Command, itt: number): Buffer {
    const direction = data !== null ? CommandFlag.write : room > 0 ? CommandFlag.read : 0;
    const fields = {
      opcode: Opcode.command,
      flags: FINAL | direction,
      itt,
      expectedLength: data?.length ?? room,
      cmdSN: this.#cmdSN++,
      expStatSN: this.#expStatSN ?? 0,
    };
    const pdu = pduOf(ScsiCommand, fields, data?.subarray(0, this.#firstBurst));
    writeLun(pdu, 8, lun);
    pdu.set(cdb.subarray(0, 16), ScsiCommand.offsets.cdb);
    return pdu;
  }

  /** Ends the session as the RFC has it. */
  async logout(): Promise<void> {
    if (this.#fault !== null) return;
    const closed = once(this.#socket, "close");
    const fields = { opcode: Opcode.logout | IMMEDIATE, flags: FINAL, itt: this.#itt++, cmdSN: this.#cmdSN };
    this.#socket.write(pduOf(LogoutRequest, { ...fields, expStatSN: this.#expStatSN ?? 0 }));
    await closed;
  }

  /** Ends the connection without a word. */
  close(): void {
    this.#socket.destroy();
  }

  #broken(error: Error): void {
    this.#fault ??= error;
    this.#socket.destroy();
    this.#loginFailed(this.#fault);
    for (const exchange of this.#exchanges.values()) {
      clearTimeout(exchange.timer);
      exchange.fail(this.#fault);
    }
    this.#exchanges.clear();
  }

  #receive(bytes: Buffer): void {
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
    try {
      while (this.#fault === null && this.#takePdu());
    } catch (error) {
      this.#broken(error as Error);
    }
  }

  /** Takes one whole PDU; false where there is none yet. */
  #takePdu(): boolean {
    const input = this.#input;
    if (input.length < HEADER_SIZE) return false;
    const length = input.readUIntBE(5, 3);
    const end = HEADER_SIZE + 4 * input[4] + ((length + 3) & ~3);
    if (input.length < end) return false;
    this.#input = input.subarray(end);
    this.#take(input.subarray(0, HEADER_SIZE), input.subarray(HEADER_SIZE + 4 * input[4]).subarray(0, length));
    return true;
  }

  #take(bytes: Buffer, data: Buffer): void {
    const opcode = bytes[0] & 0x3f;
    if (opcode === Opcode.loginResponse) {
      this.#count(new Answer(bytes).statSN);
      return this.#login?.(bytes, data);
    }
    if (opcode === Opcode.response) return this.#takeResponse(new ScsiResponse(bytes), data);
    if (opcode === Opcode.dataIn) return this.#takeDataIn(new DataIn(bytes), data);
    if (opcode === Opcode.readyToTransfer) return this.#takeReadyToTransfer(new ReadyToTransfer(bytes));
    if (opcode === Opcode.asynchronous) return this.#takeAnnouncement(new Answer(bytes));
    if (opcode === Opcode.nopIn) return this.#takeNop(new Answer(bytes), data);
    if (opcode === Opcode.logoutResponse) return this.#count(new Answer(bytes).statSN);
    throw new Error(`the target has sent ${PDUS[opcode]?.name ?? `a PDU of opcode ${opcode}`}`);
  }

  /** Each answer with a status has the next StatSN (11.4.8). */
  #count(statSN: number): void {
    if (this.#expStatSN !== null && statSN !== this.#expStatSN)
      throw new Error(`StatSN ${statSN} where ${this.#expStatSN} is next`);
    this.#expStatSN = (statSN + 1) >>> 0;
  }

  #exchangeOf(itt: number): Exchange {
    const exchange = this.#exchanges.get(itt);
    if (exchange === undefined) throw new Error(`an answer to the tag ${itt}, which nothing has`);
    return exchange;
  }

  #takeResponse(fields: InstanceType<typeof ScsiResponse>, data: Buffer): void {
    this.#count(fields.statSN);
    if (fields.response !== 0) throw new Error(`response ${fields.response} where the command was completed`);
    const length = data.length < 2 ? 0 : data.readUInt16BE(0);
    if (length > data.length - 2 && data.length > 0) throw new Error("sense data longer than its PDU");
    this.#end(fields.itt, fields, Uint8Array.from(data.subarray(2, 2 + length)));
  }

  #takeDataIn(fields: InstanceType<typeof DataIn>, data: Buffer): void {
    const exchange = this.#exchangeOf(fields.itt);
    if (fields.dataSN !== exchange.dataSN++) throw new Error(`DataSN ${fields.dataSN} where another is next`);
    if (fields.bufferOffset !== exchange.length) throw new Error(`data at ${fields.bufferOffset}, out of order`);
    if (exchange.length + data.length > exchange.received.length) throw new Error("more data than there is room for");
    exchange.received.set(data, exchange.length);
    exchange.length += data.length;
    if ((fields.flags & STATUS) === 0) return;
    this.#count(fields.statSN);
    this.#end(fields.itt, fields, new Uint8Array(0));
  }

  #end(itt: number, fields: { flags: number; status: number; residual: number }, sense: Uint8Array): void {
    const exchange = this.#exchangeOf(itt);
    const { flags, status, residual } = fields;
    const sign = (flags & ResidualFlag.overflow) !== 0 ? -1 : (flags & ResidualFlag.underflow) !== 0 ? 1 : 0;
    clearTimeout(exchange.timer);
    this.#exchanges.delete(itt);
    // -0 would not be 0 to whoever compares.
    const signed = sign * residual || 0;
    exchange.end({ status, sense, data: exchange.received.subarray(0, exchange.length), residual: signed });
  }

  #takeReadyToTransfer({ itt, ttt, statSN, bufferOffset, desiredLength }: InstanceType<typeof ReadyToTransfer>): void {
    const { data } = this.#exchangeOf(itt).command;
    // It has the next StatSN, and does not take it (11.8.4).
    if (statSN !== this.#expStatSN) throw new Error(`StatSN ${statSN} in an R2T where ${this.#expStatSN} is next`);
    if (data === null || bufferOffset + desiredLength > data.length) throw new Error("an R2T for data there is not");
    for (let at = 0, dataSN = 0; at < desiredLength; dataSN++) {
      const offset = bufferOffset + at;
      const piece = data.subarray(offset, offset + Math.min(this.#maxSend, desiredLength - at));
      at += piece.length;
      const flags = at === desiredLength ? FINAL : 0;
      const fields = { opcode: Opcode.dataOut, flags, itt, ttt, dataSN, bufferOffset: offset };
      this.#socket.write(pduOf(DataOut, { ...fields, expStatSN: this.#expStatSN ?? 0 }, piece));
    }
  }

  /** It has a StatSN of its own (11.9.2). */
  #takeAnnouncement({ statSN }: InstanceType<typeof Answer>): void {
    this.announcements += 1;
    this.#count(statSN);
  }

  /** A target may ask whether anybody is there (11.19). */
  #takeNop({ ttt, lun }: InstanceType<typeof Answer>, data: Buffer): void {
    if (ttt === NO_TAG) return;
    const fields = { opcode: Opcode.nopOut | IMMEDIATE, flags: FINAL, itt: NO_TAG, ttt, cmdSN: this.#cmdSN };
    const pdu = pduOf(Request, { ...fields, expStatSN: this.#expStatSN ?? 0 }, data);
    pdu.set(lun, 8);
    this.#socket.write(pdu);
  }
}

/** A PDU's bytes: header fields by name, then the data and its padding. */
function pduOf<Record extends Cursor>(
  struct: StructClass<Record>,
  fields: Partial<Record>,
  data: Uint8Array = new Uint8Array(0),
): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE + ((data.length + 3) & ~3));
  Object.assign(new struct(bytes), { dataLength: data.length }, fields);
  bytes.set(data, HEADER_SIZE);
  return bytes;
}
