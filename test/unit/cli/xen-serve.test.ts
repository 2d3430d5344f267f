// Tests the command line of a back end on a Xen host, where there is none. What it does on one is for an outside judge.

import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi } from "./command.js";

describe("pvscsi xen serve", () => {
  const folder = temporaryFolder();

  it("is used wrongly with status 2", async () => {
    for (const [words, reason] of [
      [[], "pvscsi: name what is to be served: --lun WORD, --host FILE or --config FILE\n"],
      [
        ["--lun", "mem:1MiB", "--host", "x"],
        "pvscsi: option '--lun <word>' cannot be used with option '--host <file>'\n",
      ],
      [["--colour"], "pvscsi: unknown option '--colour'\n"],
      [["extra"], "pvscsi: too many arguments for 'serve'. Expected 0 arguments but got 1.\n"],
    ] as const) {
      expect(await pvscsi(["xen", "serve", ...words]), words.join(" ")).to.deep.equal({
        status: 2,
        output: "",
        errors: reason,
      });
    }
  });

  it("says where a word or a file is wrong: 1", async () => {
    folder.write({ "host.yaml": "hosts: 5\n" });
    for (const [words, reason] of [
      [["--lun", "mem:1MiB", "--lun", "mem:lots"], /^--lun:1:1: invalid size 'lots'/],
      [["--host", folder.path("missing.yaml")], /missing\.yaml:1:1: cannot read: no such file\n$/],
      [["--config", folder.path("host.yaml")], /host\.yaml:1:1: /],
      [["--host", folder.path("host.yaml")], /host\.yaml:1:8: hosts is no list/],
    ] as const) {
      const { status, errors } = await pvscsi(["xen", "serve", ...words]);
      expect(status).to.equal(1);
      expect(errors).to.match(reason);
    }
  });

  it("is what the systemd unit starts", async () => {
    const unit = readFileSync(new URL("../../../../configs/pvscsi-xen.service", import.meta.url), "utf8");
    const [, words] = /^ExecStart=\/usr\/bin\/env pvscsi (.*)$/m.exec(unit) ?? expect.fail(unit);
    const { status, errors } = await pvscsi(words.replace("/etc/pvscsi", folder.path("none")).split(" "));
    expect(status).to.equal(1);
    expect(errors).to.match(/host\.yaml:1:1: cannot read: no such file\n$/);
  });

  it("says what is missing on a machine that is no domain of Xen: 1", async function () {
    if (existsSync("/dev/xen/xenbus")) return this.skip();
    const { status, errors } = await pvscsi(["xen", "serve", "--lun", "mem:1MiB"]);
    expect(status).to.equal(1);
    expect(errors).to.match(
      /^pvscsi: (\/dev\/xen\/xenbus: no such device: this is no domain of Xen|the optional package)/,
    );
  });
});
