// Tests that each guest of a dom0 is a process: what it knows, how it is stopped, and what is left when it dies.

import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { type Moment, parseMoments } from "pvscsi";
import { CERTIFICATE, CERTIFICATE_KEY } from "../../support/certificate.js";
import { Dom0Stand } from "./dom0-stand.js";

const HOST = `hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, memory: 16MiB }
      - { address: 0:0:1:0, memory: 16MiB }
`;
const FILES = {
  "host.yaml": HOST,
  "one.cfg": "name = 'one'\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n",
  "two.cfg": "name = 'two'\nvscsi = [ '0:0:1:0,0:0:0:0' ]\n",
};
/** Milliseconds for what happens by itself. */
const PATIENCE = 30_000;

/** Processes that a process has started and that run. */
function children(pid: number | undefined): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await setTimeout(20)) {
    if (await holds()) return;
  }
  expect.fail(`it does not come to this: ${what}`);
}

function isThere(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

describe("a guest of pvscsi dom0", function () {
  this.timeout(60_000);
  const dom0 = new Dom0Stand(FILES);
  const { folder } = dom0;

  /** Creates a guest and gives its process. */
  async function create(name: string): Promise<number> {
    const before = children(dom0.running.child.pid);
    await dom0.good("create", `${name}.cfg`);
    const [pid] = children(dom0.running.child.pid).filter((child) => !before.includes(child));
    return pid;
  }

  /** Everything a guest may leave behind. */
  async function things(): Promise<string[]> {
    return Promise.all([
      dom0.good("lsgrants", "0", "--json"),
      dom0.good("lsevtchn", "0", "--json"),
      dom0.good("xenstore", "ls"),
    ]);
  }

  it("is a process of its own, whose secret is on no command line and in no environment", async () => {
    const pid = await create("one");
    const path = folder.path("state", "domains", "one.secret");
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    const secret = readFileSync(path, "utf8").trim();
    expect(secret).to.match(/^[0-9a-f]{64}$/);
    for (const file of ["cmdline", "environ"]) {
      expect(readFileSync(`/proc/${pid}/${file}`, "latin1")).to.not.include(secret);
    }
    await dom0.good("destroy", "one");
    expect(isThere(pid)).to.equal(false);
    expect(existsSync(path)).to.equal(false);
  });

  it("may be killed while it works: nothing of it is left, and another guest has its data", async () => {
    await create("two");
    const start = await things();
    const pid = await create("one");
    await dom0.good("guest", "two", "--", "dd", "if=/dev/sda", "of=before.raw", "bs=1M", "status=none");
    const work = dom0.begin("guest", "one", "--", "dd", "if=/dev/sda", "of=/dev/null", "bs=4k", "status=none");
    await setTimeout(100);
    process.kill(pid, "SIGKILL");
    expect((await work.ended).status).to.not.equal(null);
    await until("one is gone", async () => !(await dom0.good("list")).includes("one"));
    expect(await things()).to.deep.equal(start);
    await dom0.good("guest", "two", "--", "dd", "if=/dev/sda", "of=after.raw", "bs=1M", "status=none");
    expect(readFileSync(folder.path("after.raw"))).to.deep.equal(readFileSync(folder.path("before.raw")));
  });

  it("ends with its dom0, and is started again by the next one", async () => {
    const pid = await create("one");
    await dom0.end("SIGKILL");
    await until("the guest has ended", () => !isThere(pid));
    expect(readFileSync(folder.path("state", "domains", "one.log"), "utf8")).to.include("the domain has ended: ");
    await dom0.start();
    expect(dom0.running.output).to.include("one was started again\n");
    expect(await dom0.good("guest", "one", "--", "lsscsi")).to.include("/dev/sda");
    await dom0.good("destroy", "one");
    await dom0.end("SIGTERM");
    await dom0.start();
    expect(dom0.running.output).to.not.include("one");
  });

  it("stands still while it is paused", async () => {
    await create("one");
    await dom0.good("pause", "one");
    expect(await dom0.good("list")).to.match(/^one .* --p--- /m);
    const asked = dom0.begin("guest", "one", "--", "lsscsi");
    await setTimeout(500);
    expect(asked.output).to.equal("");
    await dom0.good("unpause", "one");
    expect(await dom0.good("list")).to.match(/^one .* (r-----|-b----) +[1-9]?\d\.\d$/m);
    expect((await asked.ended).output).to.include("/dev/sda");
    await dom0.good("pause", "one");
    await dom0.good("destroy", "one");
  });

  it("ends in order with a dom0 that is told to end", async () => {
    const pid = await create("one");
    expect(await dom0.end("SIGTERM")).to.include({ status: 0, errors: "" });
    expect(isThere(pid)).to.equal(false);
  });
});

describe("a driver domain of pvscsi dom0", function () {
  this.timeout(60_000);
  const dom0 = new Dom0Stand({
    ...FILES,
    "drv.yaml":
      "hosts:\n  - host: 3\n    luns:\n      - { address: 3:0:0:0, file: disk.img, size: 16MiB, create: true }\n",
    "drv.cfg": "name = 'drv'\ndriver_domain = 1\npvscsi_host = 'drv.yaml'\n",
    "restarted.cfg": "name = 'drv'\ndriver_domain = 1\npvscsi_host = 'drv.yaml'\non_crash = 'restart'\n",
    "both.cfg": "name = 'both'\nvscsi = [ '3:0:0:0,0:0:0:0,drv', '0:0:0:0,1:0:0:0' ]\n",
    "bare.cfg": "name = 'bare'\ndriver_domain = 1\n",
  });
  const { folder } = dom0;
  const MIB = 1024 * 1024;

  async function createBoth(): Promise<number> {
    await dom0.good("create", "drv.cfg");
    const [driver] = children(dom0.running.child.pid);
    await dom0.good("create", "both.cfg", "--dialect", "xend");
    return driver;
  }

  function dd(...words: readonly string[]): Promise<string> {
    return dom0.good("guest", "both", "--", "dd", ...words, "bs=1M", "status=none");
  }

  it("serves its devices to a guest of another process, beside those of dom0", async () => {
    await createBoth();
    const rows = JSON.parse(await dom0.good("scsi-list", "both", "--json"));
    expect(rows.map((row: { readonly backend: number }) => row.backend)).to.deep.equal([1, 0]);
    const image = Buffer.from(Uint8Array.from({ length: 4 * MIB }, (_, i) => (i * 7 + (i >> 12)) & 0xff));
    writeFileSync(folder.path("image.raw"), image);
    for (const disk of ["sda", "sdb"]) {
      await dd("if=image.raw", `of=/dev/${disk}`, "conv=fsync");
      await dd(`if=/dev/${disk}`, "of=copy.raw", "count=4");
      expect(readFileSync(folder.path("copy.raw")).equals(image), disk).to.equal(true);
    }
    expect(
      readFileSync(folder.path("disk.img"))
        .subarray(0, 4 * MIB)
        .equals(image),
    ).to.equal(true);
  });

  it("may be killed: what was flushed is there, dom0 and its devices go on, and nothing of it is left", async () => {
    const driver = await createBoth();
    await dd("if=/dev/sdb", "of=/dev/sda", "count=2", "conv=fsync");
    const work = dom0.begin("guest", "both", "--", "dd", "if=/dev/sda", "of=/dev/null", "bs=4k", "status=none");
    await setTimeout(300);
    process.kill(driver, "SIGKILL");
    await until("drv is gone", async () => !(await dom0.good("list")).includes("drv"));
    await dd("if=/dev/sdb", "of=zeros.raw", "count=2");
    expect(readFileSync(folder.path("disk.img")).subarray(0, 2 * MIB)).to.deep.equal(
      readFileSync(folder.path("zeros.raw")),
    );
    await dom0.good("destroy", "both");
    expect((await work.ended).status).to.equal(1);
    expect(await dom0.good("lsevtchn", "0", "--json")).to.equal("[]\n");
    const nodes = await dom0.good("xenstore", "ls");
    expect(nodes).to.not.match(/vscsi|both|drv/);
  });

  it("comes again with on_crash = restart: what was sent to it has ended, what was flushed is there", async () => {
    await dom0.good("create", "restarted.cfg");
    const [driver] = children(dom0.running.child.pid);
    await dom0.good("create", "both.cfg", "--dialect", "xend");
    await dd("if=/dev/sdb", "of=/dev/sda", "count=2", "conv=fsync");
    const work = dom0.begin("guest", "both", "--", "dd", "if=/dev/zero", "of=/dev/sdb", "bs=4k", "status=none");
    process.kill(driver, "SIGKILL");
    await dom0.running.printed(/drv was started again\n/);
    await until("the LUN is back", async () =>
      JSON.parse(await dom0.good("scsi-list", "both", "--json")).some(
        ({ backend, state }: { readonly backend: number; readonly state: number }) => backend === 3 && state === 4,
      ),
    );
    await dd("if=/dev/sda", "of=copy.raw", "count=2");
    expect(readFileSync(folder.path("copy.raw"))).to.deep.equal(Buffer.alloc(2 * MIB));
    await work.ended;
    await dom0.good("destroy", "both");
    expect(JSON.parse(await dom0.good("lsgrants", "drv", "--json"))).to.deep.equal({ grants: [], mappings: [] });
  });

  it("gives a running guest a LUN, by scsi-attach with backend=, and takes it back", async () => {
    await dom0.good("create", "drv.cfg");
    await dom0.good("create", "two.cfg");
    await dom0.good("scsi-attach", "two", "3:0:0:0", "1:0:0:0", "backend=drv");
    expect((await dom0.good("guest", "two", "--", "lsscsi")).match(/\/dev\/sd./g)).to.have.length(2);
    expect(await dom0.good("lsgrants", "drv")).to.match(/0 +2 +\d+ +read-write/);
    expect(await dom0.bad("scsi-attach", "two", "0:0:0:0", "1:0:0:1")).to.include("has its back end in domain 1");
    await dom0.good("scsi-detach", "two", "1:0:0:0");
    expect(JSON.parse(await dom0.good("lsgrants", "drv", "--json"))).to.deep.equal({ grants: [], mappings: [] });
  });

  it("tells, as its guest does, what passes the ring: one READ, in the order of one clock", async () => {
    await createBoth();
    const driver = await follow("1");
    const guest = await follow("2");
    await dom0.good("guest", "both", "--", "dd", "if=/dev/sda", "of=/dev/null", "bs=4k", "skip=1", "count=1");
    const [driven, guested] = [await driver.end(), await guest.end()];
    expect(new Set(driven.map(({ domain }) => domain))).to.deep.equal(new Set([1]));
    expect(new Set(guested.map(({ domain }) => domain))).to.deep.equal(new Set([2]));
    const merged = [...driven, ...guested].sort((a, b) => a.at - b.at);
    expect(merged.map(({ probe }) => probe)).to.deep.equal([
      ...["scsifront:request", "scsifront:push", "scsiback:request", "task:begin", "task:end"],
      ...["scsiback:response", "scsiback:push", "scsifront:response"],
    ]);
    const [request, , , begun, , response] = merged;
    expect(begun.task).to.equal("READ(10) lba=8 blocks=8");
    expect(request.entry?.subarray(4, 14)).to.deep.equal(Buffer.from("28000000000800000800", "hex"));
    expect(response.entry?.subarray(0, 2), "its rqid").to.deep.equal(request.entry?.subarray(0, 2));
    // Who listens no more costs no more, and there may be another one.
    expect(await (await follow("1")).end()).to.deep.equal([]);
  });

  it("takes no commands of a guest", async () => {
    await createBoth();
    expect(await dom0.bad("guest", "drv", "--", "lsscsi")).to.equal("pvscsi guest: domain 'drv' takes no commands");
  });

  /** Follows what passes the rings of a domain's process, from now until its end is asked for. */
  async function follow(domain: string): Promise<{ end(): Promise<Moment[]> }> {
    const socket = connect(folder.path("state", "domains", `${domain}.sock`)).setEncoding("utf8");
    let text = "";
    const closed = new Promise((resolve) => socket.on("data", (piece) => (text += piece)).on("close", resolve));
    const request = { version: 2, words: ["follow"], directory: "/", program: "pvscsi" };
    socket.write(`${JSON.stringify(request)}\n`);
    await until("it follows", () => text.includes("\n"));
    return {
      async end() {
        socket.end();
        await closed;
        const lines = text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line));
        expect(lines[0]).to.deep.equal({ version: 2, piece: "[]" });
        expect(lines.pop()).to.deep.equal({ version: 2, output: "", errors: "", status: 0 });
        return lines.flatMap(({ piece }) => parseMoments(piece));
      },
    };
  }

  it("says which device files and which back ends there are none of", async () => {
    expect(await dom0.bad("create", "bare.cfg")).to.match(/bare\.cfg:1:1: a driver domain without a setting such as/);
    const stranger = await dom0.bad("create", "both.cfg", "--dialect", "xend");
    expect(stranger).to.match(/both\.cfg:2:12: backend domain 'drv': scsiback runs in Domain-0 only/);
  });
});

describe("a guest of pvscsi dom0 with a certificate", function () {
  this.timeout(60_000);
  const dom0 = new Dom0Stand({ ...FILES, "cert.pem": CERTIFICATE, "key.pem": CERTIFICATE_KEY }, (folder) => [
    ...["--certificate", folder.path("cert.pem"), "--key", folder.path("key.pem")],
  ]);

  it("connects by TLS", async () => {
    expect(dom0.running.output).to.match(/domains connect to wss:\/\/127\.0\.0\.1:\d+\n/);
    await dom0.good("create", "one.cfg");
    expect(await dom0.good("guest", "one", "--", "lsscsi")).to.include("/dev/sda");
  });
});
