// Tests the command line of a vhost-user server. What a guest makes of it is for an outside judge: npm run test:interop -- qemu.

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { loadNative, NativeMissing } from "@pvscsi/native";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi, RunningCommand } from "./command.js";

const READY = /^serving (.*) until Ctrl-C or SIGTERM$/m;

describe("pvscsi vhost-user", () => {
  const folder = temporaryFolder();
  const started: RunningCommand[] = [];

  before(async function () {
    try {
      await loadNative();
    } catch (error) {
      if (!(error instanceof NativeMissing)) throw error;
      this.skip();
    }
  });
  afterEach(async () => {
    for (const command of started.splice(0)) {
      command.child.kill("SIGTERM");
      await command.ended;
    }
  });

  const socket = () => folder.path("scsi.sock");

  /** A server that listens, and the places it serves. */
  async function serve(...words: string[]): Promise<{ command: RunningCommand; places: string }> {
    const command = new RunningCommand(["vhost-user", "serve", "--socket", socket(), ...words]);
    started.push(command);
    const [, places] = await command.printed(READY);
    return { command, places };
  }

  const ask = (verb: string, ...words: string[]) => pvscsi(["vhost-user", verb, socket(), ...words]);

  it("prints what QEMU and libvirt want of a guest, and serves until it is told to end", async () => {
    const { command, places } = await serve("--lun", "mem:1MiB", "--lun", "null:1GiB", "--queues", "2");
    expect(places).to.equal("0:0, 0:1");
    expect(command.output).to.include("memory-backend-memfd,id=mem,size=1G,share=on");
    expect(command.output).to.include(`-chardev socket,id=pvscsi,path=${socket()}`);
    expect(command.output).to.include("-device vhost-user-scsi-pci,id=scsi0,chardev=pvscsi,num_queues=2");
    expect(command.output).to.include("<access mode='shared'/>");
    expect(command.output).to.include(`<qemu:arg value='socket,id=pvscsi,path=${socket()}'/>`);
    expect(statSync(`${socket()}.control`).mode & 0o777).to.equal(0o600);
    command.child.kill("SIGTERM");
    expect(await command.ended).to.deep.include({ status: 0, errors: "" });
    expect([existsSync(socket()), existsSync(`${socket()}.control`)]).to.deep.equal([false, false]);
  });

  it("serves the vhost target of a saveconfig.json, the tags of its groups as target numbers", async () => {
    folder.write({ "saveconfig.json": readFileSync(join(repositoryRoot, "configs", "saveconfig.json"), "utf8") });
    const { places } = await serve("--config", folder.path("saveconfig.json"));
    expect(places).to.equal("1:0, 1:1");
    expect((await ask("list")).output).to.match(/^1:0 +LIO-ORG +disk0 +naa\.6001405/m);
  });

  it("takes LUNs in and out while it serves, and makes them larger", async () => {
    await serve("--lun", "mem:1MiB");
    folder.write({ "disk.img": "\0".repeat(1 << 20) });
    expect(await ask("attach", folder.path("disk.img"))).to.deep.include({ status: 0, output: "0:1\n" });
    expect(await ask("attach", "mem:1MiB", "3:300")).to.deep.include({ status: 0, output: "3:300\n" });
    expect(await ask("resize", "0:1", "2MiB")).to.deep.include({ status: 0, errors: "" });
    expect(statSync(folder.path("disk.img")).size).to.equal(2 << 20);
    expect((await ask("list")).output).to.match(/^0:0 .*\n0:1 .*\n3:300 /m);
    expect(await ask("detach", "0:1")).to.deep.include({ status: 0, errors: "" });
    expect((await ask("list")).output).not.to.include("0:1");
  });

  it("says what is wrong with a change: 1", async () => {
    await serve("--lun", "mem:1MiB");
    for (const [words, reason] of [
      [["attach", "mem:1MiB", "0:0"], "pvscsi: 0:0 is taken\n"],
      [["attach", "mem:1MiB", "256:0"], "pvscsi: '256:0' is no TARGET:LUN, 0:0 to 255:16383\n"],
      [["attach", "mem:lots"], /^--lun:1:1: invalid size 'lots'/],
      [["attach", folder.path("missing.img")], /missing\.img/],
      [["detach", "0:7"], "pvscsi: nothing is at 0:7\n"],
      [["resize", "0:0", "much"], "pvscsi: invalid size 'much'\n"],
      [["resize", "0:0", "512"], /a LUN is not made smaller/],
    ] as const) {
      const [verb, ...rest] = words;
      const { status, errors } = await ask(verb, ...rest);
      expect(status, words.join(" ")).to.equal(1);
      if (typeof reason === "string") expect(errors).to.equal(reason);
      else expect(errors).to.match(reason);
    }
  });

  it("says so where nobody serves, and where somebody does already: 1", async () => {
    expect(await ask("list")).to.deep.include({
      status: 1,
      errors: `pvscsi: nobody serves ${socket()}: start pvscsi vhost-user serve\n`,
    });
    await serve();
    const second = await pvscsi(["vhost-user", "serve", "--socket", socket()]);
    expect(second).to.deep.include({ status: 1, errors: `pvscsi: cannot listen at ${socket()}: bind: EADDRINUSE\n` });
    expect(await ask("list")).to.deep.include({ status: 0 });
  });

  it("is used wrongly with status 2", async () => {
    for (const [words, reason] of [
      [["serve"], "pvscsi: --socket PATH is missing\n"],
      [["serve", "--queues", "0"], /Expected 1 to 64/],
      [["serve", "--lun", "mem:1MiB", "--config", "x"], /cannot be used with option '--config <file>'/],
      [["attach"], /missing required argument 'socket'/],
      [["colour"], /unknown command 'colour'/],
    ] as const) {
      const { status, errors } = await pvscsi(["vhost-user", ...words]);
      expect(status, words.join(" ")).to.equal(2);
      if (typeof reason === "string") expect(errors).to.equal(reason);
      else expect(errors).to.match(reason);
    }
  });

  it("says what kind of back end it is, as such programs do", async () => {
    const { status, output } = await pvscsi(["vhost-user", "serve", "--print-capabilities"]);
    expect([status, JSON.parse(output)]).to.deep.equal([0, { type: "scsi" }]);
  });
});
