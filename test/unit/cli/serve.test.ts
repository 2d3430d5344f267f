import { existsSync, readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { dirname } from "node:path";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi, RunningCommand } from "./command.js";

const SIZE = 1024 * 1024;
const IHAVEOPT = "49484156454f5054";
const REQUEST = "25609513";
const REPLY = "67446698";
const COOKIE = "0123456789abcdef";
const EXPORT_NAME = 1;
const READ = 0;
const WRITE = 1;

/** An NBD client of the old handshake: EXPORT_NAME and simple replies. */
class Client {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#socket = connect(path);
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

describe("pvscsi demo --serve", () => {
  const folder = temporaryFolder();

  beforeEach(() => {
    folder.write({
      "host.yaml":
        "hosts:\n  - host: 0\n    luns:\n      - { address: 0:0:0:0, file: disk.img, size: 1MiB, create: true }\n",
      "domU.cfg": "name = 'my guest'\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n",
      "tmp/.keep": "",
    });
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`serves the guest's disks over NBD until ${signal}, then ends with 0 and leaves nothing`, async () => {
      const command = new RunningCommand(["demo", "--serve", folder.path("domU.cfg")], {
        environment: { TMPDIR: folder.path("tmp") },
      });
      const [, name, path] = await command.printed(/^nbd\+unix:\/\/\/(\S+)\?socket=(\S+)$[\s\S]*SIGTERM\n/m);
      expect(name).to.equal("my%20guest-sda");
      const client = new Client(path);
      expect(await client.open(decodeURIComponent(name))).to.equal(SIZE);
      const data = Buffer.alloc(8192, "what the client wrote");
      await client.write(4096, data);
      expect((await client.read(4096, 8192)).equals(data)).to.equal(true);
      command.child.kill(signal);
      const { status, errors } = await command.ended;
      expect(errors).to.equal("");
      expect(status).to.equal(0);
      expect(existsSync(dirname(path))).to.equal(false);
      expect(readdirSync(folder.path("tmp"))).to.deep.equal([".keep"]);
    });
  }

  it("says that there is nothing to serve: 1", async () => {
    folder.write({ "domU.cfg": "name = 'g'\nvscsi = []\n" });
    const { status, errors } = await pvscsi(["demo", "--serve", folder.path("domU.cfg")]);
    expect(errors).to.equal("pvscsi: no guest has a disk to serve\n");
    expect(status).to.equal(1);
  });
});
