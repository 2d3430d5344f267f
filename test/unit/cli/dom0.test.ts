import { readFileSync, statSync } from "node:fs";
import { expect } from "chai";
import { pvscsi } from "./command.js";
import { Dom0Stand } from "./dom0-stand.js";

const HOST = `hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, memory: 1MiB }
      - { address: 0:0:1:0, memory: 1MiB }
`;
const CFG = "name = 'domU'\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n";

describe("pvscsi dom0, asked from other shells", () => {
  const dom0 = new Dom0Stand({ "host.yaml": HOST, "domU.cfg": CFG });
  const { folder } = dom0;

  it("runs xl's verbs with their output and status, with paths that begin where they were typed", async () => {
    expect(await dom0.good("create", "domU.cfg")).to.match(/^Parsing config from .*domU\.cfg\n$/);
    expect(await dom0.good("domid", "domU")).to.equal("1\n");
    await dom0.good("scsi-attach", "domU", "0:0:1:0", "0:0:0:1");
    expect((await dom0.good("guest", "domU", "--", "lsscsi")).match(/\/dev\/sd./g)).to.deep.equal([
      "/dev/sda",
      "/dev/sdb",
    ]);
    await dom0.good("guest", "domU", "--", "dd", "if=/dev/sda", "of=copy.raw", "bs=1M", "status=none");
    expect(readFileSync(folder.path("copy.raw"))).to.have.length(1024 * 1024);
    await dom0.good("scsi-detach", "domU", "0:0:0:1");
    await dom0.good("destroy", "domU");
    expect(await dom0.good("lsgrants", "0", "--json")).to.equal('{\n  "grants": [],\n  "mappings": []\n}\n');
  });

  it("says what is wrong with xl's exit codes", async () => {
    const unknown = await dom0.shell("destroy", "domU");
    expect(unknown).to.include({ status: 1, output: "" });
    expect(unknown.errors).to.equal("pvscsi destroy: domU is an invalid domain identifier (rc=-6)\n");
    expect((await dom0.shell("create", "missing.cfg")).errors).to.match(/missing\.cfg:1:1: /);
    expect((await dom0.shell("domid")).status).to.equal(2);
    expect((await dom0.shell("list", "--state")).status).to.equal(2);
  });

  it("needs no dom0 for help and wrong usage, and says where it has looked for one", async () => {
    const nowhere = folder.path("nowhere");
    expect((await pvscsi(["domid", "--help", "--state", nowhere])).output).to.include("Usage: domid NAME");
    expect((await pvscsi(["domid", "--state", nowhere])).status).to.equal(2);
    const { status, errors } = await pvscsi(["list", "--state", nowhere]);
    expect(status).to.equal(1);
    expect(errors).to.equal(`pvscsi: no dom0 at ${nowhere}: start one with pvscsi dom0\n`);
  });

  it("lets only its owner in", () => {
    expect(statSync(dom0.state).mode & 0o777).to.equal(0o700);
    expect(statSync(folder.path("state", "control.sock")).mode & 0o777).to.equal(0o600);
  });

  it("is the only one of its state, until it has ended, however it ended", async () => {
    const second = await pvscsi(["dom0", "--host", folder.path("host.yaml"), "--state", dom0.state]);
    expect(second.status).to.equal(1);
    expect(second.errors).to.include("a dom0 is running already at");
    await dom0.end("SIGKILL");
    expect((await dom0.shell("list")).errors).to.include("no dom0 at");
    await dom0.start();
    expect(await dom0.good("list", "--json")).to.include("Domain-0");
    expect(await dom0.end("SIGTERM")).to.include({ status: 0, errors: "" });
  });

  it("starts one of two guests that want the same name at the same time", async () => {
    const both = await Promise.all([dom0.shell("create", "domU.cfg"), dom0.shell("create", "domU.cfg")]);
    expect(both.map(({ status }) => status).sort()).to.deep.equal([0, 1]);
    expect(both.map(({ errors }) => errors).join("")).to.equal("pvscsi create: domain 'domU' exists already\n");
  });

  for (const [what, text, reason] of [
    ["no JSON", "list\n", "not JSON"],
    ["no object", "null\n", "no object"],
    ["no version", '{"words":["list"],"directory":"/"}\n', "version undefined, expecting 2"],
    ["another version", '{"version":1,"words":["list"],"directory":"/"}\n', "version 1, expecting 2"],
    ["words that are none", '{"version":2,"words":[{}],"directory":"/"}\n', "words is not a list of texts"],
    ["a relative directory", '{"version":2,"words":["list"],"directory":"x"}\n', "not an absolute path"],
    [
      "a program there is none of",
      '{"version":2,"words":["list"],"directory":"/","program":"xm"}\n',
      "program is none of",
    ],
    ["a line without end", "x".repeat(65 * 1024), "a line of more than"],
    [
      "a verb that there is none of",
      '{"version":2,"words":["rm"],"directory":"/","program":"pvscsi"}\n',
      "unknown command 'rm'",
    ],
  ]) {
    it(`answers ${what} with what is wrong, and goes on`, async () => {
      const { errors, status } = JSON.parse(await dom0.say(text));
      expect(status).to.equal(2);
      expect(errors).to.include(reason);
      expect(await dom0.good("domname", "0")).to.equal("Domain-0\n");
    });
  }

  it("bears those who connect and say nothing, or half a line", async () => {
    const sockets = Array.from({ length: 20 }, () => dom0.connect('{"version":1'));
    expect(await dom0.good("domname", "0")).to.equal("Domain-0\n");
    for (const socket of sockets) socket.destroy();
    expect(await dom0.good("domname", "0")).to.equal("Domain-0\n");
  });
});
