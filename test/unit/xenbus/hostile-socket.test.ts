// Tests a hub's socket against connections that mean harm: each ends with a reason and in time, and nobody else notices.

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { nullProbes } from "@pvscsi/wire";
import { Xenstored } from "@pvscsi/xen";
import { connectXenbus, Hub, LONGEST_FRAME, serveXenbus, type XenbusServer } from "@pvscsi/xenbus";
import { expect } from "chai";
import { WebSocket } from "ws";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { RingTraffic } from "../../support/ring-traffic.js";
import { secretOf } from "../../support/xenbus-world.js";
import { hello, join, message } from "./raw-client.js";

const HOSTILE = 9;
const [FRONT, BACK] = [1, 2];
const STRANGERS = 16;
/** Milliseconds: long enough for what is on its way, short for a test. */
const LOGIN_TIME = 300;

const [clock, scheduler] = [realClock, realScheduler];

/** A hub on a socket, with two domains that move data. */
class Scene {
  readonly hub: Hub;
  server!: XenbusServer;
  traffic!: RingTraffic;
  #ends: (() => Promise<void>)[] = [];

  constructor() {
    const xenstored = new Xenstored({ scheduler, clock, probes: nullProbes });
    this.hub = new Hub({ scheduler, probes: nullProbes, xenstored });
  }

  async open(): Promise<this> {
    this.server = await serveXenbus({ hub: this.hub, clock, listen: { port: 0 }, loginTime: LOGIN_TIME });
    const domains = [];
    for (const id of [FRONT, BACK]) {
      this.hub.admit({ id, secret: secretOf(id), memoryPages: 64 });
      const { url } = this.server;
      const { domain } = await connectXenbus({
        url,
        domain: id,
        secret: secretOf(id),
        clock,
        scheduler,
        probes: nullProbes,
      });
      domains.push(domain);
      this.#ends.push(() => domain.close());
    }
    const settle = () => sleep(30);
    this.traffic = await RingTraffic.between(domains[0], domains[1], { scheduler, settle });
    return this;
  }

  admit(): void {
    this.hub.expel(HOSTILE, "again");
    this.hub.admit({ id: HOSTILE, secret: secretOf(HOSTILE), memoryPages: 8 });
  }

  /** The two go on. */
  async expectGoing(): Promise<void> {
    const wanted = this.traffic.answered + 50;
    this.traffic.ask(50);
    for (let i = 0; i < 200 && this.traffic.answered < wanted; i++) await sleep(5);
    expect(this.traffic.answered).to.equal(wanted);
    expect(this.hub.hypervisor.leaks()).to.deep.equal([]);
    expect(this.hub.hypervisor.domains().map(({ id }) => id)).to.include.members([FRONT, BACK]);
  }

  async close(): Promise<void> {
    for (const end of this.#ends) await end();
    await this.server.close();
  }
}

/** How a connection ends: the close's reason, or the failure of it. */
async function endOf(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.on("error", (error) => resolve(error.message));
    socket.on("close", (code, reason) => resolve(`${code} ${reason.toString()}`));
  });
}

async function opened(socket: WebSocket): Promise<WebSocket> {
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** What a connection hears that says this, logged in or not. */
async function endAfter({ url }: XenbusServer, ...said: (Uint8Array | string)[]): Promise<string> {
  const socket = await opened(new WebSocket(url));
  const end = endOf(socket);
  for (const words of said) socket.send(words);
  return end;
}

const LOGIN = () => hello(HOSTILE, secretOf(HOSTILE));

describe("xenbus: a hostile connection", () => {
  let scene: Scene;
  before(async () => {
    scene = await new Scene().open();
  });
  beforeEach(() => scene.admit());
  afterEach(() => scene.expectGoing());
  after(() => scene.close());

  it("(h) of a browser is refused", async () => {
    const socket = new WebSocket(scene.server.url, { origin: "http://evil.example" });
    expect(await endOf(socket)).to.match(/403/);
  });

  it("(h) that says text ends, before the log-in and after it", async () => {
    expect(await endAfter(scene.server, "hello")).to.equal("4000 a message that is text");
    expect(await endAfter(scene.server, LOGIN(), "hello")).to.equal("4000 a message that is text");
    expect(scene.hub.admitted(HOSTILE)).to.equal(undefined);
  });

  it("(h) with a wrong secret, or as nobody, ends", async () => {
    const wrong = "4000 no such domain, or a wrong secret";
    expect(await endAfter(scene.server, hello(HOSTILE, secretOf(3)))).to.equal(wrong);
    expect(await endAfter(scene.server, hello(77, secretOf(77)))).to.equal(wrong);
    expect(scene.hub.admitted(HOSTILE)).not.to.equal(undefined);
  });

  it("(h) that says nothing ends in time", async () => {
    const begin = performance.now();
    expect(await endAfter(scene.server)).to.equal("4000 no log-in in time");
    expect(performance.now() - begin).to.be.within(LOGIN_TIME - 50, LOGIN_TIME + 1000);
  });

  it("(h) that sends more than 4 KiB before the log-in ends, in one frame or in none that ends", async () => {
    expect(await endAfter(scene.server, new Uint8Array(8192))).to.match(/more than 4096 bytes before the log-in/);
    const socket = await opened(new WebSocket(scene.server.url));
    const end = endOf(socket);
    for (let i = 0; i < 100; i++) socket.send(new Uint8Array(64), { fin: false });
    expect(await end).to.match(/more than 4096 bytes before the log-in/);
  });

  it("(h) with a frame beyond the longest ends", async () => {
    const socket = await opened(new WebSocket(scene.server.url));
    const end = endOf(socket);
    socket.send(LOGIN());
    await new Promise((resolve) => socket.once("message", resolve));
    socket.send(new Uint8Array(LONGEST_FRAME + 4));
    expect(await end).to.match(/1009|4000 Max payload|ECONNRESET|EPIPE/);
    await sleep(50);
    expect(scene.hub.admitted(HOSTILE)).to.equal(undefined);
  });

  it("(h) that breaks the protocol ends with what was wrong", async () => {
    const gone = message("gone", { domain: BACK });
    expect(await endAfter(scene.server, LOGIN(), gone)).to.equal("4000 which domains are gone, said by a domain");
    scene.admit();
    const twice = join(LOGIN(), LOGIN());
    expect(await endAfter(scene.server, twice)).to.match(/4000 .*connected already/);
    scene.admit();
    expect(await endAfter(scene.server, LOGIN(), LOGIN())).to.equal("4000 a log-in after the log-in");
  });

  it("(h) that is over does not end the next one of its domain", async () => {
    const old = await opened(new WebSocket(scene.server.url));
    const end = endOf(old);
    old.send(LOGIN());
    await new Promise((resolve) => old.once("message", resolve));
    scene.admit();
    const next = await opened(new WebSocket(scene.server.url));
    next.send(LOGIN());
    await new Promise((resolve) => next.once("message", resolve));
    expect(await end).to.equal("4000 again");
    await sleep(50);
    expect(scene.hub.connectionOf(HOSTILE)).not.to.equal(null);
    next.terminate();
  });

  it(`(h) is refused while ${STRANGERS} are without a log-in, and let in when they are gone`, async () => {
    const sockets = Array.from({ length: STRANGERS }, () => new WebSocket(scene.server.url));
    const ends = sockets.map(endOf);
    await Promise.all(sockets.map(opened));
    expect(await endOf(new WebSocket(scene.server.url))).to.match(/503/);
    await Promise.all(ends);
    const socket = await opened(new WebSocket(scene.server.url));
    socket.close();
    await endOf(socket);
  });

  it("(h) that never finishes its handshake costs nobody a place", async () => {
    const { port } = new URL(scene.server.url);
    const raw: Socket[] = Array.from({ length: 40 }, () => connect(Number(port), "127.0.0.1"));
    for (const socket of raw) {
      socket.on("error", () => {});
      socket.write("GET / HTTP/1.1\r\n");
    }
    await sleep(50);
    const socket = await opened(new WebSocket(scene.server.url));
    socket.close();
    await endOf(socket);
    for (const one of raw) one.destroy();
  });

  it("(h) that is torn in the middle of a frame is the end of its domain alone", async () => {
    const socket = await opened(new WebSocket(scene.server.url));
    const end = endOf(socket);
    socket.send(LOGIN());
    await sleep(30);
    socket.send(new Uint8Array(100), { fin: false });
    socket.terminate();
    await end;
    await sleep(50);
    expect(scene.hub.admitted(HOSTILE)).to.equal(undefined);
  });
});
