// Knows the least that an NBD client must say, written by hand: the handshake of old, READ and WRITE.

import { connect, type NetConnectOpts, type Socket } from "node:net";
import { expect } from "chai";

const IHAVEOPT = "49484156454f5054";
const REQUEST = "25609513";
const REPLY = "67446698";
const COOKIE = "0123456789abcdef";
const EXPORT_NAME = 1;
const READ = 0;
const WRITE = 1;

/** An NBD client of the old handshake: EXPORT_NAME and simple replies. */
export class NbdClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);

  constructor(where: NetConnectOpts) {
    this.#socket = connect(where);
    this.#socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
  }

  /** Connects to an export; gives its size. */
  async open(name: string): Promise<number> {
    expect((await this.#take(18)).subarray(0, 8).toString()).to.equal("NBDMAGIC");
    this.#socket.write(Buffer.from(`00000003${IHAVEOPT}${u32(EXPORT_NAME)}${u32(name.length)}`, "hex"));
    this.#socket.write(name);
    const reply = await this.#take(10);
    return Number(reply.readBigUInt64BE(0));
  }

  async read(offset: number, length: number): Promise<Buffer> {
    await this.#ask(READ, offset, length);
    return this.#take(length);
  }

  async write(offset: number, data: Buffer): Promise<void> {
    await this.#ask(WRITE, offset, data.length, data);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #ask(type: number, offset: number, length: number, data: Buffer = Buffer.alloc(0)): Promise<void> {
    const header = `${REQUEST}0000${type.toString(16).padStart(4, "0")}${COOKIE}00000000${u32(offset)}${u32(length)}`;
    this.#socket.write(Buffer.concat([Buffer.from(header, "hex"), data]));
    expect((await this.#take(16)).toString("hex")).to.equal(`${REPLY}00000000${COOKIE}`);
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#received.length < length) await new Promise((resolve) => setTimeout(resolve, 5));
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes;
  }
}

function u32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
