// Tests the command line of an iSCSI server. What initiators make of it is for outside judges: npm run test:interop -- iscsi.

import { once } from "node:events";
import { chmod, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi, RunningCommand } from "./command.js";

const READY = /^serving (it|them|no LUN yet) until Ctrl-C or SIGTERM$/m;
const NAME = "iqn.2026-11.localhost:pvscsi";

describe("pvscsi iscsi", () => {
  const folder = temporaryFolder();
  const started: RunningCommand[] = [];

  afterEach(async () => {
    for (const command of started.splice(0)) {
      command.child.kill("SIGTERM");
      await command.ended;
    }
  });

  async function serve(...words: string[]): Promise<RunningCommand> {
    const command = new RunningCommand(["iscsi", "serve", "--listen", "0", ...words]);
    started.push(command);
    await command.printed(READY);
    return command;
  }

  it("prints a URL for each LUN, and serves until it is told to end", async () => {
    const command = await serve("--lun", "mem:1MiB", "--lun", "null:1GiB");
    expect(command.output).to.match(
      new RegExp(`^iscsi://127\\.0\\.0\\.1:\\d+/${NAME}/0\niscsi://.*/${NAME}/1\nserving them`),
    );
    command.child.kill("SIGTERM");
    expect(await command.ended).to.deep.include({ status: 0, errors: "" });
  });

  it("has to be told a whole address to advertise", async () => {
    for (const word of ["3260", "192.0.2.1", "192.0.2.1:0", ":3260"]) {
      const { status, errors } = await pvscsi(["iscsi", "serve", "--lun", "mem:1MiB", "--advertise", word]);
      expect([status, /Expected ADDR:PORT/.test(errors)], word).to.deep.equal([2, true]);
    }
    await serve("--lun", "mem:1MiB", "--advertise", "192.0.2.1:3260");
  });

  it("says so where others than this machine reach it and nobody has to prove anything", async () => {
    // The same address by another name: nobody else reaches it.
    const words = ["--lun", "mem:1MiB", "--name", "eui.0123456789ABCDEF", "--listen", "[::ffff:7f00:1]:0"];
    const open = await serve(...words);
    expect(open.output).to.match(/^iscsi:\/\/127\.0\.0\.1:\d+\/eui\.0123456789abcdef\/0$/m);
    const named = await serve(...words, "--initiator", "iqn.2026-11.localhost:known");
    open.child.kill("SIGTERM");
    named.child.kill("SIGTERM");
    expect((await open.ended).errors).to.equal("whoever reaches that address may read and write: see --chap-user\n");
    expect((await named.ended).errors).to.equal("");
  });

  it("serves the iSCSI targets of a saveconfig.json, to whom they are said to be", async () => {
    const acl = {
      node_wwn: "iqn.2026-11.localhost:known",
      mapped_luns: [{ index: 5, tpg_lun: 5, write_protect: false }],
    };
    const luns = [{ index: 5, storage_object: "/backstores/ramdisk/scratch" }];
    const group = { tag: 1, enable: true, luns, node_acls: [acl] };
    const target = (wwn: string): object => ({ fabric: "iscsi", wwn, tpgs: [group] });
    const config = {
      storage_objects: [{ name: "scratch", plugin: "ramdisk", size: 1 << 20 }],
      targets: [target("iqn.2026-11.localhost:a"), target("iqn.2026-11.localhost:b")],
    };
    folder.write({ "saveconfig.json": JSON.stringify(config) });
    const { output } = await serve("--config", folder.path("saveconfig.json"));
    expect(output).to.match(/^iscsi:\/\/[^/]+\/iqn\.2026-11\.localhost:a\/5\niscsi:.*:b\/5\nserving them/);
  });

  it("takes LUNs in and out while it serves, and makes them larger", async () => {
    const control = folder.path("iscsi.control");
    await serve("--control", control);
    expect((await stat(control)).mode & 0o777).to.equal(0o600);
    const ask = (verb: string, ...words: string[]) => pvscsi(["iscsi", verb, control, ...words]);
    expect(await ask("attach", "mem:1MiB")).to.deep.include({ status: 0, output: "0\n" });
    expect(await ask("attach", "null:1GiB", "300")).to.deep.include({ status: 0, output: "300\n" });
    expect(await ask("resize", "0", "2MiB")).to.deep.include({ status: 0, errors: "" });
    expect((await ask("list")).output).to.match(/^0 +PVSCSI .*\n300 +PVSCSI /m);
    expect(await ask("detach", "300")).to.deep.include({ status: 0, errors: "" });
    expect((await ask("list")).output).not.to.include("300");
    const { status, errors } = await ask("detach", "0:0");
    expect([status, errors]).to.deep.equal([1, "pvscsi: '0:0' is no LUN, 0 to 16383\n"]);
  });

  it("has a portal for each --listen, and target port groups by their tags, whose states are told and changed", async () => {
    const control = folder.path("paths.control");
    const portals = ["--listen", "0,2", "--listen", "0,2", "--listen", "0,7"];
    const server = new RunningCommand(["iscsi", "serve", ...portals, "--lun", "mem:1MiB", "--control", control]);
    started.push(server);
    await server.printed(READY);
    const urls = server.output.split("\n").filter((line) => line.startsWith("iscsi://"));
    expect(new Set(urls).size).to.equal(3);
    const alua = (...words: string[]) => pvscsi(["iscsi", "alua", control, ...words]);
    const table = (lines: readonly string[]) => ["LUN ID Name State Preferred Access Ports", ...lines];
    const lines = async (...words: string[]) =>
      (await alua(...words)).output
        .trim()
        .split("\n")
        .map((line) => line.replaceAll(/ +/g, " "));
    const first = "0 2 tpg2 Active/Optimized no Implicit and Explicit 1";
    expect(await lines()).to.deep.equal(table([first, "0 7 tpg7 Active/Optimized no Implicit and Explicit 2"]));
    for (const [words, state] of [
      [["alua_access_state=standby", "preferred=1"], "Standby yes"],
      [["alua_access_state=3"], "Unavailable yes"],
      [["preferred=0", "alua_access_state=Active/NonOptimized"], "Active/NonOptimized no"],
    ] as const) {
      expect(await alua("0", "tpg7", ...words)).to.deep.include({ status: 0, output: "", errors: "" });
      expect(await lines("0", "7")).to.deep.equal(table([`0 7 tpg7 ${state} Implicit and Explicit 2`]));
    }
    // What comes later has the same ways to it.
    await pvscsi(["iscsi", "attach", control, "mem:1MiB"]);
    expect((await lines("1")).length).to.equal(3);
    for (const [words, errors] of [
      [["0", "tpg3"], "no target port group 'tpg3', expected one of tpg2, tpg7"],
      [["9"], "nothing is at 0:9"],
      [["0", "tpg7", "alua_access_state=4"], "'alua_access_state=4', expected alua_access_state=0 (Active/Optimized)"],
      [["0", "tpg7", "standby"], "'standby', expected alua_access_state="],
    ] as const) {
      const outcome = await alua(...words);
      expect(outcome.status).to.equal(1);
      expect(outcome.errors).to.include(errors);
    }
  });

  it("serves the portals of a saveconfig.json, and each initiator's own LUNs", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const group = (tag: number, portals: readonly object[], more: object = {}) => {
      const lun = { index: 0, storage_object: "/backstores/ramdisk/scratch", alua_tg_pt_gp_name: `gp${tag}` };
      return { tag, enable: true, luns: [lun], portals, node_acls: [], attributes: { generate_node_acls: 1 }, ...more };
    };
    const gp = (tag: number, type: number) => ({ name: `gp${tag}`, tg_pt_gp_id: tag, alua_access_type: type });
    const wwn = "iqn.2026-11.localhost:a";
    const config = {
      storage_objects: [{ name: "scratch", plugin: "ramdisk", size: 1 << 20, alua_tpgs: [gp(1, 3), gp(2, 2)] }],
      targets: [{ fabric: "iscsi", wwn, tpgs: [group(1, [{ ip_address: "127.0.0.1", port }]), group(2, [])] }],
    };
    folder.write({ "paths.json": JSON.stringify(config) });
    const control = folder.path("file.control");
    const server = new RunningCommand(["iscsi", "serve", "--config", folder.path("paths.json"), "--control", control]);
    started.push(server);
    await server.printed(READY);
    expect(server.output).to.match(new RegExp(`^iscsi://127\\.0\\.0\\.1:${port}/${wwn}/0\nserving it`));
    const { output } = await pvscsi(["iscsi", "alua", control]);
    expect(output).to.match(
      /^T:L .*\n0:0 +0 +default_tg_pt_gp .* -\n0:0 +1 +gp1 .* 1\n0:0 +2 +gp2 .* Explicit +2\n1:0 /,
    );
    const { errors } = await pvscsi(["iscsi", "alua", control, "0:0", "gp2", "alua_access_state=2"]);
    expect(errors).to.include("initiators alone change gp2: its access type is Explicit");
  });

  it("says where nobody is to be asked", async () => {
    const { status, errors } = await pvscsi(["iscsi", "list", folder.path("nobody")]);
    expect(status).to.equal(1);
    expect(errors).to.match(/^pvscsi: nobody serves .*nobody: start pvscsi iscsi serve --control\n$/);
  });

  for (const [name, words, status, errors] of [
    ["no LUN", [], 2, "pvscsi: name what is to be served: --lun WORD, --config FILE, or --control PATH\n"],
    ["a LUN word that is none", ["--lun", "mem:lots"], 1, /^--lun:1:1: invalid size 'lots'/],
    ["an unknown folder", ["--lun", "/nowhere/disk.img"], 1, /nowhere/],
    ["a user without a file", ["--lun", "mem:1MiB", "--chap-user", "a"], 2, /given together/],
    ["a file without a user", ["--lun", "mem:1MiB", "--chap-file", "a"], 2, /given together/],
    [
      "a target's secret alone",
      ["--lun", "mem:1MiB", "--chap-target-user", "a", "--chap-target-file", "b"],
      2,
      "pvscsi: --chap-target-user needs --chap-user\n",
    ],
    [
      "a file and whom it is for",
      ["--config", "a", "--initiator", "iqn.2026-11.localhost:a"],
      2,
      /--config says who may log in/,
    ],
    ["a file and a LUN", ["--config", "a", "--lun", "mem:1MiB"], 2, /cannot be used with/],
    ["a file that is not there to be read", ["--config", "/nowhere.json"], 1, /nowhere\.json/],
    ["a name that is none", ["--lun", "mem:1MiB", "--name", "disks"], 2, /Expected a name such as iqn/],
    ["an address that is none", ["--lun", "mem:1MiB", "--listen", "here"], 2, /Expected a port, or ADDR:PORT/],
    [
      "an address of others",
      ["--lun", "mem:1MiB", "--listen", "192.0.2.1:0"],
      1,
      /^pvscsi: cannot listen at 192\.0\.2\.1:0: /,
    ],
    ["a tag that is none", ["--lun", "mem:1MiB", "--listen", "0,65536"], 2, /a comma and a tag up to 65535/],
    [
      "more to be advertised than there is",
      ["--lun", "mem:1MiB", "--advertise", "192.0.2.1:1", "--advertise", "192.0.2.1:2"],
      2,
      "pvscsi: --advertise is given more often than --listen\n",
    ],
    ["a file that is not there", ["--lun", "mem:1MiB", "--chap-user", "a", "--chap-file", "/nowhere"], 1, /nowhere/],
  ] as const) {
    it(`says what is wrong with ${name}`, async () => {
      const outcome = await pvscsi(["iscsi", "serve", "--listen", "0", ...words]);
      expect(outcome.status).to.equal(status);
      if (typeof errors === "string") expect(outcome.errors).to.equal(errors);
      else expect(outcome.errors).to.match(errors);
    });
  }

  it("refuses one secret for both sides", async () => {
    const [one, other] = [folder.path("secret"), folder.path("target-secret")];
    for (const file of [one, other]) await writeFile(file, "correct-horse-battery\n", { mode: 0o600 });
    const words = ["--chap-user", "a", "--chap-file", one, "--chap-target-user", "b", "--chap-target-file", other];
    const { status, errors } = await pvscsi(["iscsi", "serve", "--listen", "0", "--lun", "mem:1MiB", ...words]);
    expect([status, errors]).to.deep.equal([
      1,
      `pvscsi: ${other}: the target's secret is the initiator's: it has to be another\n`,
    ]);
  });

  for (const [name, text, mode, reason] of [
    ["too short", "short\n", 0o600, /no CHAP secret in it, expecting one line of 12 to 255 characters/],
    ["of two lines", "correct-horse\nbattery\n", 0o600, /no CHAP secret in it/],
    ["of 256 characters", `${"x".repeat(256)}\n`, 0o600, /no CHAP secret in it/],
    ["for others to read", "correct-horse-battery\n", 0o640, /its mode 0640 is not for its owner alone: chmod 600 it/],
  ] as const) {
    it(`refuses a secret that is ${name}`, async () => {
      const file = folder.path("secret");
      await writeFile(file, text);
      await chmod(file, mode);
      const words = ["--lun", "mem:1MiB", "--chap-user", "a", "--chap-file", file];
      const { status, errors } = await pvscsi(["iscsi", "serve", "--listen", "0", ...words]);
      expect(status).to.equal(1);
      expect(errors).to.match(reason);
    });
  }
});
