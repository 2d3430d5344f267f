import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi, RunningCommand } from "./command.js";
import { NbdClient } from "./nbd-client.js";

const SIZE = 1024 * 1024;

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

  for (const [signal, ...more] of [["SIGTERM"], ["SIGINT"], ["SIGINT", "--one-process"]] as const) {
    const mode = more.map((word) => `${word}: `).join("");
    it(`${mode}serves the guest's disks over NBD until ${signal}, then ends with 0 and leaves nothing`, async () => {
      const command = new RunningCommand(["demo", "--serve", ...more, folder.path("domU.cfg")], {
        environment: { TMPDIR: folder.path("tmp") },
      });
      const [, name, path] = await command.printed(/^nbd\+unix:\/\/\/(\S+)\?socket=(\S+)$[\s\S]*SIGTERM\n/m);
      expect(name).to.equal("my%20guest-sda");
      const client = new NbdClient({ path });
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

  it("hands all of them out on one socket, each by its name", async () => {
    folder.write({
      "host.yaml":
        "hosts:\n  - host: 0\n    luns:\n      - { address: 0:0:0:0, memory: 1MiB }\n      - { address: 0:0:0:1, memory: 2MiB }\n",
      "domU.cfg": "name = 'g'\nvscsi = [ '0:0:0:0,0:0:0:0', '0:0:0:1,0:0:0:1' ]\n",
    });
    const command = new RunningCommand(["demo", "--serve", folder.path("domU.cfg")]);
    const [, path, second] = await command.printed(
      /^nbd\+unix:\/\/\/g-sda\?socket=(\S+)\nnbd\+unix:\/\/\/g-sdb\?socket=(\S+)\nserving /m,
    );
    expect(second).to.equal(path);
    const sizes: number[] = [];
    for (const name of ["g-sda", "g-sdb"]) {
      const client = new NbdClient({ path });
      sizes.push(await client.open(name));
      client.close();
    }
    expect(sizes).to.deep.equal([SIZE, 2 * SIZE]);
    command.child.kill("SIGTERM");
    expect(await command.ended).to.include({ status: 0, errors: "" });
  });

  it("says that there is nothing to serve: 1", async () => {
    folder.write({ "domU.cfg": "name = 'g'\nvscsi = []\n" });
    const { status, errors } = await pvscsi(["demo", "--serve", folder.path("domU.cfg")]);
    expect(errors).to.equal("pvscsi: no guest has a disk to serve\n");
    expect(status).to.equal(1);
  });

  it("hands one disk out from the prompt, on a Unix or a TCP socket, until the guest ends", async () => {
    const path = folder.path("disk.socket");
    const command = new RunningCommand(["demo", "--shell", folder.path("domU.cfg")], { stays: true });
    await command.ask(
      `guest 'my guest' -- nbd /dev/sda --socket ${path}`,
      new RegExp(`^nbd\\+unix:///\\?socket=${path}$`, "m"),
    );
    const [, port] = await command.ask("guest 1 -- nbd sda --listen 0", /^nbd:\/\/127\.0\.0\.1:(\d+)$/m);
    const writer = new NbdClient({ path });
    const reader = new NbdClient({ host: "127.0.0.1", port: Number(port) });
    expect(await writer.open("my guest-sda")).to.equal(SIZE);
    expect(await reader.open("my guest-sda")).to.equal(SIZE);
    const data = Buffer.alloc(4096, "from one to the other");
    await writer.write(8192, data);
    expect((await reader.read(8192, 4096)).equals(data)).to.equal(true);
    for (const client of [writer, reader]) client.close();
    await command.ask("destroy 1\nlist", /Domain-0/);
    expect(existsSync(path)).to.equal(false);
    command.child.stdin?.end();
    expect(await command.ended).to.include({ status: 0, errors: "" });
  });

  it("says what is wrong with a disk to hand out: 1, and 2 for wrong usage", async () => {
    const input = [
      "nbd sdz --listen 0",
      "nbd sda --listen 65536",
      "nbd sda --port 1",
      "nbd --listen 0",
      "nbd sda",
      "nbd sda --socket /no/such/folder/s",
    ]
      .map((words) => `guest 1 -- ${words}\n`)
      .join("");
    const { errors, status } = await pvscsi(["demo", "--shell", folder.path("domU.cfg")], { input });
    expect(errors).to.include("pvscsi guest: my guest has no disk sdz\n");
    expect(errors.match(/^guest: nbd DEV\.\.\. --socket PATH \| --listen \[ADDR:\]PORT$/gm)).to.have.length(4);
    expect(errors).to.match(/^pvscsi guest: listen \w+.*\/no\/such\/folder\/s$/m);
    expect(status).to.equal(1);
  });
});
