// Tests domains that somebody starts by hand with what `create --elsewhere` has printed: from folders of their own, which
// stand for other machines, over TLS.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { basename } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { CERTIFICATE, CERTIFICATE_KEY } from "../../support/certificate.js";
import { MAIN } from "../../support/repository.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi, type Result, RunningCommand } from "./command.js";
import { Dom0Stand } from "./dom0-stand.js";

const FILES = {
  "host.yaml": `hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, memory: 16MiB }
      - { address: 0:0:1:0, memory: 16MiB }
`,
  "drv.yaml":
    "hosts:\n  - host: 3\n    luns:\n      - { address: 3:0:0:0, file: disk.img, size: 16MiB, create: true }\n",
  "drv.cfg": "name = 'drv'\ndriver_domain = 1\npvscsi_host = 'drv.yaml'\non_crash = 'restart'\n",
  "far.cfg": "name = 'far'\nvscsi = [ '3:0:0:0,0:0:0:0,backend=drv', '0:0:0:0,1:0:0:0' ]\n",
  "near.cfg": "name = 'near'\nvscsi = [ '3:0:0:0,0:0:0:0,backend=drv' ]\n",
  "plain.cfg": "name = 'plain'\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n",
  "cert.pem": CERTIFICATE,
  "key.pem": CERTIFICATE_KEY,
};
const MIB = 1024 * 1024;
/** Milliseconds for what happens by itself. */
const PATIENCE = 30_000;

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await setTimeout(20)) {
    if (await holds()) return;
  }
  expect.fail(`it does not come to this: ${what}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("a domain that is started elsewhere", function () {
  this.timeout(90_000);
  let port = 0;
  let running: RunningCommand[] = [];
  beforeEach(async () => {
    port = await freePort();
    running = [];
  });
  const dom0 = new Dom0Stand(FILES, (folder) => [
    ...["--listen", String(port), "--certificate", folder.path("cert.pem"), "--key", folder.path("key.pem")],
  ]);
  const { folder } = dom0;
  afterEach(async () => {
    for (const { child } of running) child.kill("SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
  });

  /** Creates a domain; gives what is to be typed for it, and brings what that needs to its machine. */
  async function create(name: string): Promise<string[]> {
    const lines = (await dom0.good("create", `${name}.cfg`, "--elsewhere")).trimEnd().split("\n");
    const [parsing, what, command, hint] = lines;
    expect(parsing).to.equal(`Parsing config from ${name}.cfg`);
    expect(hint).to.match(/^wss:\/\/127\.0\.0\.1:\d+ is of this machine only: .* --listen ADDR:PORT$/);
    const files = /^\w+ waits to be joined; on its machine, with copies of (.*):$/.exec(what)?.[1].split(", ") ?? [];
    mkdirSync(machine(name));
    for (const file of files) copyFileSync(file, machine(name, basename(file)));
    const [program, ...words] = command.split(" ");
    expect(program).to.equal("pvscsi");
    return words;
  }

  /** A path on the machine of a domain. */
  function machine(name: string, ...parts: string[]): string {
    return folder.path(`machine-${name}`, ...parts);
  }

  /** Begins to type something on the machine of a domain. */
  function begin(name: string, ...words: readonly string[]): RunningCommand {
    const environment = { PVSCSI_STATE: machine(name, "state") };
    const command = new RunningCommand(words, { directory: machine(name), environment });
    running.push(command);
    return command;
  }

  function type(name: string, ...words: readonly string[]): Promise<Result> {
    return begin(name, ...words).ended;
  }

  /** Starts the domain there and waits until it runs. */
  async function start(name: string, words: readonly string[]): Promise<RunningCommand> {
    const command = begin(name, ...words);
    await command.printed(/\n/);
    expect(command.output).to.match(new RegExp(`^domain '${name}' \\(\\d+\\) runs here, until Ctrl-C or SIGTERM\n$`));
    return command;
  }

  /** The output of a command that succeeds on the machine of a domain. */
  async function good(name: string, ...words: readonly string[]): Promise<string> {
    const { status, output, errors } = await type(name, ...words);
    expect({ status, errors }, words.join(" ")).to.deep.equal({ status: 0, errors: "" });
    return output;
  }

  async function domains(): Promise<string[]> {
    const list = JSON.parse(await dom0.good("list", "--json")) as { readonly name: string; readonly id: number }[];
    return list.map(({ name, id }) => `${name} ${id}`);
  }

  async function states(guest: string): Promise<string[]> {
    const rows = JSON.parse(await dom0.good("scsi-list", guest, "--json")) as {
      readonly [key in "backend" | "state"]: number;
    }[];
    return rows.map(({ backend, state }) => `${backend}:${state}`);
  }

  function write(file: string): Buffer {
    const image = Buffer.from(Uint8Array.from({ length: 4 * MIB }, (_, i) => (i * 7 + (i >> 12)) & 0xff));
    writeFileSync(file, image);
    return image;
  }

  it("moves data between its machine, a driver domain's on a third one, and dom0's", async () => {
    const driver = await start("drv", await create("drv"));
    const guest = await start("far", await create("far"));
    await dom0.running.printed(/domain 'drv' has joined, from 127\.0\.0\.1\ndomain 'far' has joined/);
    expect(await states("far")).to.deep.equal(["1:4", "0:4"]);
    const image = write(machine("far", "image.raw"));
    for (const disk of ["sda", "sdb"]) {
      const dd = ["guest", "far", "--", "dd", "bs=1M", "status=none"];
      expect(await good("far", ...dd, "if=image.raw", `of=/dev/${disk}`, "conv=fsync")).to.equal("");
      await good("far", ...dd, `if=/dev/${disk}`, "of=copy.raw", "count=4");
      expect(readFileSync(machine("far", "copy.raw")).equals(image), disk).to.equal(true);
    }
    const disk = readFileSync(machine("drv", "disk.img"));
    expect(disk.subarray(0, image.length).equals(image)).to.equal(true);
    for (const { child } of [guest, driver]) child.kill("SIGTERM");
    expect(await guest.ended).to.include({ status: 0, errors: "" });
    expect(await driver.ended).to.include({ status: 0, errors: "" });
    await until("the guest is gone", async () => (await domains()).join() === "Domain-0 0,drv 1");
    await dom0.running.printed(/^domain 'far' has ended: the domain has closed$/m);
    await dom0.good("destroy", "drv");
    expect(await dom0.good("xenstore", "ls")).to.not.match(/vscsi|far|drv/);
    expect(readdirSync(folder.path("state", "domains"))).to.deep.equal([]);
    expect(existsSync(machine("far", "state", "control.sock"))).to.equal(false);
  });

  it("answers on its machine what is asked of it, and says where everything else is", async () => {
    await start("drv", await create("drv"));
    await start("plain", await create("plain"));
    const bad = async (name: string, ...words: readonly string[]): Promise<string> => {
      const { status, output, errors } = await type(name, ...words);
      expect({ status, output }, words.join(" ")).to.deep.equal({ status: 1, output: "" });
      return errors;
    };
    expect(await good("plain", "guest", "2", "--", "lsscsi")).to.include("/dev/sda");
    const here = `here is only domain 'plain' (2) of wss://127.0.0.1:${port}`;
    expect(await bad("plain", "list")).to.equal(`pvscsi list: ${here}: type this where its dom0 is\n`);
    expect(await bad("plain", "guest", "drv", "--", "lsscsi")).to.equal(
      `pvscsi guest: drv is an invalid domain identifier (rc=-6): ${here}\n`,
    );
    expect(await bad("drv", "guest", "drv", "--", "lsscsi")).to.equal(
      "pvscsi guest: domain 'drv' is a driver domain, and takes no commands\n",
    );
    const elsewhere = "domain 'plain' runs elsewhere, joined from 127.0.0.1";
    const asked = await dom0.bad("guest", "plain", "--", "lsscsi");
    expect(asked).to.equal(`pvscsi guest: ${elsewhere}: type this there`);
    for (const verb of ["pause", "unpause"]) {
      const told = `pvscsi ${verb}: ${elsewhere}: stop and continue its process there`;
      expect(await dom0.bad(verb, "plain")).to.equal(told);
    }
  });

  it("gets and loses LUNs as any other, before it has joined and after", async () => {
    const words = await create("plain");
    expect(await states("plain")).to.deep.equal(["0:1"]);
    await dom0.good("scsi-attach", "plain", "0:0:1:0", "0:0:0:1");
    await dom0.good("scsi-attach", "plain", "0:0:1:0", "1:0:0:0");
    await dom0.good("scsi-detach", "plain", "0:0:0:0");
    expect(await dom0.bad("guest", "plain", "--", "lsscsi")).to.equal(
      "pvscsi guest: domain 'plain' waits to be joined",
    );
    expect(await dom0.bad("pause", "plain")).to.equal("pvscsi pause: domain 'plain' waits to be joined");
    await dom0.good("scsi-detach", "plain", "1:0:0:0");
    await start("plain", words);
    expect(await good("plain", "guest", "plain", "--", "lsscsi")).to.match(/^\[0:0:0:1\] .*\/dev\/sda \n$/);
    await dom0.good("scsi-attach", "plain", "0:0:0:0", "0:0:0:0");
    expect((await good("plain", "guest", "plain", "--", "lsscsi")).match(/\/dev\/sd./g)).to.have.length(2);
  });

  it("is destroyed before it has joined, and after: then its process says so and fails", async () => {
    const words = await create("plain");
    await dom0.good("destroy", "plain");
    const { status, errors } = await type("plain", ...words);
    expect(status).to.equal(1);
    expect(errors).to.equal(`pvscsi: wss://127.0.0.1:${port}: no such domain, or a wrong secret\n`);
    const driver = await start("drv", await create("drv"));
    await dom0.good("destroy", "drv");
    expect(await driver.ended).to.include({
      status: 1,
      errors: "pvscsi: domain 2 has ended: the domain was destroyed\n",
    });
    expect(await domains()).to.deep.equal(["Domain-0 0"]);
  });

  it("that is killed is destroyed; with on_crash = restart it waits, and the same line starts it again", async () => {
    const words = await create("drv");
    const driver = await start("drv", words);
    await dom0.good("create", "near.cfg");
    const guest = await start("plain", await create("plain"));
    guest.child.kill("SIGKILL");
    driver.child.kill("SIGKILL");
    await dom0.running.printed(/drv waits to be joined; /);
    expect(dom0.running.output).to.match(/^domain 'drv' has ended: the connection has ended$/m);
    await until("the guest is gone", async () => !(await domains()).join().includes("plain"));
    expect(await domains()).to.deep.equal(["Domain-0 0", "drv 1", "near 2"]);
    await start("drv", words);
    await until("the LUN is back", async () => (await states("near")).join() === "1:4");
    const image = write(folder.path("image.raw"));
    await dom0.good("guest", "near", "--", "dd", "if=image.raw", "of=/dev/sda", "bs=1M", "status=none", "conv=fsync");
    expect(readFileSync(machine("drv", "disk.img")).subarray(0, image.length).equals(image)).to.equal(true);
  });

  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    it(`is remembered by the next dom0 after a ${signal}: the same line starts it again, and who waits for it`, async () => {
      await dom0.good("create", "plain.cfg");
      const words = await create("drv");
      expect(words[2]).to.equal("2");
      await dom0.good("destroy", "plain");
      const driver = await start("drv", words);
      await dom0.good("create", "near.cfg");
      await dom0.end(signal);
      const { status, errors } = await driver.ended;
      expect(status).to.equal(1);
      expect(errors).to.match(/^pvscsi: domain 2 has ended: .*\n$/);
      if (signal === "SIGTERM") expect(errors).to.include("its dom0 has ended");
      await dom0.start();
      expect(dom0.running.output).to.include(`pvscsi ${words.join(" ")}\n`);
      expect(await domains()).to.deep.equal(["Domain-0 0", "drv 2"]);
      expect(await dom0.bad("create", "near.cfg")).to.include("domain 2, which has the device, waits to be joined");
      await start("drv", words);
      await dom0.running.printed(/near was started again\n/);
      expect(await dom0.good("guest", "near", "--", "lsscsi")).to.include("/dev/sda");
    });
  }

  it("that is not what was typed leaves, and can be joined as what it is", async () => {
    for (const [name, more, reason] of [
      ["plain", ["--host", "../drv.yaml"], "is a guest, and has no devices of its own: leave out --host"],
      ["drv", [], "is a driver domain: name its devices with --host"],
    ] as const) {
      const words = await create(name);
      const wrong = [...words.filter((word, i) => word !== "--host" && words[i - 1] !== "--host"), ...more];
      const { status, errors } = await type(name, ...wrong);
      expect({ status, errors }).to.deep.equal({ status: 1, errors: `pvscsi: domain '${name}' ${reason}\n` });
      await until("it is waited for again", () => dom0.running.output.includes(`${name} waits to be joined`));
      await start(name, words);
    }
  });

  it("says in one line why it cannot be joined, and 1", async () => {
    const [, url, ...rest] = await create("plain");
    const failure = async (words: readonly string[], ...prefix: readonly string[]): Promise<string> => {
      const { status, output, errors } = await type("plain", "join", ...words, ...prefix);
      expect({ status, output }, errors).to.deep.equal({ status: 1, output: "" });
      expect(errors).to.match(/^[^\n]+\n$/);
      return errors.slice(0, -1).replace(/^pvscsi: /, "");
    };
    const secret = machine("plain", "plain.secret");
    const wrong = machine("plain", "wrong.secret");
    writeFileSync(wrong, `${"0".repeat(64)}\n`, { mode: 0o600 });
    const trusted = ["--certificate", "cert.pem"];
    const other = await freePort();

    expect(await failure([url, "1", "--secret", wrong, ...trusted])).to.equal(
      `${url}: no such domain, or a wrong secret`,
    );
    expect(await failure([url, "9", "--secret", secret, ...trusted])).to.equal(
      `${url}: no such domain, or a wrong secret`,
    );
    expect(await failure([`wss://127.0.0.1:${other}`, ...rest])).to.equal(
      `wss://127.0.0.1:${other}: nobody listens there`,
    );
    expect(await failure(["wss://nowhere.invalid:1", ...rest])).to.match(/nowhere\.invalid:1: .*(name)/);
    expect(await failure([url, "1", "--secret", secret])).to.equal(
      `${url}: its certificate is not trusted (self-signed certificate): name it, or whoever has signed it, with --certificate`,
    );
    expect(await failure([`wss://localhost:${port}`, ...rest])).to.match(
      /^wss:\/\/localhost:\d+: its certificate is for another host \(.*localhost.*\)$/,
    );
    expect(await failure([`ws://127.0.0.1:${port}`, "1", "--secret", secret])).to.equal(
      `ws://127.0.0.1:${port}: the connection was ended before anything was said: perhaps it is wss, not ws`,
    );
    expect(await failure([url, "1", "--secret", "missing"])).to.match(/^ENOENT: no such file or directory/);
    expect(await failure([url, "1", "--secret", "cert.pem"])).to.match(
      /^cert\.pem: its mode 0644 is not for its owner/,
    );
    chmodSync(machine("plain", "cert.pem"), 0o600);
    expect(await failure([url, "1", "--secret", "cert.pem"])).to.equal(
      "cert.pem: no secret in it, expecting 64 hexadecimal digits",
    );
    expect(await failure([url, "1", "--secret", secret, "--certificate", wrong])).to.equal(
      `${wrong}: no certificate in it, expecting PEM`,
    );
    expect(await failure([url, ...rest, "--host", "missing.yaml"])).to.match(/^missing\.yaml:1:1: /);
    expect(await failure([url, ...rest, "--state", dom0.state])).to.match(/^a dom0 is running already at .*--state$/);
    await start("plain", ["join", url, ...rest]);
    expect(await failure([url, ...rest, "--state", "second"])).to.equal(`${url}: domain 1 is connected already`);
    expect(await good("plain", "guest", "plain", "--", "lsscsi")).to.include("/dev/sda");
  });

  it("is used wrongly with status 2, and nothing is connected to", async () => {
    mkdirSync(machine("plain"));
    const secret = ["--secret", "none"];
    for (const [words, reason] of [
      [["ws://127.0.0.1:1", "1"], "required option '--secret <file>' not specified"],
      [["ws://127.0.0.1:1", ...secret], "missing required argument 'domid'"],
      [["http://127.0.0.1:1", "1", ...secret], "Expected ws://HOST:PORT or wss://HOST:PORT."],
      [["ws://127.0.0.1:1/path", "1", ...secret], "Expected ws://HOST:PORT or wss://HOST:PORT."],
      [["127.0.0.1:1", "1", ...secret], "Expected ws://HOST:PORT or wss://HOST:PORT."],
      [["ws://127.0.0.1:1", "0", ...secret], "Expected a number."],
      [["ws://127.0.0.1:1", "32752", ...secret], "Expected a number."],
      [["ws://127.0.0.1:1", "name", ...secret], "Expected a number."],
      [["ws://127.0.0.1:1", "1", ...secret, "--certificate", "x"], "--certificate is for wss"],
    ] as const) {
      const { status, errors } = await type("plain", "join", ...words);
      expect(status, words.join(" ")).to.equal(2);
      expect(errors, words.join(" ")).to.include(reason);
    }
  });

  it("is no word of xl's", async () => {
    const xl = folder.path("xl");
    symlinkSync(MAIN, xl);
    const environment = { PVSCSI_STATE: dom0.state };
    const help = await pvscsi(["create", "--help"], { main: xl, environment });
    expect(help.output).to.include("--dialect").and.to.not.include("--elsewhere");
    const refused = await pvscsi(["create", "--elsewhere", "plain.cfg"], { main: xl, environment });
    expect(refused).to.include({ status: 2, errors: "option `--elsewhere' not supported.\n" });
    expect((await pvscsi(["create", "--help"])).output).to.include("--elsewhere");
  });
});

describe("a domain that is to run elsewhere, in a demonstration of one process", function () {
  this.timeout(60_000);

  const folder = temporaryFolder();

  it("is refused: its guest is in its own process", async () => {
    folder.write({ "host.yaml": "hosts: []\n", "domU.cfg": "name = 'domU'\nvscsi = []\n" });
    const cfg = folder.path("domU.cfg");
    const { errors } = await pvscsi(["demo", cfg, "--one-process", "--shell"], {
      input: `create ${cfg} --elsewhere\n`,
    });
    expect(errors).to.equal("pvscsi create: all domains run here: only a dom0 of its own can be joined\n");
  });
});
