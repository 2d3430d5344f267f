// Memory that a socket receives into: used again where all was taken, let alone where something was not.

import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import { seededRandom, withReceiveBuffer } from "@pvscsi/wire";
import { expect } from "chai";

/** Sends `bytes` to a socket that `receive` is called for, until it ends. */
async function send(bytes: Uint8Array, receive: (bytes: Uint8Array) => boolean): Promise<void> {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const closed = new Promise((resolve) => {
    server.once("connection", (accepted) => withReceiveBuffer(Socket, accepted, receive).once("close", resolve));
  });
  const { port } = server.address() as { port: number };
  connect(port, "127.0.0.1").end(bytes);
  await closed;
  await once(server.close(), "close");
}

const random = seededRandom(3);
const SENT = Uint8Array.from({ length: 1 << 20 }, () => random.below(256));

describe("the receive buffer of a socket", () => {
  it("is the same for all that is taken at once", async () => {
    const memories = new Set<ArrayBufferLike>();
    const received: Buffer[] = [];
    await send(SENT, (bytes) => {
      memories.add(bytes.buffer);
      received.push(Buffer.from(bytes));
      return true;
    });
    expect(Buffer.concat(received).equals(SENT)).to.equal(true);
    expect(memories.size).to.equal(1);
  });

  it("is another where something was not taken: that stays as it is", async () => {
    const kept: { readonly at: number; readonly bytes: Uint8Array }[] = [];
    let at = 0;
    let reads = 0;
    await send(SENT, (bytes) => {
      const takes = ++reads % 2 === 0;
      if (!takes) kept.push({ at, bytes });
      at += bytes.length;
      return takes;
    });
    expect(at).to.equal(SENT.length);
    expect(kept.length).to.be.greaterThan(1);
    for (const { at, bytes } of kept)
      expect(Buffer.from(bytes).equals(SENT.subarray(at, at + bytes.length))).to.equal(true);
  });

  it("gives a socket without a handle back as it is, to be read by its events", () => {
    const socket = new Socket();
    expect(withReceiveBuffer(Socket, socket, () => true)).to.equal(socket);
    expect(socket.readableFlowing).to.equal(true);
    socket.destroy();
  });
});
