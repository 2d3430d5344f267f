// Knows a target whose every PDU is a test's: it takes a login as it comes, shows what it was asked, and answers what it is told to.

import {
  type Answer,
  FINAL,
  formatText,
  HEADER_SIZE,
  type KeyValue,
  LoginResponse,
  LoginStatus,
  Opcode,
  Request,
  Stage,
  TRANSIT,
} from "@pvscsi/iscsi";
import type { Cursor, StructClass } from "@pvscsi/wire";
import type { FarEnd, Line } from "./initiator-world.js";
import { pduOf } from "./peer.js";

/** A PDU of the initiator. */
export interface Asked {
  readonly opcode: number;
  readonly fields: InstanceType<typeof Request>;
  readonly data: Buffer;
}

export interface ScriptedLogin {
  /** Of the operational stage's answer. */
  readonly keys?: readonly KeyValue[];
  /** A byte of each answer, and what it becomes. */
  readonly spoil?: readonly [number, number];
  /** Instead of a success. */
  readonly status?: number;
  readonly text?: readonly KeyValue[];
}

export class ScriptedTarget implements FarEnd {
  /** What was asked since the login, and not taken. */
  readonly asked: Asked[] = [];
  /** What was asked as keys of the operational stage. */
  offered = "";
  statSN = 1;
  closes = 0;
  digests = { headerDigest: false, dataDigest: false };
  readonly #line: Line;
  readonly #login: ScriptedLogin;
  #input: Buffer = Buffer.alloc(0);

  constructor(line: Line, login: ScriptedLogin = {}) {
    this.#line = line;
    this.#login = login;
  }

  receive(bytes: Uint8Array): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    for (;;) {
      if (this.#input.length < HEADER_SIZE) return;
      const length = this.#input.readUIntBE(5, 3);
      const end = HEADER_SIZE + ((length + 3) & ~3);
      if (this.#input.length < end) return;
      const header = this.#input.subarray(0, HEADER_SIZE);
      const data = this.#input.subarray(HEADER_SIZE, HEADER_SIZE + length);
      this.#input = this.#input.subarray(end);
      const opcode = header[0] & 0x3f;
      if (opcode === Opcode.login) this.#answerLogin(header, data);
      else this.asked.push({ opcode, fields: new Request(header), data });
    }
  }

  closed(): void {
    this.closes += 1;
  }

  #answerLogin(header: Buffer, data: Buffer): void {
    const { keys = [], spoil, status = LoginStatus.success, text = [] } = this.#login;
    const flags = header[1];
    const stage = (flags >>> 2) & 3;
    const operational = stage === Stage.operational;
    if (operational) this.offered = data.toString();
    const answers = status !== LoginStatus.success ? text : operational ? keys : NONE_METHOD;
    const bytes = pduOf(
      LoginResponse,
      {
        opcode: Opcode.loginResponse,
        flags: (flags & (TRANSIT | 3)) | (stage << 2),
        tsih: 1,
        itt: header.readUInt32BE(16),
        statSN: this.statSN++,
        expCmdSN: 1,
        maxCmdSN: 64,
        status,
      },
      formatText(answers),
    );
    header.copy(bytes, 8, 8, 14);
    if (spoil !== undefined) bytes[spoil[0]] = spoil[1];
    this.#line.far.send([bytes], 1, () => {});
  }

  /** Sends a PDU with the next StatSN, and a window of 64; `counts` where it takes it up. */
  put<Record extends Cursor>(
    struct: StructClass<Record>,
    fields: Partial<Record> & Partial<InstanceType<typeof Answer>>,
    data?: Uint8Array,
    counts = true,
  ): void {
    const numbers = { statSN: this.statSN, expCmdSN: 1, maxCmdSN: 64 };
    if (counts) this.statSN += 1;
    const whole = { flags: FINAL, ...numbers, ...fields } as unknown as Partial<Record>;
    this.give(pduOf(struct, whole, data, this.digests));
  }

  /** Sends bytes. */
  give(bytes: Uint8Array): void {
    this.#line.far.send([bytes], 1, () => {});
  }

  /** The next thing that was asked. */
  take(): Asked {
    const asked = this.asked.shift();
    if (asked === undefined) throw new Error("nothing was asked");
    return asked;
  }
}

const NONE_METHOD: readonly KeyValue[] = [{ key: "AuthMethod", value: "None" }];
