// Knows what an initiator sends that means harm and knows the protocol: mostly what it may, so that what it may not meets
// sessions in every state. It knows no socket: PDUs come out, and the target's are told to it.

import {
  CONTINUE,
  CommandFlag,
  DataIn,
  FINAL,
  formatText,
  HEADER_SIZE,
  IMMEDIATE,
  NO_TAG,
  Opcode,
  parseText,
  ReadyToTransfer,
  STATUS,
} from "@pvscsi/iscsi";
import type { Random } from "@pvscsi/wire";
import { noise, pick, randomCommand, spoil } from "../../support/random-command.js";
import { AnswerJudge } from "./answer-judge.js";
import { HostileLogin, type LoginPlan } from "./hostile-login.js";
import { damaged, headerOf, type Parts, sound } from "./hostile-pdu.js";
import { lunBytes, pairsOf, type Received } from "./peer.js";

const MEDIUM = { blocks: 2048, blockSize: 512 };
const MOST_AT_ONCE = 32 * 1024;
const TEXTS: readonly (readonly [string, string])[] = [
  ["SendTargets", ""],
  ["SendTargets", "All"],
  ["SendTargets", "iqn.2026-11.localhost:hostile"],
  ["MaxRecvDataSegmentLength", "4096"],
  ["HeaderDigest", "CRC32C"],
  ["X-com.example.key", "value"],
  ["InitiatorAlias", "\u00e9"],
];

/** Data that was asked for and not sent yet. */
interface Wanted {
  readonly itt: number;
  readonly ttt: number;
  readonly lun: Uint8Array;
  readonly end: number;
  at: number;
  dataSN: number;
}

/** What it may send, and how often. */
type Kind = "command" | "data" | "nop" | "text" | "manage" | "logout" | "stray";
const KINDS: readonly Kind[] = [
  ...(["command", "command", "command", "command", "command", "data", "data", "data", "data"] as const),
  ...(["nop", "text", "manage", "stray"] as const),
];

export class HostileInitiator {
  readonly judge: AnswerJudge;
  /** PDUs that were sent, and those of them that were not as they should be. */
  sent = 0;
  mutated = 0;
  /** Reasons of the Rejects that came. */
  readonly rejects: number[] = [];
  readonly #random: Random;
  readonly #plan: LoginPlan;
  readonly #login: HostileLogin;
  /** How many of its PDUs are damaged, and whether its login is. */
  readonly #damage: number;
  readonly #damagesLogin: boolean;
  readonly #wanted: Wanted[] = [];
  /** Tags of commands that are not answered, as far as it knows. */
  readonly #tags: number[] = [];
  #pingTag: number | null = null;
  #textTag: number | null = null;
  #cmdSN: number;
  #nextTag = 1;

  constructor(plan: LoginPlan, random: Random) {
    this.#plan = plan;
    this.#random = random;
    this.#cmdSN = random.chance(0.2) ? 0xffff_fffe : random.u32();
    this.#login = new HostileLogin(plan, this.#cmdSN, random);
    this.#damage = pick(random, [0.05, 0.3, 0.9]);
    this.#damagesLogin = random.chance(0.2);
    // What a damaged login comes to, nobody knows.
    const limit = this.#damagesLogin ? Number.POSITIVE_INFINITY : plan.maximumData;
    this.judge = new AnswerJudge(limit, (pdu) => this.#heard(pdu));
  }

  /** The bytes of its next PDU; null where it waits for an answer. */
  next(): Uint8Array | null {
    const { phase, digests } = this.judge;
    const parts = phase === "login" ? this.#login.next() : this.#request();
    if (parts === null) return null;
    this.sent += 1;
    const damages = phase === "login" ? this.#damagesLogin && this.#random.chance(0.3) : this.#damages();
    if (!damages) return sound(parts, digests);
    this.mutated += 1;
    const tag = parts.header.readUInt32BE(16);
    const bytes = damaged(parts, digests, this.#random);
    // It may have come twice, or have another's tag now.
    this.judge.doubt(tag);
    if (bytes.length >= 20) this.judge.doubt(bytes.readUInt32BE(16));
    return bytes;
  }

  #damages(): boolean {
    return this.#random.chance(this.#damage);
  }

  #heard(pdu: Received): void {
    const itt = pdu.bytes.readUInt32BE(16);
    const ttt = pdu.bytes.readUInt32BE(20);
    switch (pdu.opcode) {
      case Opcode.loginResponse:
        return this.#login.answered(parseText(pdu.data));
      case Opcode.readyToTransfer: {
        const { bufferOffset, desiredLength, lun } = new ReadyToTransfer(pdu.bytes);
        const wanted = { itt, ttt, lun, at: bufferOffset, end: bufferOffset + desiredLength, dataSN: 0 };
        this.#wanted.push(wanted);
        return;
      }
      case Opcode.nopIn:
        if (ttt !== NO_TAG) this.#pingTag = ttt;
        return;
      case Opcode.textResponse:
        this.#textTag = ttt === NO_TAG ? null : ttt;
        return;
      case Opcode.reject:
        this.rejects.push(pdu.bytes[2]);
        return;
      case Opcode.dataIn:
        if ((new DataIn(pdu.bytes).flags & STATUS) !== 0) this.#answered(itt);
        return;
      case Opcode.response:
        this.#answered(itt);
    }
  }

  #answered(itt: number): void {
    const index = this.#tags.indexOf(itt);
    if (index >= 0) this.#tags.splice(index, 1);
  }

  #request(): Parts {
    const kind = this.#random.chance(0.003) ? "logout" : pick(this.#random, KINDS);
    switch (kind) {
      case "command":
        return this.#command();
      case "data":
        return this.#wanted.length > 0 ? this.#data() : this.#command();
      case "nop":
        return this.#nop();
      case "text":
        return this.#text();
      case "manage":
        return this.#manage();
      case "logout":
        return this.#ordered(Opcode.logout, FINAL | this.#random.below(3), this.#tag());
      case "stray":
        return this.#stray();
    }
  }

  #tag(): number {
    return this.#random.chance(0.02) ? NO_TAG : this.#nextTag++;
  }

  /** A header with its place in the order of commands, which is sometimes another's, or at once. */
  #ordered(opcode: number, flags: number, itt: number): Parts & { readonly header: Buffer } {
    const immediate = this.#random.chance(0.1);
    const header = headerOf(opcode | (immediate ? IMMEDIATE : 0), flags, itt);
    header.writeUInt32BE(this.#number(immediate), 24);
    header.writeUInt32BE(this.judge.statSN, 28);
    return { header };
  }

  #number(immediate: boolean): number {
    const number = this.#cmdSN;
    if (immediate) return number;
    if (this.#random.chance(0.03)) {
      // Later than its turn: what it left out comes by the next one perhaps, or never.
      this.mutated += 1;
      return (number + this.#random.below(6) - 2) >>> 0;
    }
    this.#cmdSN = (number + 1) >>> 0;
    return number;
  }

  #command(): Parts {
    const { cdb, out, room } = randomCommand(this.#random, MEDIUM);
    const reused = this.#tags.length > 0 && this.#random.chance(0.02);
    const itt = reused ? pick(this.#random, this.#tags) : this.#tag();
    const length = out?.length ?? room;
    const direction = out !== null ? CommandFlag.write : room > 0 ? CommandFlag.read : 0;
    const data = out === null ? undefined : out.subarray(0, this.#immediateLength(out.length));
    const unsolicited = out !== null && this.#plan.keys.InitialR2T === "No" && this.#random.chance(0.3);
    const attribute = this.#random.chance(0.95) ? 1 : this.#random.below(8);
    const { header } = this.#ordered(Opcode.command, (unsolicited ? 0 : FINAL) | direction | attribute, itt);
    header.set(lunBytes(this.#random.chance(0.95) ? this.#random.below(2) : this.#random.below(300)), 8);
    header.writeUInt32BE(length, 20);
    header.set(cdb.subarray(0, 16), 32);
    if (reused) this.judge.doubt(itt);
    else this.#tags.push(itt);
    if (unsolicited) this.#wanted.push(this.#unsolicited(itt, header.subarray(8, 16), data?.length ?? 0, length));
    const additional = cdb.length > 16 ? extendedCdb(cdb.subarray(16)) : this.#randomAdditional();
    return { header, data, additional };
  }

  #unsolicited(itt: number, lun: Uint8Array, at: number, length: number): Wanted {
    const end = Math.min(length, Number(this.#plan.keys.FirstBurstLength));
    return { itt, ttt: NO_TAG, lun, at, end, dataSN: 0 };
  }

  #immediateLength(length: number): number {
    if (this.#plan.keys.ImmediateData === "No" && this.#random.chance(0.95)) return 0;
    const most = Math.min(length, Number(this.#plan.keys.FirstBurstLength), MOST_AT_ONCE);
    return this.#random.chance(0.5) ? most : this.#random.below(most + 1);
  }

  #randomAdditional(): Uint8Array | undefined {
    if (this.#random.chance(0.97)) return undefined;
    return noise(this.#random, 4 * this.#random.below(16));
  }

  /** The next piece of what was asked for; sometimes it is the wrong one. */
  #data(): Parts {
    const index = this.#random.chance(0.9) ? 0 : this.#random.below(this.#wanted.length);
    const wanted = this.#wanted[index];
    const left = wanted.end - wanted.at;
    const size = Math.max(0, Math.min(left, 1 + this.#random.below(MOST_AT_ONCE)));
    const whole = this.#random.chance(0.5) ? Math.min(left, MOST_AT_ONCE) : size;
    const last = wanted.at + whole >= wanted.end;
    const header = headerOf(Opcode.dataOut, last ? FINAL : 0, wanted.itt);
    header.set(wanted.lun, 8);
    header.writeUInt32BE(wanted.ttt, 20);
    header.writeUInt32BE(this.judge.statSN, 28);
    header.writeUInt32BE(wanted.dataSN, 36);
    header.writeUInt32BE(wanted.at, 40);
    wanted.dataSN += 1;
    wanted.at += whole;
    if (last) this.#wanted.splice(index, 1);
    const data = new Uint8Array(Math.max(0, whole)).fill(this.#random.below(256));
    return this.#random.chance(0.08) ? this.#wrongData(header, data) : { header, data };
  }

  #wrongData(header: Buffer, data: Uint8Array): Parts {
    this.mutated += 1;
    switch (this.#random.below(5)) {
      case 0:
        header.writeUInt32BE(this.#random.below(8), 36);
        break;
      case 1:
        header.writeUInt32BE(this.#random.below(1 << 20), 40);
        break;
      case 2:
        header[1] ^= FINAL;
        break;
      case 3:
        return { header, data: new Uint8Array(data.length + 1 + this.#random.below(600)) };
      default:
        return { header, data: data.subarray(0, this.#random.below(data.length + 1)) };
    }
    return { header, data };
  }

  #nop(): Parts {
    const answers = this.#pingTag !== null && this.#random.chance(0.7);
    const { header } = this.#ordered(Opcode.nopOut, FINAL, answers ? NO_TAG : this.#tag());
    header.writeUInt32BE(answers ? (this.#pingTag as number) : NO_TAG, 20);
    if (answers) this.#pingTag = null;
    return { header, data: noise(this.#random, this.#random.below(64)) };
  }

  #text(): Parts {
    const goesOn = this.#random.chance(0.1);
    const { header } = this.#ordered(Opcode.text, goesOn ? CONTINUE : FINAL, this.#tag());
    const continues = this.#textTag !== null && this.#random.chance(0.8);
    header.writeUInt32BE(continues ? (this.#textTag as number) : NO_TAG, 20);
    const [key, value] = pick(this.#random, TEXTS);
    // From now on another limit may hold.
    if (key.startsWith("MaxRecv")) this.judge.maximumData = Number.POSITIVE_INFINITY;
    const data = formatText(pairsOf({ [key]: value }));
    if (this.#random.chance(0.1)) spoil(data, this.#random, 2);
    return { header, data };
  }

  #manage(): Parts {
    const { header } = this.#ordered(Opcode.management, FINAL | this.#random.below(14), this.#tag());
    header.set(lunBytes(this.#random.below(3)), 8);
    const known = this.#tags.length > 0 && this.#random.chance(0.8);
    header.writeUInt32BE(known ? pick(this.#random, this.#tags) : this.#random.u32(), 20);
    return { header };
  }

  /** What has no place here: another opcode, data that nobody wants, a login, the target's own PDUs. */
  #stray(): Parts {
    this.mutated += 1;
    const opcode = pick(this.#random, [Opcode.login, Opcode.snack, Opcode.dataOut, this.#random.below(64)]);
    const header = headerOf(opcode, this.#random.below(256), this.#tag());
    noise(this.#random, HEADER_SIZE - 20).forEach((byte, index) => {
      header[20 + index] = byte;
    });
    return { header, data: noise(this.#random, this.#random.below(100)) };
  }
}

/** RFC 7143 11.2.2.3. */
function extendedCdb(rest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((4 + rest.length + 3) & ~3);
  new DataView(bytes.buffer).setUint16(0, rest.length + 1);
  bytes[2] = 1;
  bytes.set(rest, 4);
  return bytes;
}
