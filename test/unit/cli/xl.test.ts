import { symlinkSync } from "node:fs";
import { expect } from "chai";
import { VERBS } from "pvscsi";
import { MAIN } from "../../support/repository.js";
import { type Result, RunningCommand } from "./command.js";
import { Dom0Stand } from "./dom0-stand.js";

const HOST = `hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, memory: 1MiB }
      - { address: 0:0:1:0, memory: 1MiB }
`;

describe("called by a link named xl", () => {
  const dom0 = new Dom0Stand({
    "host.yaml": HOST,
    "domU.cfg": "name = 'domU'\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n",
  });

  beforeEach(() => symlinkSync(MAIN, dom0.folder.path("xl")));

  function xl(...words: readonly string[]): Promise<Result> {
    const environment = { PVSCSI_STATE: dom0.state };
    const place = { main: dom0.folder.path("xl"), directory: dom0.folder.path("."), environment };
    return new RunningCommand(words, place).ended;
  }

  const done = (output: string): Result => ({ status: 0, output, errors: "" });
  const failed = (status: number, errors: string): Result => ({ status, output: "", errors });

  it("runs xl's verbs at dom0 with xl's words, -v and -f before them", async () => {
    expect(await xl("create", "domU.cfg")).to.deep.equal(done("Parsing config from domU.cfg\n"));
    expect(await xl("-vvf", "-v", "domid", "domU")).to.deep.equal(done("1\n"));
    expect(await xl("--", "scsi-attach", "domU", "0:0:1:0", "0:0:0:1")).to.deep.equal(done(""));
    expect((await xl("scsi-list", "domU")).output.split("\n")[2]).to.equal(
      "0   0   4     0     0:0:1:0    0:0:1:0 0:0:0:1    4",
    );
    expect(await xl("scsi-detach", "domU", "0:0:0:1")).to.deep.equal(done(""));
    expect(await xl("destroy", "domU")).to.deep.equal(done(""));
  });

  it("says what fails without a name in front of it", async () => {
    expect(await xl("destroy", "domU")).to.deep.equal(failed(1, "domU is an invalid domain identifier (rc=-6)\n"));
    expect((await xl("create", "none.cfg")).errors).to.match(/none\.cfg:1:1: cannot read: no such file\n$/);
    await dom0.end("SIGTERM");
    expect(await xl("list")).to.deep.equal(failed(1, `no dom0 at ${dom0.state}: start one with pvscsi dom0\n`));
  });

  it("answers wrong usage as xl does, with 2, and its help on standard output", async () => {
    const help = `Usage: xl [-vtTf] scsi-detach DOM VDEV

Unplug a LUN.

`;
    expect(await xl("scsi-detach", "domU")).to.deep.equal({
      status: 2,
      output: help,
      errors: "'xl scsi-detach' requires at least 2 arguments.\n\n",
    });
    expect((await xl("domid")).errors).to.equal("'xl domid' requires at least 1 argument.\n\n");
    expect(await xl("scsi-detach", "-x", "domU")).to.deep.equal(failed(2, "option `x' not supported.\n"));
    expect(await xl("list", "--nonsense")).to.deep.equal(failed(2, "option `--nonsense' not supported.\n"));
    expect(await xl("scsi-detach", "--help")).to.deep.equal(done(help));
    expect(await xl("help", "scsi-detach")).to.deep.equal(done(help));
    const said = await xl("scsi-attach", "domU", "0:0:0:0,host");
    expect(said.status).to.equal(1);
    await xl("create", "domU.cfg");
    expect((await xl("create", "domU.cfg", "--dialect", "xm")).errors).to.equal(
      "no dialect 'xm', expecting libxl or xend\n\n",
    );
    expect((await xl("help", "create")).output).to.match(
      /^Usage: xl \[-vtTf\] create CFG\n\n.*\n\nOptions:\n\n--dialect DIALECT/,
    );
    expect((await xl("help", "list")).output).to.match(/^Usage: xl \[-vtT\] list\n/);
  });

  it("lists what xl has, and nothing else of pvscsi", async () => {
    const list = await xl("help");
    expect(list.status).to.equal(0);
    expect(list.output).to.match(
      /^Usage xl \[-vfNtT\] <subcommand> \[args\]\n\nxl full list of subcommands:\n\n create {14}/,
    );
    const names = list.output.match(/^ \S+/gm)?.map((name) => name.trim());
    expect(names).to.deep.equal([
      ...[
        "create",
        "destroy",
        "pause",
        "unpause",
        "list",
        "domid",
        "domname",
        "scsi-attach",
        "scsi-detach",
        "scsi-list",
      ],
    ]);
    expect(await xl()).to.deep.equal({ ...list, status: 1 });
    expect(await xl("help", "help")).to.deep.equal(list);
    const others = VERBS.map(({ name }) => name).filter((name) => !names?.includes(name));
    for (const name of [...others, "demo", "bench", "dom0", "nonsense"]) {
      expect(await xl(name, "--help"), name).to.deep.equal(failed(1, "command not implemented\n"));
    }
    expect(await xl("help", "demo")).to.deep.equal(done('command "demo" not implemented\n'));
  });

  it("refuses the global options that it cannot heed", async () => {
    expect(await xl("-N", "list")).to.deep.equal(failed(1, "command does not implement -N (dryrun) option\n"));
    expect(await xl("-vT", "list")).to.deep.equal(failed(1, "global option -T is not supported here: leave it out\n"));
    expect(await xl("-q", "list")).to.deep.equal(failed(1, "xl: invalid option -- 'q'\nunknown global option\n"));
  });
});
