// The check of the floors, over small repositories with one planted fault each.

import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { runTool, toolPath } from "../../support/tool.js";

const FLOORS = {
  floors: [["wire", "config"], ["host"], ["cli"]],
  platform: { none: ["wire", "config"], given: ["host"], free: ["cli"] },
};

interface Part {
  readonly source: string;
  readonly dependencies: { readonly [name: string]: string };
  readonly references: readonly string[];
  readonly types?: readonly string[];
}

const wire: Part = { source: `export const size = 4;`, dependencies: {}, references: [] };
const config: Part = {
  source: `import { parse } from "yaml"; export { parse };`,
  dependencies: { yaml: "^2" },
  references: [],
};
const host: Part = {
  source: `import { readSync } from "node:fs"; import { size } from "@pvscsi/wire"; export const read = [readSync, size];`,
  dependencies: { "@pvscsi/wire": "1.0.0" },
  references: ["../wire"],
};
const cli: Part = {
  source: `import "./other.js"; console.log(Date.now(), process.env, Math.random()); setTimeout(() => {}, 1);`,
  dependencies: {},
  references: [],
};

const PARTS = { wire, config, host, cli };
type Name = keyof typeof PARTS;

describe("check-floors", () => {
  const folder = temporaryFolder();

  /** Runs the check over the sound parts with `changed` in place of theirs; returns what it complains about. */
  function violations(changed: { readonly [name in Name]?: Partial<Part> }): string[] {
    folder.write({ "tools/floors.json": JSON.stringify(FLOORS) });
    for (const name of Object.keys(PARTS) as Name[]) {
      const { source, dependencies, references, types = [] } = { ...PARTS[name], ...changed[name] };
      folder.write({
        [`packages/${name}/package.json`]: JSON.stringify({ name: `@pvscsi/${name}`, version: "1.0.0", dependencies }),
        [`packages/${name}/tsconfig.json`]: JSON.stringify({
          compilerOptions: { types },
          references: references.map((path) => ({ path })),
        }),
        [`packages/${name}/src/index.ts`]: source,
      });
    }
    const { status, stdout, stderr } = runTool(toolPath("check-floors.mjs"), [folder.path()]);
    const lines = stderr.split("\n").filter((line) => line !== "");
    expect(status, stdout + stderr).to.equal(lines.length === 0 ? 0 : 1);
    return lines;
  }

  it("passes a sound repository", () => {
    expect(violations({})).to.deep.equal([]);
  });

  const source = (text: string) => ({ source: `${wire.source}\n${text}` });
  const planted: [string, Parameters<typeof violations>[0], string][] = [
    [
      "an import from the same floor",
      {
        wire: {
          source: `import type { x } from "@pvscsi/config";`,
          dependencies: { "@pvscsi/config": "1.0.0" },
          references: ["../config"],
        },
      },
      "packages/wire/src/index.ts:1: @pvscsi/config is on floor 0 and wire on floor 0: imports go down",
    ],
    [
      "an import from a higher floor",
      {
        wire: {
          source: `export * from "@pvscsi/host/deep";`,
          dependencies: { "@pvscsi/host": "1.0.0" },
          references: ["../host"],
        },
      },
      "packages/wire/src/index.ts:1: @pvscsi/host is on floor 1 and wire on floor 0: imports go down",
    ],
    [
      "a relative import out of the package",
      { wire: source(`import "../../config/src/index.js";`) },
      "packages/wire/src/index.ts:2: ../../config/src/index.js leads out of the package",
    ],
    [
      "an import whose name is computed",
      { wire: source("void import(`./x` + size);") },
      "packages/wire/src/index.ts:2: an import whose name is computed",
    ],
    [
      "a file that cannot be read as TypeScript",
      { wire: source("const broken = 'x") },
      "packages/wire/src/index.ts: a string without an end at line 2",
    ],
    [
      "Node in a package that runs without it",
      { wire: source(`import "node:fs";`) },
      "packages/wire/src/index.ts:2: node:fs in wire, which runs without Node",
    ],
    [
      "Node by its bare name",
      { wire: source(`type X = import("path").Y;`) },
      "packages/wire/src/index.ts:2: path in wire, which runs without Node",
    ],
    [
      "a bare name where Node is allowed",
      { host: { source: host.source.replace("node:fs", "fs") } },
      "packages/host/src/index.ts:1: fs is written node:fs",
    ],
    [
      "a timer module",
      { host: { source: `${host.source}\nimport "node:timers/promises";` } },
      "packages/host/src/index.ts:2: node:timers/promises in host, which is given its clock",
    ],
    [
      "an undeclared dependency",
      { host: { dependencies: {} } },
      "packages/host/package.json: @pvscsi/wire is imported and not declared",
    ],
    [
      "a dependency nobody imports",
      { config: { source: "" } },
      "packages/config/package.json: yaml is declared and never imported",
    ],
    [
      "another version of our own package",
      { host: { dependencies: { "@pvscsi/wire": "0.9.0" } } },
      "packages/host/package.json: @pvscsi/wire is declared as 0.9.0 and is 1.0.0",
    ],
    [
      "a missing reference",
      { host: { references: [] } },
      "packages/host/tsconfig.json: wire is imported and not referenced",
    ],
    [
      "a reference nobody needs",
      { host: { references: ["../wire", "../config"] } },
      "packages/host/tsconfig.json: config is referenced and never imported",
    ],
    ["the platform's types", { wire: { types: ["node"] } }, "packages/wire/tsconfig.json: the types of a platform"],
  ];
  for (const [what, changed, message] of planted) {
    it(`finds ${what}`, () => {
      expect(violations(changed)).to.deep.equal([message]);
    });
  }

  it("finds a package without a floor", () => {
    folder.write({ "packages/extra/package.json": "{}" });
    expect(violations({})).to.deep.equal(["packages/extra: extra has no place in tools/floors.json"]);
  });

  const lines = (uses: readonly string[]) => uses.map((use) => `export const a = () => ${use};`).join("\n");
  const linesFound = (found: readonly string[]) => found.map((line) => Number(/:(\d+): /.exec(line)?.[1]));

  it("finds every way to the platform in a package that runs without Node", () => {
    const objects = ["Buffer.from([])", "process.exit()", "console.log(1)", "globalThis.x", "[...performance]"];
    const calls = ["setTimeout(f, 1)", "setImmediate(f)", "queueMicrotask(f)", "{ f: setInterval }"];
    const uses = [...objects, ...calls, "Date.now()", "new Date()", "Math.random()"];
    const found = linesFound(violations({ wire: { source: lines(uses) } }));
    expect(found.sort((a, b) => a - b)).to.deep.equal(uses.map((_, i) => i + 1));
  });

  it("finds every clock, chance and setting in a package that is given them", () => {
    const calls = ["setTimeout(f, 1)", "performance.now()", "randomBytes(4)", "process.nextTick(f)"];
    const uses = [...calls, "Date.now()", "new Date", "Math.random()", "process.env.X"];
    const found = linesFound(violations({ host: { source: `${lines(uses)}\n${host.source}` } }));
    expect(found.sort((a, b) => a - b)).to.deep.equal(uses.map((_, i) => i + 1));
  });

  it("takes no comment, string, member or property for the platform", () => {
    const harmless = [
      "// Buffer, process and Math.random()",
      `export const text = "setTimeout(" + 'console' + \`process \${size} Buffer\`;`,
      "export interface Given { readonly setTimeout: number; process: number, console?: string }",
      "export const use = (given: Given) => [given.setTimeout, given?.process, { process: 1, size }];",
      "export const at = new Date(0);",
    ];
    expect(violations({ wire: source(harmless.join("\n")) })).to.deep.equal([]);
  });
});
