// The portal on real sockets: many sessions at once, what is too many, an end in the middle of work, and what is left then.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  CommandFlag,
  FINAL,
  formatText,
  HEADER_SIZE,
  IMMEDIATE,
  type IscsiServer,
  type IscsiServerOptions,
  LoginRequest,
  NO_TAG,
  Opcode,
  openGroup,
  Request,
  Stage,
  serveIscsi,
  TRANSIT,
} from "@pvscsi/iscsi";
import { Target } from "@pvscsi/scsi";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { HoldingUnit } from "../../support/scsi-devices.js";
import { identityOf, type LoginWishes, pduOf, TARGET } from "./peer.js";

/** A socket whose PDUs are read one by one. */
class Initiator {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  ended = false;
  /** Data of the PDU that was taken last. */
  data = "";

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("error", () => {});
    this.#socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    this.#socket.on("close", () => {
      this.ended = true;
      this.#wake();
    });
  }

  give(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The opcode of the next PDU, or "ended". */
  async take(): Promise<number | "ended"> {
    for (;;) {
      const length = this.#received.length < HEADER_SIZE ? -1 : (this.#received.readUIntBE(5, 3) + 3) & ~3;
      if (length >= 0 && this.#received.length >= HEADER_SIZE + length) {
        const opcode = this.#received[0] & 0x3f;
        this.data = this.#received.toString("utf8", HEADER_SIZE, HEADER_SIZE + this.#received.readUIntBE(5, 3));
        this.#received = this.#received.subarray(HEADER_SIZE + length);
        return opcode;
      }
      if (this.ended) return "ended";
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async logIn(isid: number, wishes: LoginWishes = {}): Promise<void> {
    const flags = TRANSIT | (Stage.operational << 2) | Stage.fullFeature;
    const bytes = pduOf(
      LoginRequest,
      { opcode: Opcode.login | IMMEDIATE, flags, cmdSN: 1 },
      formatText(identityOf(wishes)),
    );
    bytes[8] = 0x80;
    bytes[13] = isid;
    this.give(bytes);
    expect(await this.take()).to.equal(Opcode.loginResponse);
  }

  command(cmdSN: number, opcode: number): void {
    const bytes = pduOf(Request, {
      opcode: Opcode.command,
      flags: FINAL | CommandFlag.read,
      itt: cmdSN,
      cmdSN,
      ttt: 36,
    });
    bytes[32] = opcode;
    bytes[36] = 36;
    this.give(bytes);
  }

  /** What SendTargets is answered. */
  async sendTargets(): Promise<string> {
    const fields = { opcode: Opcode.text | IMMEDIATE, flags: FINAL, itt: 2, ttt: NO_TAG, cmdSN: 1 };
    this.give(pduOf(Request, fields, Buffer.from("SendTargets=All\0")));
    expect(await this.take()).to.equal(Opcode.textResponse);
    return this.data;
  }

  close(): void {
    this.#socket.destroy();
  }
}

describe("an iSCSI server", () => {
  const servers: IscsiServer[] = [];

  async function serve(unit: HoldingUnit, options: Partial<IscsiServerOptions> = {}): Promise<IscsiServer> {
    const random = seededRandom(1);
    const server = await serveIscsi({
      listen: [{ port: 0 }],
      clock: realClock,
      scheduler: realScheduler,
      unguessable: (size) => Uint8Array.from({ length: size }, () => random.below(256)),
      ...options,
    });
    servers.push(server);
    const target = new Target();
    target.add(0, unit);
    server.portal.add({ name: TARGET, groups: [openGroup(target)] });
    return server;
  }

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });

  it("listens on this machine alone where no address is told", async () => {
    const { addresses, ports } = await serve(new HoldingUnit());
    const [[address], [port]] = [addresses, ports];
    expect(address).to.equal(`127.0.0.1:${port}`);
  });

  it("tells where each initiator has reached it, or what is advertised", async () => {
    const here = await serve(new HoldingUnit());
    const behind = await serve(new HoldingUnit(), { listen: [{ port: 0, advertised: "192.0.2.1:3260" }] });
    const first = new Initiator(here.ports[0]);
    await first.logIn(1, { target: null });
    expect(await first.sendTargets()).to.equal(`TargetName=${TARGET}\0TargetAddress=${here.addresses[0]},1\0`);
    const second = new Initiator(behind.ports[0]);
    await second.logIn(1, { target: null });
    expect(await second.sendTargets()).to.contain("\0TargetAddress=192.0.2.1:3260,1\0");
    first.close();
    second.close();
  });

  it("serves many sessions at once, and holds nothing when they are over", async () => {
    const unit = new HoldingUnit();
    const server = await serve(unit);
    const all = Array.from({ length: 20 }, () => new Initiator(server.ports[0]));
    await Promise.all(all.map((each, i) => each.logIn(i)));
    expect(server.holds().connections).to.equal(20);
    expect(server.portal.sessions.length).to.equal(20);
    for (const each of all) each.command(1, 0x00);
    for (const each of all) expect(await each.take()).to.equal(Opcode.response);
    for (const each of all) each.close();
    while (server.holds().connections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(server.holds()).to.deep.equal({ connections: 0, pages: 0 });
    expect(server.portal.sessions.length).to.equal(0);
  });

  it("closes what is too much of one address, and lets others be", async () => {
    const server = await serve(new HoldingUnit(), { connectionsOfAddress: 2 });
    const [first, second] = [new Initiator(server.ports[0]), new Initiator(server.ports[0])];
    await first.logIn(1);
    await second.logIn(2);
    const third = new Initiator(server.ports[0]);
    expect(await third.take()).to.equal("ended");
    first.command(1, 0x00);
    expect(await first.take()).to.equal(Opcode.response);
    first.close();
    second.close();
  });

  it("closes what is too much of all, until one has gone", async () => {
    const server = await serve(new HoldingUnit(), { connections: 1 });
    const first = new Initiator(server.ports[0]);
    await first.logIn(1);
    expect(await new Initiator(server.ports[0]).take()).to.equal("ended");
    first.close();
    while (server.holds().connections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const second = new Initiator(server.ports[0]);
    await second.logIn(2);
    second.close();
  });

  it("ends with commands under way, and with an initiator that does not leave: whoever has their data lets go first", async () => {
    const unit = new HoldingUnit();
    unit.stubborn = true;
    const server = await serve(unit, { limits: { leaveTimeout: 20 } });
    const initiator = new Initiator(server.ports[0]);
    await initiator.logIn(1);
    initiator.command(1, 0x00);
    await initiator.take();
    initiator.command(2, 0x12);
    while (unit.held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    servers.splice(0);
    let over = false;
    const closed = server.close().then(() => {
      over = true;
    });
    const last = [await initiator.take(), await initiator.take(), await initiator.take()];
    expect(last).to.deep.equal([Opcode.asynchronous, Opcode.asynchronous, "ended"]);
    expect([over, server.holds().pages]).to.deep.equal([false, 1]);
    unit.end();
    await closed;
    expect(server.holds()).to.deep.equal({ connections: 0, pages: 0 });
  });

  it("waits for initiators that log out when they are asked to, and takes no more", async () => {
    const server = await serve(new HoldingUnit());
    const initiator = new Initiator(server.ports[0]);
    await initiator.logIn(1);
    servers.splice(0);
    const closed = server.close();
    expect(await initiator.take()).to.equal(Opcode.asynchronous);
    expect(await new Initiator(server.ports[0]).take()).to.equal("ended");
    initiator.give(pduOf(Request, { opcode: Opcode.logout | IMMEDIATE, flags: FINAL, itt: 3 }));
    expect([await initiator.take(), await initiator.take()]).to.deep.equal([Opcode.logoutResponse, "ended"]);
    await closed;
  });

  it("serves several portals: each initiator is told all that lead to its target, with the tags of their groups", async () => {
    const server = await serve(new HoldingUnit(), { listen: [{ port: 0 }, { port: 0 }, { host: "0.0.0.0", port: 0 }] });
    const target = new Target("0:1", [2, 3]);
    target.add(0, new HoldingUnit());
    const found = { target, authentication: null };
    const group = (tag: number, portals: readonly number[]) => {
      return { tag, portals, targetPort: tag - 5, initiators: new Map(), others: found };
    };
    server.portal.add({ name: `${TARGET}-2`, groups: [group(7, [1]), group(8, [2])] });
    const [one, two, everywhere] = server.addresses;
    expect(everywhere).to.equal(`0.0.0.0:${server.ports[2]}`);
    const seen = everywhere.replace("0.0.0.0", "127.0.0.1");
    const words = [
      `TargetName=${TARGET}`,
      `TargetAddress=${one},1`,
      `TargetAddress=${two},1`,
      `TargetAddress=${seen},1`,
    ];
    words.push(`TargetName=${TARGET}-2`, `TargetAddress=${two},7`, `TargetAddress=${seen},8`);
    for (const port of server.ports) {
      const initiator = new Initiator(port);
      await initiator.logIn(1, { target: null });
      expect(await initiator.sendTargets()).to.equal(`${words.join("\0")}\0`);
      initiator.close();
    }
    const [left, right] = [new Initiator(server.ports[1]), new Initiator(server.ports[2])];
    await left.logIn(1, { target: `${TARGET}-2` });
    await right.logIn(1, { target: `${TARGET}-2` });
    // The same initiator port at two portal groups has two sessions, at two ports of the target.
    expect(server.portal.sessions.map(({ nexus }) => nexus.identity.targetPort)).to.deep.equal([2, 3]);
    left.close();
    right.close();
  });

  it("says why it cannot listen", async () => {
    const { ports } = await serve(new HoldingUnit());
    const listen = [{ port: 0 }, { port: ports[0] }];
    const failed = await serve(new HoldingUnit(), { listen }).then(
      () => null,
      (error: Error) => error.message,
    );
    expect(failed).to.match(new RegExp(`^cannot listen at 127\\.0\\.0\\.1:${ports[0]}: .*EADDRINUSE`));
  });

  it("bears a connection that ends in the middle of a PDU", async () => {
    const server = await serve(new HoldingUnit());
    const socket = connect(server.ports[0], "127.0.0.1");
    await once(socket, "connect");
    socket.end(Buffer.alloc(20));
    await once(socket, "close");
    while (server.holds().connections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
