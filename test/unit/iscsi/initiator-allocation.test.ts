// A command of a steady initiator costs no memory of ours: what the socket makes of the chunks is Node's.

import {
  DataIn,
  type Dialled,
  FINAL,
  formatText,
  HEADER_SIZE,
  LoginResponse,
  NO_TAG,
  Opcode,
  openIscsiInitiator,
  ScsiResponse,
  STATUS,
  TRANSIT,
} from "@pvscsi/iscsi";
import { Command } from "@pvscsi/scsi";
import type { ByteSink, Runnable } from "@pvscsi/wire";
import { expect } from "chai";
import { allocatedPerRecord } from "../../support/allocation.js";
import { blocksCdb } from "../../support/block-commands.js";
import { INITIATOR, pduOf, TARGET } from "./peer.js";

/** A target that answers each command at once with the same bytes, but for tag and StatSN. */
class SteadyTarget {
  dialled: Dialled | null = null;
  commands = 0;
  readonly #answer: Buffer;
  #statSN = 1;
  #owed = 0;
  #tag = 0;
  readonly #queue: Runnable[];

  constructor(answer: Buffer, queue: Runnable[]) {
    this.#answer = answer;
    this.#queue = queue;
  }

  readonly sink: ByteSink = {
    send: (chunks, _count, whenSent) => {
      const [header] = chunks;
      const opcode = header[0] & 0x3f;
      if (opcode === Opcode.login) this.#logIn(header);
      else if (opcode === Opcode.command) {
        this.#tag = header[16] * 2 ** 24 + ((header[17] << 16) | (header[18] << 8) | header[19]);
        this.#owed = 1;
      }
      whenSent();
    },
    pause() {},
    resume() {},
    end() {},
    destroy() {},
    settled() {},
  };

  /** Answers what was asked. */
  answer(): void {
    if (this.#owed === 0) return;
    this.#owed = 0;
    this.commands += 1;
    put32(this.#answer, 16, this.#tag);
    put32(this.#answer, 24, this.#statSN);
    put32(this.#answer, 28, this.commands + 1);
    put32(this.#answer, 32, this.commands + 32);
    this.#statSN = (this.#statSN + 1) >>> 0;
    this.dialled?.receive(this.#answer);
  }

  #logIn(header: Uint8Array): void {
    const fields = {
      opcode: Opcode.loginResponse,
      flags: header[1],
      tsih: 1,
      itt: 0x8000_0000,
      statSN: this.#statSN++,
      expCmdSN: 1,
      maxCmdSN: 32,
    };
    const text = (header[1] & 0x0c) === 0 ? [{ key: "AuthMethod", value: "None" }] : LARGE;
    const bytes = pduOf(LoginResponse, fields, formatText(text));
    bytes.set(header.subarray(8, 14), 8);
    expect(header[1] & TRANSIT).to.equal(TRANSIT);
    this.#queue.push({ run: () => void this.dialled?.receive(bytes) });
  }
}

const LARGE = [{ key: "MaxRecvDataSegmentLength", value: "262144" }];

function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = (value >>> 16) & 0xff;
  bytes[at + 2] = (value >>> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
}

/** Bytes of heap for each such command. */
async function measure(
  cdb: readonly number[],
  direction: "from-device" | "to-device",
  answer: Buffer,
): Promise<number> {
  const queue: Runnable[] = [];
  const run = (): void => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) next.run();
  };
  const target = new SteadyTarget(answer, queue);
  const opening = openIscsiInitiator({
    portal: { host: "portal", port: 3260 },
    initiator: INITIATOR,
    target: TARGET,
    clock: { now: () => 0, after: (due) => ({ due }), cancel() {} },
    scheduler: { soon: (runnable) => void queue.push(runnable) },
    unguessable: (size) => new Uint8Array(size),
    dial: (_, dialled) => {
      target.dialled = dialled;
      queue.push({ run: () => dialled.connected() });
      return target.sink;
    },
  });
  run();
  const adapter = await opening;
  const command = new Command();
  command.cdb.set(cdb);
  command.cdbLength = cdb.length;
  command.direction = direction;
  command.data.add(adapter.allocate(1)[0], 0, 4096);
  let ends = 0;
  command.completed = () => {
    ends += 1;
  };
  const bytes = allocatedPerRecord((records) => {
    for (let i = 0; i < records; i++) {
      adapter.queue(command);
      run();
      target.answer();
    }
  });
  expect(ends).to.equal(target.commands);
  expect(ends).to.be.greaterThan(100_000);
  return bytes;
}

describe("memory of an iSCSI initiator", () => {
  // The smallest object has 12 bytes; a view out of the socket's fragment has 97.
  it("is that of a view for a READ: out of the socket's fragment", async () => {
    const fields = { opcode: Opcode.dataIn, flags: FINAL | STATUS, ttt: NO_TAG };
    const answer = pduOf(DataIn, fields, Buffer.alloc(4096, 7));
    expect(answer.length).to.equal(HEADER_SIZE + 4096);
    expect(await measure(blocksCdb(0x28, 0, 8), "from-device", answer)).to.be.lessThan(97 + 12);
  }).timeout(60_000);

  it("is not allocated for a WRITE", async () => {
    const answer = pduOf(ScsiResponse, { opcode: Opcode.response, flags: FINAL });
    expect(await measure(blocksCdb(0x2a, 0, 8), "to-device", answer)).to.be.lessThan(12);
  }).timeout(60_000);
});
