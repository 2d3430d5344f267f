// Tests the command line of targetcli's shell, and that a server serves what it has saved.

import { readdirSync, readlinkSync, statSync } from "node:fs";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi, RunningCommand } from "./command.js";

const IQN = "iqn.2003-01.org.linux-iscsi.h.x8664:sn.1";

describe("pvscsi target", () => {
  const folder = temporaryFolder();
  const target = (words: readonly string[], input = "") =>
    pvscsi(["target", "--state", folder.path("lio"), ...words], { input });

  it("runs one command, and says by its status whether it was done", async () => {
    const made = await target([
      "/backstores/fileio",
      "create",
      "name=d",
      `file_or_dev=${folder.path("d.img")}`,
      "size=1M",
    ]);
    expect(made).to.deep.equal({ status: 0, output: "Created fileio d with size 1048576\n", errors: "" });
    expect(statSync(folder.path("d.img")).size).to.equal(1048576);
    expect(statSync(folder.path("lio/saveconfig.json")).mode & 0o777).to.equal(0o600);
    const again = await target(["/backstores/ramdisk", "delete", "d"]);
    expect(again).to.deep.equal({ status: 1, output: "", errors: "No storage object named d.\n" });
  });

  it("writes its tree as files, for their owner alone, and over no other", async () => {
    const lines = [
      `backstores/fileio create d ${folder.path("tree.img")} 1M`,
      "vhost/ create naa.5001405000000001",
      "vhost/naa.5001405000000001/tpg1/luns create /backstores/fileio/d 3",
    ];
    expect((await target([], `${lines.join("\n")}\n`)).status).to.equal(0);
    const config = folder.path("config");
    const written = await target(["configfs", config]);
    expect(written).to.deep.equal({ status: 0, output: `Tree written to ${config}/target\n`, errors: "" });
    const object = statSync(`${config}/target/core/fileio_0/d`);
    const lun = `${config}/target/vhost/naa.5001405000000001/tpgt_1/lun/lun_3`;
    const link = readdirSync(lun).find((name) => /^[0-9a-f]{10}$/.test(name)) ?? "";
    expect(readlinkSync(`${lun}/${link}`)).to.match(/^(\.\.\/){6}target\/core\/fileio_0\/d$/);
    expect(statSync(`${lun}/${link}`).ino).to.equal(object.ino);
    expect(object.mode & 0o777).to.equal(0o700);
    const again = await target(["configfs", config]);
    expect(again).to.deep.include({ status: 1, output: "" });
    expect(again.errors).to.equal(`Could not make ${config}/target: file exists\n`);
  });

  it("runs lines, and iscsi serve serves what they have made", async () => {
    const lines = [
      "backstores/ramdisk create \\",
      "  d 1M",
      "cd /iscsi",
      `create ${IQN}`,
      `cd ${IQN}/tpg1`,
      "set attribute generate_node_acls=1 demo_mode_write_protect=0",
      "luns/ create /backstores/ramdisk/d",
      "exit",
      "clearconfig confirm=True",
    ];
    const { status, output } = await target([], `${lines.join("\n")}\n`);
    expect(status).to.equal(0);
    expect(output).to.match(/^Created ramdisk d with size 1M\.\nCreated target .*\nCreated TPG 1\.\n/);
    const config = ["--config", folder.path("lio/saveconfig.json"), "--listen", "127.0.0.1:0"];
    const server = new RunningCommand(["iscsi", "serve", ...config]);
    try {
      const [, served] = await server.printed(/^serving (.*) until/m);
      expect(server.output).to.include(`/${IQN}`);
      expect(served).to.equal("it");
    } finally {
      server.child.kill("SIGTERM");
      await server.ended;
    }
  });
});
