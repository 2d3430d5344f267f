// Tests the doors of a dom0, by which others than its domains reach devices that are shareable. What initiators and guests make of
// them is for outside judges: npm run test:interop -- shared.

import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi, RunningCommand } from "./command.js";

const HOST = `hosts:
  - host: 3
    luns:
      - { address: 3:0:0:0, memory: 1MiB }
      - { address: 3:0:1:0, memory: 2MiB, shareable: true }
      - { address: 3:0:2:0, memory: 3MiB, shareable: true }
`;

describe("pvscsi dom0 with doors", () => {
  const folder = temporaryFolder();

  function words(...more: string[]): string[] {
    folder.write({ "host.yaml": HOST, "alone.yaml": HOST.replaceAll("true", "false") });
    return ["dom0", "--host", folder.path("host.yaml"), "--state", folder.path("state"), ...more];
  }

  it("serves what is shareable over iSCSI, and ends in order", async () => {
    const dom0 = new RunningCommand(words("--iscsi", "0"), { stays: true });
    await dom0.printed(/dom0 is ready/);
    const urls = dom0.output.match(/^iscsi:.*$/gm) ?? [];
    const ports = new Set(
      urls.map((url) => /^iscsi:\/\/127\.0\.0\.1:(\d+)\/iqn\.2026-11\.localhost:pvscsi\/\d$/.exec(url)?.[1]),
    );
    expect(urls.map((url) => url.at(-1))).to.deep.equal(["0", "1"]);
    expect([...ports].map(Number))
      .to.have.length(1)
      .and.satisfy(([port]: number[]) => port > 0);
    dom0.child.kill("SIGTERM");
    expect(await dom0.ended).to.deep.include({ status: 0, errors: "" });
  });

  it("does not start where a door cannot be opened, and leaves nothing that runs", async () => {
    const busy = new RunningCommand(words("--iscsi", "0"), { stays: true });
    await busy.printed(/dom0 is ready/);
    const port = /127\.0\.0\.1:(\d+)\/iqn/.exec(busy.output)?.[1] ?? "";
    const rest = ["--state", folder.path("other"), "--iscsi", port];
    const refused = await pvscsi([...words().slice(0, 3), ...rest]);
    busy.child.kill("SIGTERM");
    await busy.ended;
    expect(refused.status).to.equal(1);
    expect(refused.errors).to.match(new RegExp(`^pvscsi: cannot listen at 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`));
  });

  it("says that nothing is shareable, and what a door is", async () => {
    words();
    const alone = ["dom0", "--host", folder.path("alone.yaml"), "--state", folder.path("state")];
    expect(await pvscsi([...alone, "--iscsi", "0"])).to.deep.include({
      status: 1,
      errors: "pvscsi: no device of this host is shareable: set shareable: true for those to be shared\n",
    });
    expect(await pvscsi([...alone, "--iscsi", "everywhere"])).to.deep.include({
      status: 2,
      errors:
        "pvscsi: option '--iscsi <[addr:]port>' argument 'everywhere' is invalid. Expected a port, or ADDR:PORT.\n",
    });
  });
});
