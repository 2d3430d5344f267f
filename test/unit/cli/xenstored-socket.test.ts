// Tests that dom0's xenstored listens for programs of its machine, and that the verb finds it, or any other, without dom0.

import { existsSync, symlinkSync } from "node:fs";
import { expect } from "chai";
import { pvscsi, RunningCommand } from "./command.js";
import { Dom0Stand } from "./dom0-stand.js";

describe("pvscsi dom0 --xenstored-socket", () => {
  const dom0 = new Dom0Stand({ "host.yaml": "hosts: []\n" }, (folder) => ["--xenstored-socket", folder.path("xs")]);
  const { folder } = dom0;
  /** The verb without a dom0, in the socket's folder. */
  const alone = (...words: readonly string[]) =>
    new RunningCommand(["xenstore", "--socket", "xs", ...words], {
      environment: { PVSCSI_STATE: folder.path("nowhere") },
      directory: folder.path("."),
    });
  const good = async (...words: readonly string[]): Promise<string> => {
    const { status, output, errors } = await alone(...words).ended;
    expect({ status, errors }, words.join(" ")).to.deep.equal({ status: 0, errors: "" });
    return output;
  };

  it("is the store that dom0's verbs see", async () => {
    expect(dom0.running.output).to.include(`xenstored listens at ${folder.path("xs")}\n`);
    await good("write", "/mine/a", "1 2");
    expect(await dom0.good("xenstore", "read", "/mine/a")).to.equal("1 2\n");
    expect(await good("ls")).to.equal(await dom0.good("xenstore", "ls"));
    expect(await good("ls", "/mine")).to.equal('a = "1 2"   (n0)\n');
    await good("rm", "/mine/a");
    expect((await alone("read", "/mine/a").ended).errors).to.equal("pvscsi xenstore: there is no /mine/a\n");
  });

  it("is found on a Xen host as Xen's own clients find it", async () => {
    const found = (environment: NodeJS.ProcessEnv, ...words: readonly string[]) =>
      pvscsi(["xenstore", "--xen", ...words], { environment });
    const { status, output } = await found({ XENSTORED_PATH: folder.path("xs") }, "ls", "-f", "/tool");
    expect({ status, output }).to.deep.equal({ status: 0, output: '/tool/xenstored = ""   (n0)\n' });
    symlinkSync(folder.path("xs"), folder.path("socket"));
    expect((await found({ XENSTORED_RUNDIR: folder.path(".") }, "read", "/tool")).status).to.equal(0);
    const nowhere = await found({ XENSTORED_PATH: folder.path("nowhere") }, "ls");
    expect(nowhere.status).to.equal(1);
    expect(nowhere.errors).to.match(/^pvscsi xenstore: connect ENOENT .*nowhere\n$/);
    const both = await alone("--xen", "ls").ended;
    expect(both.status).to.equal(2);
    expect(both.errors).to.match(/--socket and --xen exclude each other/);
  });

  it("is watched until it ends, and removed then", async () => {
    const watch = alone("watch", "/mine");
    await watch.printed(/^\/mine\n/);
    await good("write", "/mine/a", "1");
    await watch.printed(/^\/mine\n\/mine\/a\n/);
    expect(await dom0.end("SIGTERM")).to.include({ status: 0, errors: "" });
    const { status, errors } = await watch.ended;
    expect(errors).to.equal("pvscsi xenstore: xs: xenstored has ended the connection\n");
    expect(status).to.equal(1);
    expect(existsSync(folder.path("xs"))).to.equal(false);
  });

  it("is taken over from a dom0 that was killed, and from no other", async () => {
    const other = ["dom0", "--host", folder.path("host.yaml"), "--state", folder.path("other")];
    const second = await pvscsi([...other, "--xenstored-socket", folder.path("xs")]);
    expect(second.status).to.equal(1);
    expect(second.errors).to.match(/^pvscsi: listen EADDRINUSE: address already in use .*xs\n$/);
    await dom0.end("SIGKILL");
    expect((await alone("ls").ended).errors).to.match(/^pvscsi xenstore: connect ECONNREFUSED /);
    await dom0.start();
    expect(await good("ls", "/tool")).to.equal('xenstored = ""   (n0)\n');
  });
});
