// Files that are kept from one run to the next.

import { rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { prepare } from "../../interop/linux/cache.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

describe("the cache of the outside judges", () => {
  const folder = temporaryFolder();
  const before = process.env.XDG_CACHE_HOME;
  let made = 0;

  beforeEach(() => {
    process.env.XDG_CACHE_HOME = folder.path();
    made = 0;
  });

  afterEach(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
  });

  function take(...of: unknown[]) {
    return prepare({
      name: "things",
      files: ["one", "two"],
      of,
      make: async (where) => {
        made += 1;
        for (const name of ["one", "two"]) await writeFile(join(where, name), `${name} ${made}`);
        return { number: made };
      },
    });
  }

  it("makes files once, and gives what was known of them then", async () => {
    expect(await take(1)).to.include({ made: true });
    const { paths, facts, made: again } = await take(1);
    expect({ facts, again, made }).to.deep.equal({ facts: { number: 1 }, again: false, made: 1 });
    expect(paths).to.deep.equal(["one", "two"].map((name) => join(folder.path(), "pvscsi-interop", "things", name)));
  });

  it("makes them again when they would be made another way", async () => {
    await take(2);
    expect(await take(3)).to.deep.include({ made: true, facts: { number: 2 } });
  });

  it("makes them again when one is not whole, or not there", async () => {
    const { paths } = await take(4);
    await truncate(paths[1], 1);
    expect(await take(4)).to.include({ made: true });
    await rm(paths[0]);
    expect(await take(4)).to.include({ made: true });
    expect(await take(4)).to.include({ made: false });
  });

  it("keeps what it has when making fails", async () => {
    await take(5);
    const failing = prepare({ name: "things", files: ["one"], of: [6], make: () => Promise.reject(new Error("no")) });
    expect(await failing.catch((error) => error.message)).to.equal("no");
    expect(await take(5)).to.include({ made: false });
  });
});
