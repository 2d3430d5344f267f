// Tests the silent connection of a domain on another machine: that TCP's keep-alive runs on it, that its end is the
// domain's on both sides, that it ends with its domain, and what it refuses.

import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { nullProbes } from "@pvscsi/wire";
import { Xenstored } from "@pvscsi/xen";
import { connectXenbus, Hub, type JoinedDomain, SILENT_PATH, serveXenbus, type XenbusServer } from "@pvscsi/xenbus";
import { expect } from "chai";
import { WebSocket } from "ws";
import { realClock as clock, realScheduler as scheduler } from "../../support/node-platform.js";
import { secretOf } from "../../support/xenbus-world.js";
import { hello } from "./raw-client.js";

const ID = 3;
const KEEP_ALIVE = 5000;
/** Milliseconds for what happens by itself. */
const PATIENCE = 10_000;

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await sleep(10)) {
    if (await holds()) return;
  }
  expect.fail(`it does not come to this: ${what}`);
}

/** A cable that can be cut, connection by connection. */
class Cable {
  readonly #server: Server;
  /** In the order in which they were made. */
  readonly sockets: Socket[] = [];
  /** Connections that it lets through; more are cut at once. */
  most = Number.POSITIVE_INFINITY;

  constructor(port: number) {
    this.#server = createServer((near) => {
      if (this.sockets.length >= this.most) return void near.destroy();
      const far = connect(port, "127.0.0.1");
      near.on("error", () => far.destroy()).on("close", () => far.destroy());
      far.on("error", () => near.destroy()).on("close", () => near.destroy());
      near.pipe(far).pipe(near);
      this.sockets.push(near);
    });
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Connections of this machine to or from a port on which TCP's keep-alive is armed. */
function keptAlive(port: number): number {
  const hexadecimal = port.toString(16).toUpperCase().padStart(4, "0");
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .filter((line) => line.includes(`:${hexadecimal} `) && /^\s*\d+: \S+ \S+ 01 \S+ 02:/.test(line)).length;
}

describe("xenbus: a silent connection", function () {
  this.timeout(30_000);
  let hub: Hub;
  let server: XenbusServer;
  let cable: Cable;
  let url: string;
  let ends: string[];
  let came: string[];

  beforeEach(async () => {
    hub = new Hub({
      scheduler,
      probes: nullProbes,
      xenstored: new Xenstored({ scheduler, clock, probes: nullProbes }),
    });
    ends = [];
    came = [];
    const joined = (domain: number, address: string): void => void came.push(`${domain} from ${address}`);
    server = await serveXenbus({ hub, clock, listen: { port: 0 }, keepAlive: KEEP_ALIVE, joined });
    cable = new Cable(Number(new URL(server.url).port));
    url = await cable.open();
    hub.admit({ id: ID, secret: secretOf(ID), memoryPages: 8, ended: (reason) => void ends.push(reason) });
  });
  afterEach(async () => {
    await cable.close();
    await server.close();
  });

  const join = (keepAlive?: number): Promise<JoinedDomain> =>
    connectXenbus({
      ...{ url, domain: ID, secret: secretOf(ID), clock, scheduler, probes: nullProbes },
      ...(keepAlive === undefined ? {} : { keepAlive }),
    });

  /** A connection at the silent place that has said this, and how it ends. */
  async function said(...frames: Uint8Array[]): Promise<{ readonly socket: WebSocket; readonly end: Promise<string> }> {
    const socket = new WebSocket(`${server.url}${SILENT_PATH}`);
    await new Promise((resolve) => socket.once("open", resolve));
    const end = new Promise<string>((resolve) => {
      socket.once("close", (code, reason) => resolve(`${code} ${reason}`));
    });
    for (const frame of frames) socket.send(frame);
    return { socket, end };
  }

  it("stands beside the domain's own, and TCP asks on both, at both ends", async () => {
    const { domain, left } = await join(KEEP_ALIVE);
    expect(cable.sockets).to.have.length(2);
    expect(came).to.deep.equal([`${ID} from 127.0.0.1`]);
    const { port } = new URL(url);
    await until("the near ends are asked", () => keptAlive(Number(port)) === 2);
    await until("the far ends are asked", () => keptAlive(Number(new URL(server.url).port)) === 2);
    await domain.close();
    await left;
    expect(ends).to.deep.equal(["the domain has closed"]);
    await until("both are closed", () => cable.sockets.every((socket) => socket.destroyed));
  });

  it("is not there for a domain that asks for none", async () => {
    const { domain, left } = await join();
    expect(cable.sockets).to.have.length(1);
    await domain.close();
    await left;
  });

  it("ends its domain at both ends when it ends", async () => {
    const { ended, left } = await join(KEEP_ALIVE);
    cable.sockets[1].destroy();
    expect(await ended).to.equal("the connection has ended");
    await left;
    await until("the hub has noticed", () => ends.length > 0);
    expect(ends).to.deep.equal(["the connection has ended"]);
    expect(hub.admitted(ID)).to.equal(undefined);
  });

  it("ends when the hub ends its domain, even of a client that would keep it", async () => {
    const main = new WebSocket(server.url);
    await new Promise((resolve) => main.once("open", resolve));
    main.send(hello(ID, secretOf(ID)));
    await new Promise((resolve) => main.once("message", resolve));
    const { socket, end } = await said(hello(ID, secretOf(ID)));
    await new Promise((resolve) => socket.once("message", resolve));
    hub.expel(ID, "enough of it");
    expect(await end).to.equal("4000 the domain has ended");
    expect(ends).to.deep.equal(["enough of it"]);
  });

  it("ends with its domain's reason, whichever of the two ends the hub sees first", async () => {
    const main = await join();
    const { socket } = await said(hello(ID, secretOf(ID)));
    await new Promise((resolve) => socket.once("message", resolve));
    socket.close(4000, "the domain has closed");
    expect(await main.ended).to.equal("the domain has closed");
    expect(ends).to.deep.equal(["the domain has closed"]);
  });

  it("says why its domain leaves, to a hub that does not hear it from that", async () => {
    const { domain, left } = await join(KEEP_ALIVE);
    cable.sockets[0].unpipe().removeAllListeners("close");
    await domain.close();
    await left;
    await until("the hub has noticed", () => ends.length > 0);
    expect(ends).to.deep.equal(["the domain has closed"]);
  });

  it("is refused with a wrong secret, to nobody, and before its domain has logged in", async () => {
    const wrong = "4000 no such domain, or a wrong secret";
    expect(await (await said(hello(ID, secretOf(ID + 1)))).end).to.equal(wrong);
    expect(await (await said(hello(77, secretOf(77)))).end).to.equal(wrong);
    expect(await (await said(hello(ID, secretOf(ID)))).end).to.equal(`4000 domain ${ID} is not connected`);
    expect(await (await said(new Uint8Array(8))).end).to.equal("4000 a message of type 0");
    expect(ends).to.deep.equal([]);
  });

  it("is refused to a domain that has one, which goes on", async () => {
    const { domain, left } = await join(KEEP_ALIVE);
    const second = `4000 domain ${ID} has a silent connection already`;
    expect(await (await said(hello(ID, secretOf(ID)))).end).to.equal(second);
    expect(hub.connectionOf(ID)).not.to.equal(null);
    expect(ends).to.deep.equal([]);
    await domain.close();
    await left;
  });

  it("that says a word after its log-in is the end of its domain", async () => {
    const { ended } = await join();
    const { end } = await said(hello(ID, secretOf(ID)), new Uint8Array(4));
    expect(await end).to.equal("4000 a word on a silent connection");
    expect(await ended).to.equal("a word on a silent connection");
  });

  it("that is refused fails the joining, and leaves nothing", async () => {
    cable.most = 1;
    const failure = await join(KEEP_ALIVE).then(
      () => "none",
      (error: Error) => error.message,
    );
    expect(failure).to.match(/socket hang up|ECONNRESET/);
    await until("the hub has noticed", () => ends.length > 0);
    expect(hub.admitted(ID)).to.equal(undefined);
  });
});
