import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandType, type NbdServer, type NbdServerOptions, serveNbd } from "@pvscsi/nbd";
import { expect } from "chai";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { ModelStore } from "./model-store.js";
import { command, shortHandshake } from "./peer.js";

const clock = realClock;
const GREETED = 18 + 10;

/** All of one test. */
const clients: Client[] = [];

/** What comes from a socket, gathered. */
class Client {
  received = Buffer.alloc(0);
  readonly socket: Socket;
  readonly closed: Promise<unknown>;

  constructor(where: { path: string } | { port: number }) {
    this.socket = connect(where as { path: string });
    clients.push(this);
    this.closed = once(this.socket, "close");
    this.socket.on("error", () => {});
    this.socket.on("data", (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes]);
    });
  }

  async take(length: number): Promise<Buffer> {
    while (this.received.length < length) await once(this.socket, "data");
    const bytes = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    return bytes;
  }

  async ready(): Promise<this> {
    this.socket.write(shortHandshake());
    await this.take(GREETED);
    return this;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 1500) throw new Error(`waited in vain for ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("nbd server", () => {
  const folder = mkdtempSync(join(tmpdir(), "nbd-test-"));
  const path = join(folder, "socket");
  const store = new ModelStore(1024 * 1024);
  const exports = [{ name: "disk", store }];
  let server: NbdServer;

  after(() => rmSync(folder, { recursive: true }));

  function serve(options: Partial<NbdServerOptions> = {}): Promise<NbdServer> {
    const scheduler = realScheduler;
    return serveNbd({ listen: { path }, exports, clock, scheduler, ...options });
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    store.hold = false;
    while (store.held.length > 0) store.complete();
    await server.close();
    expect(server.holds()).to.deep.equal({ sessions: 0, requests: 0, pages: 0 });
  });

  it("serves a Unix socket for its owner alone, and removes it", async () => {
    server = await serve();
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    expect(server.uri).to.equal(`nbd+unix:///?socket=${path}`);
    const client = await new Client({ path }).ready();
    store.bytes.fill(5, 512, 1024);
    client.socket.write(command(CommandType.read, { offset: 512, length: 512 }));
    expect((await client.take(16 + 512)).subarray(16).every((byte) => byte === 5)).to.equal(true);
    await server.close();
    await client.closed;
    expect(statSync(path, { throwIfNoEntry: false })).to.equal(undefined);
  });

  it("serves TCP to this machine only", async () => {
    server = await serve({ listen: { port: 0 } });
    expect(server.uri).to.equal(`nbd://127.0.0.1:${server.port}`);
    const client = await new Client({ port: server.port }).ready();
    client.socket.write(command(CommandType.disconnect));
    await client.closed;
  });

  it("rejects when it cannot listen", async () => {
    server = await serve();
    const error = await serve().then(
      () => null,
      (reason: NodeJS.ErrnoException) => reason,
    );
    expect(error?.code).to.equal("EADDRINUSE");
  });

  it("drops the client that breaks the protocol, and only that one", async () => {
    server = await serve();
    const good = await new Client({ path }).ready();
    const bad = await new Client({ path }).ready();
    bad.socket.write(Buffer.alloc(28));
    await bad.closed;
    good.socket.write(command(CommandType.flush));
    expect((await good.take(16)).readUInt32BE(4)).to.equal(0);
    expect(server.holds().sessions).to.equal(1);
  });

  it("drops clients that say nothing, and those above its number", async () => {
    server = await serve({ handshakeTimeout: 30, connections: 1 });
    const silent = new Client({ path });
    await silent.take(18);
    await new Client({ path }).closed;
    await silent.closed;
  });

  it("takes back all of a client that goes with requests under way", async () => {
    server = await serve();
    store.hold = true;
    const client = await new Client({ path }).ready();
    client.socket.write(Buffer.concat([1, 2, 3].map(() => command(CommandType.read, { length: 300_000 }))));
    await until(() => store.held.length === 3);
    client.socket.destroy();
    await client.closed;
    expect(server.holds()).to.deep.equal({ sessions: 1, requests: 3, pages: 15 });
    while (store.held.length > 0) store.complete();
    await until(() => server.holds().sessions === 0);
    expect(server.holds()).to.deep.equal({ sessions: 0, requests: 0, pages: 0 });
  });

  it("holds back a client that takes no replies, and loses nothing", async () => {
    server = await serve({ bytesInFlight: 1 << 20, exports: [{ name: "", store, maximumPayload: 1 << 20 }] });
    const client = await new Client({ path }).ready();
    client.socket.pause();
    const count = 64;
    for (let i = 0; i < count; i++) client.socket.write(command(CommandType.read, { length: 512 * 1024 }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.holds().pages * 65536).to.be.at.most(1 << 20);
    let length = 0;
    client.socket.removeAllListeners("data");
    client.socket.on("data", (bytes) => {
      length += bytes.length;
    });
    client.socket.resume();
    await until(() => length === count * (16 + 512 * 1024));
  });

  it("takes back all of a client that goes while its replies are held back", async () => {
    server = await serve();
    const client = await new Client({ path }).ready();
    client.socket.pause();
    for (let i = 0; i < 20; i++) client.socket.write(command(CommandType.read, { length: 1024 * 1024 }));
    await until(() => server.holds().pages === 20 * 16);
    client.socket.destroy();
    await until(() => server.holds().sessions === 0);
    expect(server.holds()).to.deep.equal({ sessions: 0, requests: 0, pages: 0 });
  });

  it("answers what is under way before it closes", async () => {
    server = await serve();
    store.hold = true;
    const client = await new Client({ path }).ready();
    client.socket.write(command(CommandType.read, { length: 512 }));
    await until(() => store.held.length === 1);
    const closing = server.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(client.received.length).to.equal(0);
    store.complete();
    await closing;
    expect((await client.take(16 + 512)).readUInt32BE(4)).to.equal(0);
  });
});
