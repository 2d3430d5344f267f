import { mkdirSync } from "node:fs";
import { expect } from "chai";
import { type Outcome, runWhole, VERBS } from "pvscsi";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { transfer, World } from "./world.js";

const CFG = `name = 'domU'
memory = 64
vscsi = [ '0:0:0:0,0:0:0:0', '/dev/sdb,0:0:0:1' ]
`;

describe("verbs", () => {
  const folder = temporaryFolder();
  let world: World;

  beforeEach(async () => {
    world = await World.start();
    folder.write({ "domU.cfg": CFG });
  });

  /** Verbs read files: time must not jump while they do, so the real loop turns until they are done. */
  const run = (...words: readonly string[]): Promise<Outcome> => world.doneWithFiles(runWhole(world.system, words));

  /** The output of a verb that succeeds and complains of nothing. */
  async function good(...words: readonly string[]): Promise<string> {
    const { output, errors, status } = await run(...words);
    expect(errors, words.join(" ")).to.equal("");
    expect(status, words.join(" ")).to.equal(0);
    return output;
  }

  async function bad(status: number, ...words: readonly string[]): Promise<string> {
    const outcome = await run(...words);
    expect(outcome.output, words.join(" ")).to.equal("");
    expect(outcome.status, `${words.join(" ")}: ${outcome.errors}`).to.equal(status);
    if (status === 1) expect(outcome.errors, "one line").not.to.include("\n");
    return outcome.errors;
  }

  const create = () => good("create", folder.path("domU.cfg"));

  it("lsevtchn shows both ends of a ring's event channel in Xen's words", async () => {
    await create();
    expect(await good("lsevtchn", "domU")).to.equal("   1: VCPU 0: Interdomain (Connected) - Remote Domain 0, Port 1");
    expect(await good("lsevtchn", "0")).to.equal("   1: VCPU 0: Interdomain (Connected) - Remote Domain 1, Port 1");
    await good("destroy", "domU");
    expect(await good("lsevtchn", "0", "--json")).to.equal("[]");
    expect(await bad(1, "lsevtchn", "domU")).to.include("invalid domain identifier");
  });

  it("lsevtchn shows a port that nobody has bound to", async () => {
    await create();
    world.system.hypervisor.find(1)?.events.allocateUnbound(0);
    expect(await good("lsevtchn", "domU")).to.include(
      "\n   2: VCPU 0: Interdomain (Waiting connection) - Remote Domain 0",
    );
  });

  it("lsgrants shows the ring's grant at its owner, and the mapping at its back end", async () => {
    await create();
    const { grants, mappings } = JSON.parse(await good("lsgrants", "domU", "--json"));
    expect(mappings).to.deep.equal([]);
    expect(grants).to.have.length(1);
    const { reference, frame, ...rest } = grants[0];
    expect(rest).to.deep.equal({ to: 0, access: "read-write", inUse: true });
    expect(await world.done(world.system.store.read("/local/domain/1/device/vscsi/0/ring-ref"))).to.equal(
      String(reference),
    );
    const table = await good("lsgrants", "domU");
    expect(table).to.match(
      new RegExp(`^Ref +Dom +Frame +Access +In use\\n *${reference} +0 +${frame} +read-write +yes\\n\\nHandle`),
    );
    const back = JSON.parse(await good("lsgrants", "0", "--json"));
    expect(back.grants).to.deep.equal([]);
    expect(back.mappings).to.deep.equal([
      { handle: back.mappings[0].handle, from: 1, reference, access: "read-write" },
    ]);
    await good("destroy", "domU");
    expect(JSON.parse(await good("lsgrants", "0", "--json"))).to.deep.equal({ grants: [], mappings: [] });
  });

  for (const verb of VERBS) {
    it(`${verb.name} has help with an example, by -h and --help`, async () => {
      for (const option of ["-h", "--help"]) {
        const help = await good(verb.name, option);
        expect(help).to.match(new RegExp(`^Usage: ${verb.name}`));
        expect(help)
          .to.include(verb.summary)
          .and.match(new RegExp(`\nExample: ${verb.name}`));
        for (const { name } of verb.options ?? []) expect(help).to.include(`  ${name}`);
      }
    });

    it(`${verb.name} refuses too few or too many arguments and unknown options: 2, with its usage`, async () => {
      if (verb.least > 0) {
        const few = await bad(2, verb.name, ...new Array(verb.least - 1).fill("x"));
        expect(few).to.match(new RegExp(`^'${verb.name}' requires at least ${verb.least} arguments?\\.\n\nUsage: `));
      }
      if (Number.isFinite(verb.most)) {
        const many = await bad(2, verb.name, ...new Array(verb.most + 1).fill("x"));
        expect(many).to.match(new RegExp(`^'${verb.name}' takes at most ${verb.most} arguments?\\.\n\nUsage: `));
      }
      expect(await bad(2, verb.name, "--nonsense")).to.match(
        new RegExp(`^${verb.name}: unknown option '--nonsense'\n\nUsage: `),
      );
    });
  }

  it("unknown ones are wrong usage", async () => {
    expect(await bad(2, "scsi-atach", "x")).to.equal("pvscsi: unknown command 'scsi-atach', see help");
  });

  it("create, list, domid, domname, destroy", async () => {
    expect(await create()).to.equal(`Parsing config from ${folder.path("domU.cfg")}`);
    const [head, dom0, guest] = (await good("list")).split("\n");
    expect(head).to.equal(`Name${" ".repeat(40)}ID   Mem VCPUs\tState\tTime(s)`);
    expect(dom0).to.match(/^Domain-0 {37}0 {5}0 {5}0 {5}r----- {2,} \d+\.\d$/);
    expect(guest).to.equal(`domU${" ".repeat(41)}1    64     1     -b----${" ".repeat(7)}0.0`);
    expect(dom0).to.have.length(guest.length);
    expect(JSON.parse(await good("list", "--json"))[1]).to.deep.equal({
      ...{ id: 1, name: "domU", memory: 64, vcpus: 1 },
      ...{ state: "-b----", time: 0 },
    });
    expect(await good("domid", "domU")).to.equal("1");
    expect(await good("domname", "1")).to.equal("domU");
    expect(await good("destroy", "domU")).to.equal("");
    expect(await bad(1, "destroy", "domU")).to.equal("pvscsi destroy: domU is an invalid domain identifier (rc=-6)");
    expect(await bad(1, "domid", "1")).to.equal("pvscsi domid: there is no domain with the name '1'");
    expect(await bad(1, "domname", "domU")).to.equal("pvscsi domname: there is no domain with the id 'domU'");
    expect(await bad(1, "destroy", "0")).to.equal("pvscsi destroy: Domain-0 is no guest");
  });

  it("create tells of what it did not know, and starts the guest all the same", async () => {
    folder.write({ "domU.cfg": "name = 'w'\nvscsi = [ '0:0:0:0,0:0:0:0,fast' ]\n" });
    const { errors, status } = await run("create", folder.path("domU.cfg"));
    expect(errors).to.equal(
      `${folder.path("domU.cfg")}:2:28: warning: unknown option 'fast', expecting feature-host or backend=DOMAIN: left to the backend`,
    );
    expect(status).to.equal(0);
    expect(world.disks(1)).to.have.length(1);
  });

  it("create reads xend's dialect where it is told to: a whole host keeps its addresses", async () => {
    folder.write({ "domU.cfg": "name = 'x'\nvscsi = [ '/dev/sdf, host, Domain-0' ]\n" });
    await good("create", "--dialect", "xend", folder.path("domU.cfg"));
    expect((await good("scsi-list", "x")).split("\n").slice(1)).to.deep.equal([
      "1   0   4     1     1:0:0:0    1:0:0:0 1:0:0:0    4",
      "1   0   4     1     1:0:0:1    1:0:0:1 1:0:0:1    4",
    ]);
    expect(await bad(1, "create", folder.path("domU.cfg"))).to.match(/domU.cfg:2:\d+: invalid 'host'/);
    expect(await bad(2, "create", "--dialect", "xm", "x.cfg")).to.match(
      /^create: no dialect 'xm', expecting libxl or xend\n/,
    );
    expect(await bad(2, "create", "x.cfg", "--dialect")).to.match(/^create: --dialect needs a value\n/);
  });

  it("create tells of a wrong file at its place, and starts nothing", async () => {
    mkdirSync(folder.path("folder"));
    const before = world.things();
    for (const [text, message] of [
      ["name = 'a'\nvscsi = [ '0:0:0:0,0:0:0' ]\n", /domU.cfg:2:20: invalid '0:0:0', expecting hst:chn:tgt:lun$/],
      [
        "name = 'a'\nvscsi = [ '/dev/sdz,0:0:0:0' ]\n",
        /domU.cfg:2:12: pdev '\/dev\/sdz': no device \/dev\/sdz: this host has/,
      ],
      [
        "name = 'a'\nvscsi = [ '0:0:0:0,0:0:0:0',\n '0:0:1:0,0:0:0:0' ]\n",
        /domU.cfg:3:11: vdev '0:0:0:0' is already used, first at 2:20$/,
      ],
      ["name = 'a\n", /domU.cfg:1:\d+: /],
      ["vscsi = []\n", /domU.cfg:1:1: no name/],
    ] as const) {
      folder.write({ "domU.cfg": text });
      expect(await bad(1, "create", folder.path("domU.cfg"))).to.match(message);
    }
    expect(await bad(1, "create", folder.path("none.cfg"))).to.match(/none.cfg:1:1: cannot read: no such file$/);
    expect(await bad(1, "create", folder.path("folder"))).to.match(/folder:1:1: cannot read: it is a directory$/);
    expect(world.things()).to.equal(before);
  });

  it("scsi-attach, scsi-list, scsi-detach", async () => {
    await create();
    expect(await good("scsi-attach", "domU", "/dev/sdc", "0:0:0:2")).to.equal("");
    expect(await good("scsi-attach", "1", "/dev/sdd,3:0:0:0,feature-host")).to.equal("");
    expect((await good("scsi-list", "domU")).split("\n")).to.deep.equal([
      "Idx BE  state host  phy-hctl   phy      vir-hctl   devstate",
      "0   0   4     0     0:0:0:0    0:0:0:0  0:0:0:0    4",
      "0   0   4     0     0:0:1:0    /dev/sdb 0:0:0:1    4",
      "0   0   4     0     0:0:2:0    /dev/sdc 0:0:0:2    4",
      "1   0   4     1     0:0:3:0    /dev/sdd 3:0:0:0    4",
    ]);
    expect(JSON.parse(await good("scsi-list", "--json", "domU"))[3]).to.deep.equal({
      domain: 1,
      idx: 1,
      backend: 0,
      state: 4,
      featureHost: true,
      physical: "0:0:3:0",
      physicalName: "/dev/sdd",
      virtual: "3:0:0:0",
      deviceState: 4,
    });
    expect(await good("scsi-list", "domU", "--long")).to.match(/^domain 1, controller 0: vHOST 0, .*\n {2}back end/);
    const long = JSON.parse(await good("scsi-list", "domU", "--long", "--json"));
    expect(long.map(({ host, luns }: { host: number; luns: unknown[] }) => [host, luns.length])).to.deep.equal([
      [0, 3],
      [3, 1],
    ]);
    expect(await good("scsi-detach", "domU", "0:0:0:2")).to.equal("");
    expect(await good("scsi-detach", "domU", "3:0:0:0")).to.equal("");
    expect((await good("scsi-list", "domU")).split("\n")).to.have.length(3);
  });

  it("scsi-attach and scsi-detach tell in one line what is wrong, and change nothing", async () => {
    await create();
    const before = world.things();
    for (const [words, message] of [
      [["scsi-attach", "domU", "/dev/sdz", "0:0:0:5"], /^argument:1:1: pdev '\/dev\/sdz': no device/],
      [["scsi-attach", "domU", "/dev/sdc", "0:0:5"], /^argument:1:10: invalid '0:0:5', expecting hst:chn:tgt:lun$/],
      [["scsi-attach", "domU", "/dev/sdc,0:0:5"], /^argument:1:10: invalid '0:0:5', expecting hst:chn:tgt:lun$/],
      [["scsi-attach", "domU", "/dev/sdc"], /^argument:1:1: invalid devspec/],
      [["scsi-attach", "domU", "/dev/sdc", "0:0:0:0"], /^pvscsi scsi-attach: vdev '0:0:0:0' is already used$/],
      [["scsi-attach", "domU", "/dev/sda", "0:0:0:5"], /^pvscsi scsi-attach: vdev '0:0:0:5': .* in use by domain 1/],
      [["scsi-attach", "domU", "/dev/sdc", "0:0:0:5", "feature-host"], /different feature-host setting/],
      [["scsi-attach", "nobody", "/dev/sdc", "0:0:0:5"], /nobody is an invalid domain identifier/],
      [["scsi-attach", "Domain-0", "/dev/sdc", "0:0:0:5"], /Domain-0 is no guest/],
      [["scsi-detach", "domU", "0:0:0"], /^argument:1:1: invalid '0:0:0', expecting hst:chn:tgt:lun$/],
      [["scsi-detach", "domU", "0:0:0:9"], /^pvscsi scsi-detach: vdev '0:0:0:9' is not attached to domain 1$/],
      [["scsi-list", "domU", "nobody"], /nobody is an invalid domain identifier/],
    ] as const) {
      expect(await bad(1, ...words), words.join(" ")).to.match(message);
    }
    expect(world.things().replace(/next_vscsidev_id = "\d+"/g, "")).to.equal(
      before.replace(/next_vscsidev_id = "\d+"/g, ""),
    );
  });

  it("scsi-attach warns of an option it does not know, and attaches the LUN", async () => {
    await create();
    const { errors, status } = await run("scsi-attach", "domU", "/dev/sdc", "0:0:0:2", "fast");
    expect(errors).to.equal(
      "argument:1:18: warning: unknown option 'fast', expecting feature-host or backend=DOMAIN: left to the backend",
    );
    expect(status).to.equal(0);
    expect(world.disks(1)).to.have.length(3);
  });

  it("guest runs a command inside, with its own options, output and status", async () => {
    await create();
    expect((await good("guest", "domU", "--", "lsscsi", "-g")).split("\n")[0]).to.match(
      /^\[0:0:0:0\].*\/dev\/sda +\/dev\/sg0/,
    );
    expect(await good("guest", "domU", "lsscsi", "-g")).to.equal(await good("guest", "domU", "--", "lsscsi", "-g"));
    const unknown = await run("guest", "domU", "--", "frobnicate", "--help");
    expect(unknown.status).to.equal(127);
    expect(unknown.output).to.match(/^frobnicate: unknown command/);
    expect(await bad(2, "guest", "domU", "--")).to.match(/requires at least 2/);
  });

  it("guest reaches files of this machine, and says in strerror's words why it cannot", async () => {
    await create();
    const store = world.guest(1).store(world.guest(1).disk("sda") ?? expect.fail());
    expect(await world.done(transfer(store, "write", 0, new Uint8Array(4096).fill(7)))).to.equal(null);
    const copy = folder.path("copy");
    expect((await run("guest", "domU", "--", "dd", "if=/dev/sda", `of=${copy}`, "bs=4k", "count=2")).status).to.equal(
      0,
    );
    const sum = (await run("guest", "domU", "--", "sha256sum", copy)).output;
    expect(sum).to.match(/^[0-9a-f]{64} {2}/);
    expect((await run("guest", "domU", "--", "dd", `if=${copy}`, "of=/dev/sdb", "bs=4k")).status).to.equal(0);
    for (const [path, words] of [
      [folder.path("none"), "No such file or directory"],
      [folder.path("domU.cfg", "below"), "Not a directory"],
    ]) {
      const { output, status } = await run("guest", "domU", "--", "dd", `if=${path}`, "of=/dev/null");
      expect(output).to.include(words);
      expect(status).to.equal(1);
    }
    const folderRead = await run("guest", "domU", "--", "dd", `if=${folder.path()}`, "of=/dev/null");
    expect(folderRead.output).to.include("Is a directory");
  });

  it("xenstore ls, read, write, rm", async () => {
    await good("xenstore", "write", "/mine/a", "1 2");
    await good("xenstore", "write", "/mine/b", "3");
    expect(await good("xenstore", "read", "/mine/a", "/mine/b")).to.equal("1 2\n3");
    expect(await good("xenstore", "ls", "/mine")).to.equal('a = "1 2"   (n0)\nb = "3"   (n0)\n');
    expect(await good("xenstore", "ls", "-p", "/mine")).to.equal('a = "1 2"   (n0)\nb = "3"   (n0)\n');
    for (const flags of [["-f"], ["-fp"], ["-p", "-f"]]) {
      expect(await good("xenstore", "ls", ...flags, "/mine")).to.equal(
        '/mine/a = "1 2"   (n0)\n/mine/b = "3"   (n0)\n',
      );
    }
    expect(await good("xenstore", "ls", "-f")).to.match(/^\/local\/domain\/0 = ""/m);
    expect(await good("xenstore", "ls")).to.include('  0 = ""');
    await good("xenstore", "rm", "/mine/a", "/mine/b");
    expect(await good("xenstore", "ls", "/mine")).to.equal("");
    for (const words of [
      ["read", "/mine/a"],
      ["rm", "/mine/a"],
      ["ls", "/mine/a"],
      ["read", "/mine", "/mine/a"],
    ]) {
      expect(await bad(1, "xenstore", ...words)).to.equal("pvscsi xenstore: there is no /mine/a");
    }
    expect(await bad(1, "xenstore", "read", "/mine//a")).to.match(/^pvscsi xenstore: reading \/mine\/\/a: EINVAL$/);
    for (const words of [
      ["read"],
      ["rm"],
      ["write", "/a"],
      ["write", "/a", "b", "c"],
      ["ls", "/a", "/b"],
      ["ls", "-x"],
    ]) {
      expect(await bad(2, "xenstore", ...words)).to.match(/^xenstore: expecting/);
    }
    expect(await bad(2, "xenstore", "toString")).to.match(/^xenstore: unknown action 'toString'/);
  });
});
