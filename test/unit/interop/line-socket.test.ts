// A socket over which lines go both ways, waited for by the one who listens.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { LineSocket } from "../../interop/qemu/line-socket.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

describe("a socket of lines", () => {
  const folder = temporaryFolder();
  let socket: LineSocket;
  let peer: Socket;

  beforeEach(async () => {
    socket = await LineSocket.listen(folder.path("socket"));
    peer = connect(socket.path);
    await once(peer, "connect");
  });

  afterEach(async () => {
    peer.destroy();
    await socket.close();
  });

  it("gives lines in their order, whenever they came", async () => {
    peer.write("one\ntw");
    expect(await socket.read(5)).to.equal("one");
    const second = socket.read(5);
    peer.write("o\nthree\n");
    expect([await second, await socket.read(5)]).to.deep.equal(["two", "three"]);
  });

  it("writes lines", async () => {
    await socket.write("a question");
    const [bytes] = await once(peer, "data");
    expect(bytes.toString()).to.equal("a question\n");
  });

  it("gives none when none comes in time, and the next one all the same", async () => {
    expect(await socket.read(0.02)).to.equal(null);
    peer.write("late\n");
    expect(await socket.read(5)).to.equal("late");
  });

  it("gives none when the peer has gone", async () => {
    const line = socket.read(5);
    peer.end();
    expect(await line).to.equal(null);
    expect(await socket.read(5)).to.equal(null);
  });
});
