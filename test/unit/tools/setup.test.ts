// The set-up over a small repository, with an npm and a compiler that only write down that they ran.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { runTool, type ToolRun, toolPath } from "../../support/tool.js";

const TOOLS = ["setup.mjs", "run.mjs", "stale-outputs.mjs"];

/** Installs a compiler into a fresh node_modules, as `npm ci` does. */
const NPM = `
const { appendFileSync, mkdirSync, rmSync, writeFileSync } = require("node:fs");
appendFileSync("log", "npm " + process.argv.slice(2).join(" ") + "\\n");
if (process.env.BREAK === "npm") { console.log("npm is broken"); process.exit(1); }
rmSync("node_modules", { recursive: true, force: true });
mkdirSync("node_modules/typescript", { recursive: true });
writeFileSync("node_modules/typescript/package.json", JSON.stringify({ bin: { tsc: "tsc.cjs" } }));
writeFileSync("node_modules/typescript/tsc.cjs", \`
  require("node:fs").appendFileSync("log", "tsc " + process.argv.slice(2).join(" ") + "\\\\n");
  if (process.env.BREAK === "tsc") { console.log("a.ts(1,1): error"); process.exit(2); }
\`);
`;

const INSTALLED = "npm ci --ignore-scripts --no-audit --no-fund";
const BUILT = "tsc -b --builders 1";

describe("setup", () => {
  const folder = temporaryFolder();

  beforeEach(() => {
    folder.write({
      "package.json": JSON.stringify({ engines: { node: ">=20.19" } }),
      "package-lock.json": "{}",
      "fake/npm-cli.js": NPM,
    });
    mkdirSync(folder.path("tools"));
    for (const tool of TOOLS) copyFileSync(toolPath(tool), folder.path("tools", tool));
  });

  function setup(args: string[] = [], broken = ""): ToolRun {
    const env = { ...process.env, npm_execpath: folder.path("fake/npm-cli.js"), BREAK: broken };
    return runTool(folder.path("tools/setup.mjs"), args, env);
  }

  const log = () => readFileSync(folder.path("log"), "utf8").trim().split("\n");

  it("installs once, and builds each time", () => {
    expect(setup().status).to.equal(0);
    expect(setup().status).to.equal(0);
    expect(log()).to.deep.equal([INSTALLED, BUILT, BUILT]);
  });

  it("installs again when the lock is another", () => {
    setup();
    folder.write({ "package-lock.json": "{ }" });
    setup();
    expect(log().filter((line) => line === INSTALLED)).to.have.length(2);
  });

  it("installs again when Node is another or an install was broken off", () => {
    setup();
    folder.write({
      "node_modules/.setup-stamp": readFileSync(folder.path("node_modules/.setup-stamp"), "utf8").replace(
        "node v",
        "node v1",
      ),
    });
    expect(setup([], "npm").status).to.equal(1);
    expect(setup().status).to.equal(0);
    expect(log().filter((line) => line === INSTALLED)).to.have.length(3);
  });

  it("removes what was compiled from files that are gone, and nothing else", () => {
    const kept = [
      "packages/a/dist/here.js",
      "packages/a/dist/here.d.ts.map",
      "packages/a/dist/tsconfig.tsbuildinfo",
      "packages/a/dist/page.html",
      "test/dist/unit/a/here.test.js",
      "test/dist/unit/a/tsconfig.tsbuildinfo",
    ];
    const gone = [
      "packages/a/dist/gone.js",
      "packages/a/dist/gone.js.map",
      "packages/a/dist/deep/gone.d.ts",
      "packages/b/dist/b.js",
      "test/dist/unit/a/gone.test.js",
      "test/dist/unit/b/tsconfig.tsbuildinfo",
    ];
    const sources = [
      "packages/a/src/here.ts",
      "packages/a/tsconfig.json",
      "test/unit/a/here.test.ts",
      "test/unit/a/tsconfig.json",
    ];
    folder.write(Object.fromEntries([...kept, ...gone, ...sources].map((name) => [name, ""])));
    expect(setup().stdout).to.include("removed 6 compiled files");
    expect(kept.filter((name) => !existsSync(folder.path(name)))).to.deep.equal([]);
    expect(gone.filter((name) => existsSync(folder.path(name)))).to.deep.equal([]);
    expect(existsSync(folder.path("packages/a/dist/deep"))).to.equal(false);
  });

  it("is silent with --quiet, until something fails", () => {
    expect(setup(["--quiet"])).to.include({ status: 0, stdout: "", stderr: "" });
    expect(setup(["--quiet"], "tsc")).to.include({
      status: 1,
      stdout: "",
      stderr: "a.ts(1,1): error\nsetup: the build failed\n",
    });
    folder.write({ "package-lock.json": "{ }" });
    expect(setup(["--quiet"], "npm")).to.include({
      status: 1,
      stdout: "",
      stderr: "npm is broken\nsetup: npm ci failed\n",
    });
  });

  it("says in one line that Node is too old, before anything else", () => {
    folder.write({ "package.json": JSON.stringify({ engines: { node: ">=99.5" } }) });
    const { status, stderr } = setup();
    expect(status).to.equal(1);
    expect(stderr).to.match(/^setup: Node 99\.5 or newer is needed; this is v\d+\.\d+\.\d+ \(.*\)\n$/);
    expect(existsSync(folder.path("log"))).to.equal(false);
  });
});
