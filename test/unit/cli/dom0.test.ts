import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi, type Result, RunningCommand } from "./command.js";

const HOST = `hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, memory: 1MiB }
      - { address: 0:0:1:0, memory: 1MiB }
`;
const CFG = "name = 'domU'\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n";

describe("pvscsi dom0, asked from other shells", () => {
  const folder = temporaryFolder();
  let state: string;
  let dom0: RunningCommand;

  const start = (): RunningCommand =>
    new RunningCommand(["dom0", "--host", folder.path("host.yaml"), "--state", state], { stays: true });

  beforeEach(async () => {
    folder.write({ "host.yaml": HOST, "domU.cfg": CFG });
    state = folder.path("state");
    dom0 = start();
    await dom0.printed(/dom0 is ready/);
  });

  afterEach(async () => {
    dom0.child.kill("SIGKILL");
    await dom0.ended;
  });

  const shell = (...words: readonly string[]): Promise<Result> =>
    pvscsi(words, { environment: { PVSCSI_STATE: state }, directory: folder.path(".") });

  async function good(...words: readonly string[]): Promise<string> {
    const { status, output, errors } = await shell(...words);
    expect({ status, errors }, words.join(" ")).to.deep.equal({ status: 0, errors: "" });
    return output;
  }

  /** Says something on control.sock and gives what is answered until the connection ends. */
  function say(text: string): Promise<string> {
    return new Promise((resolve) => {
      let answer = "";
      const socket = connect(folder.path("state", "control.sock"), () => socket.write(text));
      socket.setEncoding("utf8").on("data", (piece: string) => {
        answer += piece;
      });
      socket.on("error", () => {}).on("close", () => resolve(answer));
    });
  }

  it("runs xl's verbs with their output and status, with paths that begin where they were typed", async () => {
    expect(await good("create", "domU.cfg")).to.match(/^Parsing config from .*domU\.cfg\n$/);
    expect(await good("domid", "domU")).to.equal("1\n");
    await good("scsi-attach", "domU", "0:0:1:0", "0:0:0:1");
    expect((await good("guest", "domU", "--", "lsscsi")).match(/\/dev\/sd./g)).to.deep.equal(["/dev/sda", "/dev/sdb"]);
    await good("guest", "domU", "--", "dd", "if=/dev/sda", "of=copy.raw", "bs=1M", "status=none");
    expect(readFileSync(folder.path("copy.raw"))).to.have.length(1024 * 1024);
    await good("scsi-detach", "domU", "0:0:0:1");
    await good("destroy", "domU");
    expect(await good("lsgrants", "0", "--json")).to.equal('{\n  "grants": [],\n  "mappings": []\n}\n');
  });

  it("says what is wrong with xl's exit codes", async () => {
    const unknown = await shell("destroy", "domU");
    expect(unknown).to.include({ status: 1, output: "" });
    expect(unknown.errors).to.equal("pvscsi destroy: domU is an invalid domain identifier (rc=-6)\n");
    expect((await shell("create", "missing.cfg")).errors).to.match(/missing\.cfg:1:1: /);
    expect((await shell("domid")).status).to.equal(2);
    expect((await shell("list", "--state")).status).to.equal(2);
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
    expect(statSync(state).mode & 0o777).to.equal(0o700);
    expect(statSync(folder.path("state", "control.sock")).mode & 0o777).to.equal(0o600);
  });

  it("is the only one of its state, until it has ended, however it ended", async () => {
    const second = await pvscsi(["dom0", "--host", folder.path("host.yaml"), "--state", state]);
    expect(second.status).to.equal(1);
    expect(second.errors).to.include("a dom0 is running already at");
    dom0.child.kill("SIGKILL");
    await dom0.ended;
    expect((await shell("list")).errors).to.include("no dom0 at");
    dom0 = start();
    await dom0.printed(/dom0 is ready/);
    expect(await good("list", "--json")).to.include("Domain-0");
    dom0.child.kill("SIGTERM");
    expect(await dom0.ended).to.include({ status: 0, errors: "" });
  });

  it("starts one of two guests that want the same name at the same time", async () => {
    const both = await Promise.all([shell("create", "domU.cfg"), shell("create", "domU.cfg")]);
    expect(both.map(({ status }) => status).sort()).to.deep.equal([0, 1]);
    expect(both.map(({ errors }) => errors).join("")).to.equal("pvscsi create: domain 'domU' exists already\n");
  });

  for (const [what, text, reason] of [
    ["no JSON", "list\n", "not JSON"],
    ["no object", "null\n", "no object"],
    ["no version", '{"words":["list"],"directory":"/"}\n', "version undefined, expecting 1"],
    ["another version", '{"version":2,"words":["list"],"directory":"/"}\n', "version 2, expecting 1"],
    ["words that are none", '{"version":1,"words":[{}],"directory":"/"}\n', "words is not a list of texts"],
    ["a relative directory", '{"version":1,"words":["list"],"directory":"x"}\n', "not an absolute path"],
    ["a line without end", "x".repeat(65 * 1024), "a line of more than"],
    ["a verb that there is none of", '{"version":1,"words":["rm"],"directory":"/"}\n', "unknown command 'rm'"],
  ]) {
    it(`answers ${what} with what is wrong, and goes on`, async () => {
      const { errors, status } = JSON.parse(await say(text));
      expect(status).to.equal(2);
      expect(errors).to.include(reason);
      expect(await good("domname", "0")).to.equal("Domain-0\n");
    });
  }

  it("bears those who connect and say nothing, or half a line", async () => {
    const sockets = Array.from({ length: 20 }, () => connect(folder.path("state", "control.sock")));
    for (const socket of sockets) socket.on("error", () => {}).write('{"version":1');
    expect(await good("domname", "0")).to.equal("Domain-0\n");
    for (const socket of sockets) socket.destroy();
    expect(await good("domname", "0")).to.equal("Domain-0\n");
  });
});
