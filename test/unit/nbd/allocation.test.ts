// A request of a steady client costs no memory of ours: what the socket makes of the chunks is Node's.

import { CommandType, NbdExport, type NbdHost, NbdSession } from "@pvscsi/nbd";
import { MemoryStore } from "@pvscsi/scsi";
import { type ByteSink, nullProbes, type Runnable } from "@pvscsi/wire";
import { expect } from "chai";
import { allocatedPerRecord } from "../../support/allocation.js";
import { command, fullHandshake, shortHandshake } from "./peer.js";

/** Bytes of heap each time these requests come. */
function measure(handshake: Uint8Array, requests: Uint8Array): number {
  const queue: Runnable[] = [];
  const run = (): void => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) next.run();
  };
  const host: NbdHost = {
    exports: [new NbdExport({ name: "", store: new MemoryStore(1 << 20, { writeBack: true }) })],
    clock: { now: () => 0, after: (due) => ({ due }), cancel() {} },
    scheduler: { soon: (runnable) => void queue.push(runnable) },
    probes: nullProbes,
    handshakeTimeout: 1000,
    bytesInFlight: 1 << 26,
  };
  const sink: ByteSink = {
    send: (_chunks, _count, whenSent) => whenSent(),
    pause() {},
    resume() {},
    end() {},
    destroy() {},
    settled() {},
  };
  const session = new NbdSession(host, sink);
  session.receive(handshake);
  run();
  const bytes = allocatedPerRecord((records) => {
    for (let i = 0; i < records; i++) {
      session.receive(requests);
      run();
    }
  });
  expect(session.inFlight).to.equal(0);
  return bytes;
}

describe("memory of a session", () => {
  it("is not allocated for a request: READ with either reply, FLUSH", () => {
    const requests = Buffer.concat([command(CommandType.read, { length: 4096 }), command(CommandType.flush)]);
    // The smallest object has 12 bytes; what is measured is the engine's own.
    for (const handshake of [shortHandshake(), fullHandshake()])
      expect(measure(handshake, requests)).to.be.lessThan(12);
  }).timeout(30_000);
});
