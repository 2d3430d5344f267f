// Tests the command line of targetcli's shell, and that a server serves what it has saved.

import { statSync } from "node:fs";
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
