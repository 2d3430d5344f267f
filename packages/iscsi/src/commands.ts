// Knows how SCSI commands of a connection become tasks and are answered: R2Ts, data both ways, status and residuals
// (RFC 7143 4.2, 11.3, 11.4, 11.7, 11.8). What is wrong with a request is in command-check.ts.

import { endWithSense, type Nexus, readLun, Status, type Task } from "@pvscsi/scsi";
import { type PagePool, Pool, type Probes, Queue } from "@pvscsi/wire";
import { FINAL, STATUS } from "./abi/codes.js";
import { NO_TAG, Opcode } from "./abi/pdu.js";
import { checkCommand, checkDataOut, DATA_SENSE, type DataOutFault, takeCdb } from "./command-check.js";
import { Exchange, MAX_OUTSTANDING, type Refusal } from "./exchange.js";
import type { IncomingRequest } from "./incoming-request.js";
import type { Parameters } from "./keys.js";
import type { AnswerWriter, OutgoingAnswer } from "./outgoing-answer.js";
import { residual, residualFlags } from "./residual.js";
import { TagTable } from "./tag-table.js";
import type { CommandWindow } from "./window.js";

/** Bytes of one command that there are ever pages for: no disk moves more at once. */
const MOST_DATA = 32 * 1024 * 1024;
/** Data-In PDUs of one command that are gathered at once. */
const TRAIN = 32;

export interface CommandsParts {
  readonly nexus: Nexus;
  readonly window: CommandWindow;
  readonly writer: AnswerWriter;
  readonly pages: PagePool;
  /** The PDU that is coming in. */
  readonly incoming: IncomingRequest;
  readonly parameters: Parameters;
  readonly probes: Probes;
  /** Bytes that commands under way may have asked for; one always has room. */
  readonly bytesInFlight: number;
  /** Bytes that the pages of all sessions may have. */
  readonly bytesInAll: number;
  /** Hears of each command that is over. */
  readonly idle: () => void;
}

export class Commands {
  readonly #parts: CommandsParts;
  readonly #exchanges: Pool<Exchange>;
  /** Those that are not answered, by Initiator Task Tag. */
  readonly #byTag = new TagTable();
  readonly #waiting = new Queue<Exchange>();
  /** Bytes of those that were given room. */
  #admitted = 0;
  #nextTag = 0;
  /** Whose the PDU is that is coming in, unless it has ended meanwhile. */
  #filling: Exchange | null = null;
  #closed = false;
  readonly #taskEnded = (task: Task): void => this.#ended(task.context as Exchange);

  constructor(parts: CommandsParts) {
    this.#parts = parts;
    this.#exchanges = new Pool(() => this.#newExchange());
  }

  /** Commands whose answers have not left. */
  get underWay(): number {
    return this.#exchanges.taken;
  }

  /** Those that are not answered yet. */
  get unanswered(): number {
    return this.#byTag.size;
  }

  /** Whether the command that is coming in has the tag of one that is not answered. */
  incomingTagTaken(): boolean {
    return this.#byTag.find(this.#parts.incoming.command.itt) !== undefined;
  }

  find(itt: number): Exchange | undefined {
    return this.#byTag.find(itt);
  }

  /** Takes a command's header and says where its immediate data goes. Its tag is that of no other. */
  accept(): Exchange {
    const { parameters, pages, probes, incoming: pdu } = this.#parts;
    const { command } = pdu;
    const exchange = this.#exchanges.take();
    exchange.begin();
    exchange.itt = command.itt;
    exchange.expectedLength = command.expectedLength;
    exchange.length = Math.min(command.expectedLength, MOST_DATA);
    for (let i = 0; i < 8; i++) exchange.lun[i] = pdu.bytes[8 + i];
    const { task } = exchange;
    task.tag = command.itt;
    task.lun = readLun(exchange.lun, 0);
    takeCdb(task, pdu);
    exchange.refused = checkCommand(exchange, pdu, parameters);
    this.#byTag.add(exchange);
    this.#filling = exchange;
    if (probes.listening) probes.emit("iscsi:command", exchange);
    const unasked = exchange.writes && (exchange.unsolicited || pdu.dataLength > 0);
    const room = Math.min(exchange.length, parameters.FirstBurstLength);
    if (unasked && exchange.refused === null && !this.#fits(room)) exchange.refused = "task-set-full";
    if (exchange.refused !== null) pdu.drop();
    else if (unasked) {
      exchange.hold(pages, room);
      pdu.into(exchange.pages, pages.pageSize, 0);
      exchange.received = pdu.dataLength;
    }
    return exchange;
  }

  /** All of the PDU that was coming in is there: gives the command that it belongs to, if that has not ended meanwhile. */
  arrived(): Exchange | null {
    const exchange = this.#filling;
    this.#filling = null;
    return exchange;
  }

  /** Goes on with a command whose turn has come, and whose immediate data is there. */
  deliver(exchange: Exchange): void {
    if (exchange.refused !== null) return this.#refuse(exchange, exchange.refused);
    exchange.solicited = exchange.received;
    const collects = exchange.writes && (exchange.unsolicited || exchange.received < exchange.length);
    if (collects && !this.#announce(exchange)) return;
    if (!exchange.unsolicited) this.#proceed(exchange);
  }

  /** Tells the nexus of a command that is not complete; false where that has ended it. */
  #announce(exchange: Exchange): boolean {
    exchange.state = "receiving";
    this.#parts.nexus.announce(exchange.task);
    return exchange.task.collecting;
  }

  /** Takes a Data-Out's header: null where its data belongs to nothing (any more), else what is wrong, or "right". */
  dataOut(): DataOutFault | "right" | null {
    const pdu = this.#parts.incoming;
    const exchange = this.#byTag.find(pdu.dataOut.itt);
    if (exchange === undefined || exchange.refused !== null) return null;
    const fault = checkDataOut(exchange, pdu, this.#parts.parameters);
    if (fault === null) {
      pdu.into(exchange.pages, this.#parts.pages.pageSize, exchange.received);
      this.#filling = exchange;
      return "right";
    }
    const collecting =
      exchange.state === "receiving" || exchange.state === "soliciting" || exchange.state === "waiting";
    if (fault !== "tag" && collecting) this.#refuse(exchange, DATA_SENSE[fault]);
    return fault;
  }

  /** Takes a Data-Out that was right, and whole. */
  dataCame(exchange: Exchange): void {
    const { dataOut, dataLength } = this.#parts.incoming;
    exchange.received += dataLength;
    exchange.dataSN += 1;
    if ((dataOut.flags & FINAL) === 0) return;
    if (exchange.state === "receiving") {
      exchange.unsolicited = false;
      exchange.solicited = exchange.received;
      exchange.dataSN = 0;
      this.#proceed(exchange);
    } else if (exchange.received !== exchange.end) this.#refuse(exchange, DATA_SENSE.amount);
    else {
      exchange.satisfied();
      if (exchange.received === exchange.length) this.#execute(exchange);
      else this.#solicit(exchange);
    }
  }

  /** Ends the commands whose turn has not come, which the nexus does not know of, at a LUN or all; without an answer. */
  dropHeld(lun: number | null): void {
    for (const exchange of this.#held(lun)) this.#finish(exchange);
  }

  /** Ends one of them, likewise. */
  drop(exchange: Exchange): void {
    this.#finish(exchange);
  }

  isHeldAt(lun: number): boolean {
    return this.#held(lun).length > 0;
  }

  /** A list of its own: ending one changes what is under way. */
  #held(lun: number | null): Exchange[] {
    const isThere = ({ state, task }: Exchange): boolean => state === "held" && (lun === null || task.lun === lun);
    return this.#byTag.list().filter(isThere);
  }

  /** Nothing comes or is answered any more. */
  close(): void {
    this.#closed = true;
    this.dropHeld(null);
  }

  /** Its data is asked for, or there is room to read it. */
  #proceed(exchange: Exchange): void {
    if (exchange.writes && exchange.received === exchange.length) return this.#execute(exchange);
    if (exchange.length === 0) return this.#execute(exchange);
    if (this.#waiting.length === 0 && this.#hasRoom(exchange)) return this.#admit(exchange);
    if (!exchange.task.collecting && !this.#announce(exchange)) return;
    exchange.state = "waiting";
    this.#waiting.push(exchange);
  }

  #hasRoom({ length }: Exchange): boolean {
    return this.#admitted === 0 || this.#admitted + length <= this.#parts.bytesInFlight;
  }

  /** Whether there are pages for so many bytes more, whoever has the others. */
  #fits(bytes: number): boolean {
    const { pages, bytesInAll } = this.#parts;
    return pages.taken === 0 || pages.taken * pages.pageSize + bytes <= bytesInAll;
  }

  #admit(exchange: Exchange): void {
    if (!this.#fits(exchange.length)) return this.#refuse(exchange, "task-set-full");
    exchange.admitted = exchange.length;
    this.#admitted += exchange.length;
    exchange.hold(this.#parts.pages, exchange.length);
    if (!exchange.writes) return this.#execute(exchange);
    exchange.state = "soliciting";
    this.#solicit(exchange);
  }

  /** Asks for as much as may be asked for at once. */
  #solicit(exchange: Exchange): void {
    const { writer, parameters } = this.#parts;
    const most = Math.min(parameters.MaxOutstandingR2T, MAX_OUTSTANDING);
    while (exchange.outstanding < most && exchange.solicited < exchange.length) {
      const size = Math.min(parameters.MaxBurstLength, exchange.length - exchange.solicited);
      const pdu = writer.begin(Opcode.readyToTransfer, FINAL);
      const { readyToTransfer } = pdu;
      copyLun(exchange, pdu);
      readyToTransfer.itt = exchange.itt;
      readyToTransfer.ttt = this.#newTag();
      readyToTransfer.r2tSN = exchange.r2tSN++;
      readyToTransfer.bufferOffset = exchange.solicited;
      readyToTransfer.desiredLength = size;
      exchange.ask(readyToTransfer.ttt, exchange.solicited + size);
      writer.send(pdu, null, false);
    }
  }

  #newTag(): number {
    this.#nextTag = (this.#nextTag + 1) >>> 0;
    if (this.#nextTag === NO_TAG) this.#nextTag = 0;
    return this.#nextTag;
  }

  #execute(exchange: Exchange): void {
    exchange.state = "executing";
    exchange.lay(this.#parts.pages.pageSize);
    this.#parts.nexus.submit(exchange.task);
  }

  /** What was aborted is not answered, but where its LUN is gone: there would be nothing to tell its initiator. */
  #ended(exchange: Exchange): void {
    const { task } = exchange;
    const gone = task.aborted && this.#parts.nexus.unitAt(task.lun) === undefined;
    if (this.#closed || (task.aborted && !gone)) return this.#finish(exchange);
    if (gone) {
      task.status = Status.taskAborted;
      task.senseLength = 0;
      task.transferLength = 0;
    }
    this.#answer(exchange);
  }

  /** Ends a command that was never executed; the nexus may know of it. */
  #refuse(exchange: Exchange, refusal: Refusal): void {
    if (exchange.state === "waiting") this.#waiting.remove(exchange);
    exchange.state = "executing";
    if (!exchange.task.collecting) {
      exchange.task.nexus = null;
      exchange.task.begin();
    }
    if (refusal === "task-set-full") exchange.task.end(Status.taskSetFull);
    else endWithSense(exchange.task, refusal);
  }

  /** Sends the data with its status, or the status alone. Whoever hears of it may send the next command. */
  #answer(exchange: Exchange): void {
    const { task, places } = exchange;
    this.#settle(exchange);
    const good = task.status === Status.good || task.status === Status.conditionMet;
    const reads = task.direction === "from-device";
    if (reads && !good) task.transferLength = 0;
    exchange.answerLength = reads ? Math.min(task.transferLength, places.length) : 0;
    if (this.#parts.probes.listening) this.#parts.probes.emit("iscsi:answer", exchange);
    if (exchange.answerLength > 0) this.#sendData(exchange);
    else this.#sendResponse(exchange);
  }

  /** Sends Data-In PDUs, and goes on when they have left where there are many: an initiator may take 512 bytes at a time. */
  #sendData(exchange: Exchange): void {
    const { writer, parameters } = this.#parts;
    const { task, places, part, answerLength } = exchange;
    for (let sent = 0; sent < TRAIN && exchange.sent < answerLength; sent++) {
      const at = exchange.sent;
      const inBurst = parameters.MaxBurstLength - (at % parameters.MaxBurstLength);
      const size = Math.min(parameters.MaxRecvDataSegmentLength, answerLength - at, inBurst);
      const last = at + size === answerLength;
      const pdu = writer.begin(Opcode.dataIn, last || size === inBurst ? FINAL : 0);
      pdu.dataIn.itt = exchange.itt;
      pdu.dataIn.ttt = NO_TAG;
      pdu.dataIn.dataSN = exchange.answerSN++;
      pdu.dataIn.bufferOffset = at;
      if (last) {
        pdu.dataIn.flags |= STATUS | residualFlags(exchange);
        pdu.dataIn.status = task.status;
        pdu.dataIn.residual = residual(exchange);
      }
      exchange.sent += size;
      if (last || sent === TRAIN - 1) pdu.owner = exchange;
      if (size === places.length) writer.send(pdu, places, last);
      else {
        part.select(places, at, size);
        writer.send(pdu, part, last);
      }
    }
  }

  #sendResponse(exchange: Exchange): void {
    const { writer } = this.#parts;
    const { task, part, senseData } = exchange;
    const pdu = writer.begin(Opcode.response, FINAL | residualFlags(exchange));
    pdu.response.itt = exchange.itt;
    pdu.response.status = task.status;
    pdu.response.residual = residual(exchange);
    pdu.response.expDataSN = exchange.r2tSN;
    pdu.owner = exchange;
    if (task.senseLength === 0) return writer.send(pdu, null, true);
    senseData[1] = task.senseLength;
    for (let i = 0; i < task.senseLength; i++) senseData[2 + i] = task.sense[i];
    part.clear();
    part.add(senseData, 0, 2 + task.senseLength);
    writer.send(pdu, part, true);
  }

  /** What was sent of its answer has left. */
  #left(exchange: Exchange): void {
    if (exchange.sent < exchange.answerLength && !this.#closed) this.#sendData(exchange);
    else this.#release(exchange);
  }

  /** Ends it without an answer. */
  #finish(exchange: Exchange): void {
    this.#settle(exchange);
    this.#release(exchange);
  }

  /** It is under way no more, as the initiator sees it. */
  #settle(exchange: Exchange): void {
    if (exchange.state === "waiting") this.#waiting.remove(exchange);
    if (this.#filling === exchange) {
      // Its pages are about to be another's.
      this.#parts.incoming.drop();
      this.#filling = null;
    }
    exchange.state = "answered";
    this.#byTag.remove(exchange);
    if (exchange.counted) this.#parts.window.underWay -= 1;
  }

  #release(exchange: Exchange): void {
    const { pages, idle } = this.#parts;
    this.#admitted -= exchange.admitted;
    exchange.admitted = 0;
    exchange.places.clear();
    exchange.part.clear();
    pages.giveBack(exchange.pages);
    this.#exchanges.giveBack(exchange);
    while (!this.#closed && this.#waiting.length > 0 && this.#hasRoom(this.#waiting.first()))
      this.#admit(this.#waiting.shift());
    idle();
  }

  #newExchange(): Exchange {
    const exchange = new Exchange((each) => this.#left(each));
    exchange.task.context = exchange;
    exchange.task.completed = this.#taskEnded;
    exchange.task.tellsOverflow = true;
    return exchange;
  }
}

function copyLun({ lun }: Exchange, { bytes }: OutgoingAnswer): void {
  for (let i = 0; i < 8; i++) bytes[8 + i] = lun[i];
}
