// A command of a steady initiator costs no memory of ours: what the socket makes of the chunks is Node's.

import {
  CommandFlag,
  FINAL,
  formatText,
  IMMEDIATE,
  IscsiConnection,
  IscsiPortal,
  LoginRequest,
  Opcode,
  openGroup,
  Request,
  Stage,
  TRANSIT,
} from "@pvscsi/iscsi";
import { MemoryStore, Target } from "@pvscsi/scsi";
import type { ByteSink, Runnable } from "@pvscsi/wire";
import { expect } from "chai";
import { allocatedPerRecord } from "../../support/allocation.js";
import { blocksCdb } from "../../support/block-commands.js";
import { memoryDisk } from "../../support/scsi-devices.js";
import { identityOf, pairsOf, pduOf, TARGET } from "./peer.js";

const WRITE = FINAL | CommandFlag.write;
const READ = FINAL | CommandFlag.read;

/** Delivered at once, so that the same bytes may come again and again. */
function command(
  itt: number,
  flags: number,
  cdb: readonly number[],
  expectedLength: number,
  data?: Uint8Array,
): Buffer {
  const bytes = pduOf(Request, { opcode: Opcode.command | IMMEDIATE, flags, itt, ttt: expectedLength }, data);
  bytes.set(cdb, 32);
  return bytes;
}

/** Bytes of heap each time these requests come. */
function measure(keys: Readonly<Record<string, string>>, requests: Uint8Array): number {
  const queue: Runnable[] = [];
  const run = (): void => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) next.run();
  };
  const portal = new IscsiPortal({
    clock: { now: () => 0, after: (due) => ({ due }), cancel() {} },
    scheduler: { soon: (runnable) => void queue.push(runnable) },
    unguessable: (size) => new Uint8Array(size),
  });
  const target = new Target();
  target.add(0, memoryDisk(new MemoryStore(1 << 20)));
  portal.add({ name: TARGET, groups: [openGroup(target)] });
  const sink: ByteSink = {
    send: (_chunks, _count, whenSent) => whenSent(),
    pause() {},
    resume() {},
    end() {},
    destroy() {},
    settled() {},
  };
  const connection = new IscsiConnection(portal, sink, { portal: 0, addresses: ["127.0.0.1:3260"] });
  const flags = TRANSIT | (Stage.operational << 2) | Stage.fullFeature;
  const text = formatText([...identityOf({}), ...pairsOf(keys)]);
  connection.receive(pduOf(LoginRequest, { opcode: Opcode.login | IMMEDIATE, flags, cmdSN: 1 }, text));
  const bytes = allocatedPerRecord((records) => {
    for (let i = 0; i < records; i++) {
      connection.receive(requests);
      run();
    }
  });
  expect(portal.pages.taken).to.equal(0);
  return bytes;
}

describe("memory of an iSCSI session", () => {
  // The smallest object has 12 bytes; what is measured is the engine's own.
  it("is not allocated for a READ or a TEST UNIT READY", () => {
    const requests = Buffer.concat([command(1, READ, blocksCdb(0x28, 0, 8), 4096), command(3, FINAL, [0x00], 0)]);
    expect(measure({}, requests)).to.be.lessThan(12);
  }).timeout(60_000);

  it("is that of two views for a WRITE: out of the socket's fragment, and into the store's page", () => {
    const requests = command(2, WRITE, blocksCdb(0x2a, 8, 8), 4096, Buffer.alloc(4096, 7));
    expect(measure({}, requests)).to.be.lessThan(2 * 97 + 12);
  }).timeout(60_000);
});
