// Tests how xl is run: a shell script in its place.

import { chmodSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { xlProgram } from "pvscsi";
import { temporaryFolder } from "../../support/temporary-folder.js";

/** Says how it was called, and leaves a process behind that ends when it is told to. */
const XL = `#!/bin/sh
echo "$@" >> "$HERE/calls"
[ "$1" = destroy ] && exit 3
[ "$1" = unpause ] && kill -KILL $$
(until [ -e "$HERE/over" ]; do sleep 0.05; done) > /dev/null 2>&1 < /dev/null &
`;

describe("the program xl", () => {
  const folder = temporaryFolder();

  function environment(): NodeJS.ProcessEnv {
    folder.write({ xl: XL });
    chmodSync(folder.path("xl"), 0o755);
    return { PATH: `${folder.path("")}:${process.env.PATH}`, HERE: folder.path("") };
  }

  it("makes a paused domain of whatever file, and is waited for by its pipe when it stays", async () => {
    const { givenUp } = await xlProgram(environment()).create("-odd = name.cfg");
    expect(readFileSync(folder.path("calls"), "utf8")).to.equal("create -p -f -odd = name.cfg\n");
    const first = await Promise.race([givenUp.then(() => "given up"), setTimeout(200, "waits")]);
    expect(first).to.equal("waits");
    folder.write({ over: "" });
    // The process that stays is no child of ours, and keeps nobody from ending.
    const ticking = setInterval(() => {}, 1000);
    await givenUp;
    clearInterval(ticking);
  });

  it("is told to have failed, with its status or the signal that ended it", async () => {
    const xl = xlProgram(environment());
    expect(await reason(xl.destroy(5))).to.equal("xl destroy has failed: status 3");
    expect(await reason(xl.unpause(5))).to.equal("xl unpause has failed: SIGKILL");
    expect(readFileSync(folder.path("calls"), "utf8")).to.equal("destroy 5\nunpause 5\n");
  });

  it("is told to be missing", async () => {
    const xl = xlProgram({ PATH: folder.path("nowhere") });
    for (const attempt of [xl.create("x"), xl.destroy(1)]) {
      expect(await reason(attempt)).to.equal("xl is not in PATH: install Xen's tools (Debian: xen-utils)");
    }
  });
});

async function reason(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "",
    (error: Error) => error.message,
  );
}
