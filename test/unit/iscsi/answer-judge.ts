// Knows what every stream of bytes from a target has to be, whatever it was sent: whole PDUs of a target, numbered, digested,
// no longer than was agreed on, with data and R2Ts in order and sense data that can be read.

import {
  DataIn,
  FINAL,
  HEADER_SIZE,
  LoginResponse,
  LoginStatus,
  NO_TAG,
  Opcode,
  PDUS,
  parseText,
  ReadyToTransfer,
  ResidualFlag,
  ScsiResponse,
  STATUS,
  Stage,
  TRANSIT,
} from "@pvscsi/iscsi";
import { decodeSense, Status } from "@pvscsi/scsi";
import { digestOf, type Received } from "./peer.js";

const STATUSES: ReadonlySet<number> = new Set(Object.values(Status));
const DIGEST = 4;
const LOGIN_MAXIMUM = 8192;

/** What came of a command so far. */
interface Progress {
  dataSN: number;
  bytes: number;
  r2tSN: number;
}

export class AnswerJudge {
  /** The first thing that was wrong, or null. */
  fault: string | null = null;
  phase: "login" | "full-feature" = "login";
  digests = { headerDigest: false, dataDigest: false };
  /** What the initiator has declared that it takes in a data segment; not looked at before the login's end. */
  maximumData: number;
  /** Of what came last. */
  statSN = 0;
  readonly #hear: (pdu: Received) => void;
  readonly #progress = new Map<number, Progress>();
  readonly #doubtful = new Set<number>();
  #received: Buffer = Buffer.alloc(0);
  #nextStatSN: number | null = null;
  #expCmdSN: number | null = null;
  #maxCmdSN = 0;

  /** `hear` is given each PDU. */
  constructor(maximumData: number, hear: (pdu: Received) => void) {
    this.maximumData = maximumData;
    this.#hear = hear;
  }

  /** Bytes of a PDU that is not whole. */
  get pending(): number {
    return this.#received.length;
  }

  /** A tag may be that of two commands: what comes of them may come mixed. */
  doubt(itt: number): void {
    this.#doubtful.add(itt);
  }

  feed(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.fault !== null) return;
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.fault === null) {
      const pdu = this.#take();
      if (pdu === null) return;
      this.#judge(pdu);
      this.#hear(pdu);
    }
  }

  #take(): Received | null {
    if (this.#received.length < HEADER_SIZE) return null;
    const { headerDigest, dataDigest } = this.digests;
    const header = this.#received.subarray(0, HEADER_SIZE);
    const length = header.readUIntBE(5, 3);
    const padded = (length + 3) & ~3;
    const data = HEADER_SIZE + (headerDigest ? DIGEST : 0);
    const end = data + padded + (dataDigest && length > 0 ? DIGEST : 0);
    if (this.#received.length < end) return null;
    const whole = this.#received.subarray(0, end);
    this.#received = this.#received.subarray(end);
    if (headerDigest) this.#holds(whole.subarray(HEADER_SIZE, data).equals(digestOf(header)), "a header's digest");
    const segment = whole.subarray(data, data + padded);
    if (end > data + padded) this.#holds(whole.subarray(end - DIGEST).equals(digestOf(segment)), "a data digest");
    this.#holds(header[4] === 0, "additional headers");
    this.#holds(
      segment.subarray(length).every((byte) => byte === 0),
      "padding",
    );
    const opcode = header[0];
    return { opcode, name: PDUS[opcode]?.name ?? "unknown", bytes: header, data: segment.subarray(0, length) };
  }

  #judge(pdu: Received): void {
    const login = pdu.opcode === Opcode.loginResponse;
    this.#holds(login === (this.phase === "login"), `${pdu.name} in the phase ${this.phase}`);
    this.#holds(pdu.opcode >= Opcode.nopIn && PDUS[pdu.opcode] !== undefined, `opcode ${pdu.opcode}`);
    const most = login ? LOGIN_MAXIMUM : Math.max(this.maximumData, HEADER_SIZE);
    this.#holds(pdu.data.length <= most, `${pdu.name} with ${pdu.data.length} bytes, more than ${most}`);
    if (login) return this.#judgeLogin(pdu);
    this.#judgeNumbers(pdu);
    if (pdu.opcode === Opcode.dataIn) this.#judgeDataIn(pdu);
    else if (pdu.opcode === Opcode.response) this.#judgeResponse(pdu);
    else if (pdu.opcode === Opcode.readyToTransfer) this.#judgeR2t(pdu);
    else if (pdu.opcode === Opcode.reject) this.#holds(pdu.data.length === HEADER_SIZE, "a Reject without the header");
  }

  #judgeLogin({ bytes, data }: Received): void {
    const { flags, status, statSN } = new LoginResponse(bytes);
    this.#number(statSN, true);
    if (status !== LoginStatus.success) return;
    const keys = new Map(parseText(data).map(({ key, value }) => [key, value]));
    const [header, segment] = [keys.get("HeaderDigest"), keys.get("DataDigest")];
    if (header !== undefined) this.#agreed.headerDigest = header === "CRC32C";
    if (segment !== undefined) this.#agreed.dataDigest = segment === "CRC32C";
    if ((flags & TRANSIT) === 0 || (flags & 3) !== Stage.fullFeature) return;
    this.phase = "full-feature";
    this.digests = this.#agreed;
  }
  readonly #agreed = { headerDigest: false, dataDigest: false };

  #judgeNumbers({ opcode, bytes, name }: Received): void {
    const data = opcode === Opcode.dataIn && (bytes[1] & STATUS) === 0;
    const ping = opcode === Opcode.nopIn && bytes.readUInt32BE(16) === NO_TAG;
    // What has no status tells which StatSN is next (RFC 7143 11.8, 11.19); of data without status it is reserved.
    if (!data) this.#number(bytes.readUInt32BE(24), !ping && opcode !== Opcode.readyToTransfer);
    const [expCmdSN, maxCmdSN] = [bytes.readUInt32BE(28), bytes.readUInt32BE(32)];
    if (this.#expCmdSN !== null) {
      this.#holds(isBehind(this.#expCmdSN, expCmdSN), `${name} with ExpCmdSN ${expCmdSN} after ${this.#expCmdSN}`);
      this.#holds(isBehind(this.#maxCmdSN, maxCmdSN), `${name} with MaxCmdSN ${maxCmdSN} after ${this.#maxCmdSN}`);
    }
    this.#holds(isBehind(expCmdSN, (maxCmdSN + 1) >>> 0), `${name} with MaxCmdSN ${maxCmdSN} and ExpCmdSN ${expCmdSN}`);
    this.#expCmdSN = expCmdSN;
    this.#maxCmdSN = maxCmdSN;
  }

  #number(statSN: number, counts: boolean): void {
    const right = this.#nextStatSN === null || this.#nextStatSN === statSN;
    this.#holds(right, `StatSN ${statSN} where ${this.#nextStatSN} is next`);
    this.statSN = statSN;
    this.#nextStatSN = counts ? (statSN + 1) >>> 0 : statSN;
  }

  #judgeDataIn({ bytes, data }: Received): void {
    const { itt, flags, status, dataSN, bufferOffset } = new DataIn(bytes);
    const progress = this.#progressOf(itt);
    if (!this.#doubtful.has(itt)) {
      this.#holds(dataSN === progress.dataSN, `DataSN ${dataSN} where ${progress.dataSN} is next`);
      this.#holds(bufferOffset === progress.bytes, `data at ${bufferOffset} after ${progress.bytes} bytes`);
    }
    this.#holds(data.length > 0, "Data-In without data");
    progress.dataSN += 1;
    progress.bytes += data.length;
    if ((flags & STATUS) === 0) return;
    const good = status === Status.good || status === Status.conditionMet;
    this.#holds(good && (flags & FINAL) !== 0, `status ${status} and flags ${flags} with data`);
    this.#judgeResidual(flags);
    this.#progress.delete(itt);
  }

  #judgeResponse({ bytes, data }: Received): void {
    const { itt, flags, status } = new ScsiResponse(bytes);
    this.#holds(STATUSES.has(status), `status ${status}`);
    this.#judgeResidual(flags);
    const checked = status === Status.checkCondition;
    this.#holds(checked === data.length > 2, `status ${status} with ${data.length} bytes of sense data`);
    if (data.length > 2) {
      this.#holds(data.readUInt16BE(0) === data.length - 2, "the length of sense data");
      this.#holds(decodeSense(data.subarray(2)) !== null, "sense data that is none");
    }
    this.#progress.delete(itt);
  }

  #judgeResidual(flags: number): void {
    const both = ResidualFlag.overflow | ResidualFlag.underflow;
    this.#holds((flags & both) !== both, "a residual both ways");
  }

  /** A command with the same tag may have been aborted before: then it begins anew. */
  #judgeR2t({ bytes, data }: Received): void {
    const { itt, ttt, r2tSN, desiredLength } = new ReadyToTransfer(bytes);
    if (r2tSN === 0) this.#progress.delete(itt);
    const progress = this.#progressOf(itt);
    const inOrder = r2tSN === progress.r2tSN || this.#doubtful.has(itt);
    this.#holds(inOrder, `R2TSN ${r2tSN} where ${progress.r2tSN} is next`);
    this.#holds(ttt !== NO_TAG && desiredLength > 0 && data.length === 0, `an R2T for ${desiredLength} bytes`);
    progress.r2tSN += 1;
  }

  #progressOf(itt: number): Progress {
    const found = this.#progress.get(itt) ?? { dataSN: 0, bytes: 0, r2tSN: 0 };
    this.#progress.set(itt, found);
    return found;
  }

  #holds(holds: boolean, fault: string): void {
    if (!holds) this.fault ??= fault;
  }
}

/** Serial numbers of 32 bits (RFC 1982): whether the first is not after the second. */
function isBehind(first: number, second: number): boolean {
  return (second - first) >>> 0 < 0x8000_0000;
}
