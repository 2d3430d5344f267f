// The check of the documents, over a small repository with planted names of nothing.

import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { runTool, toolPath } from "../../support/tool.js";

const HELP = `Usage: pvscsi [options] [command]

Options:
  -h, --help            display help

Commands:
  create [options] <file>  starts a guest
  list|ls                  shows them

Verbs, run by another process (--state DIR says which): pause, unpause
`;

describe("check-docs", () => {
  const folder = temporaryFolder();

  function faults(readme: string): string[] {
    folder.write({
      "package.json": JSON.stringify({ scripts: { start: "", test: "", "test:interop": "" } }),
      "packages/cli/dist/main.js": `console.log(${JSON.stringify(HELP)});`,
      "docs/TESTING.md": "`npm test`\n",
      "test/unit/a.test.ts": `it("holds", f); it(\`refuses \${name}, twice\`, f); it(\`says "so" as well\`, f);`,
      "test/other/b.test.ts": 'describe("takes 1 at a time", f);',
      "README.md": readme,
    });
    const { status, stderr, stdout } = runTool(toolPath("check-docs.mjs"), [folder.path()]);
    const lines = stderr.split("\n").filter((line) => line !== "");
    expect(status, stdout + stderr).to.equal(lines.length === 0 ? 0 : 1);
    return lines;
  }

  it("passes documents that name only what exists", () => {
    const text = [
      "`npm start`, `npm run test:interop -- fio`, `pvscsi create x.cfg`; pvscsi drives it all.",
      "```console",
      "$ sudo pvscsi ls",
      "$ pvscsi unpause x",
      "scsi host0: pvscsi nothing here",
      "```",
      "[testing](docs/TESTING.md#top) and [elsewhere](https://example.org/x)",
      "| what | test in `test/unit` |",
      "|---|---|",
      '| one "word" | `a.test.ts` "holds", "says so as well"; `test/other/b.test.ts` "takes 1 at a time" |',
      '| several | `a.test.ts` "refuses ...", "says ...", `c` |',
      'A line of no table, `test/unit/a.test.ts` "does nothing".',
    ];
    expect(faults(text.join("\n"))).to.deep.equal([]);
  });

  const planted: [string, string, string][] = [
    ["a script", "one\n`npm run nothing -- x`", "README.md:2: no script nothing"],
    ["a verb in a line", "`pvscsi destroy 3`", "README.md:1: no verb destroy"],
    ["a verb in a block", "```sh\n$ npx pvscsi destroy 3\n```", "README.md:2: no verb destroy"],
    ["a test", '| `test/unit/a.test.ts` "hold" |', 'README.md:1: no test "hold" in test/unit/a.test.ts'],
    [
      "a test of the table's file",
      '| `test/unit/a.test.ts` |\n|---|\n| "holds", "refuses" |',
      'README.md:3: no test "refuses" in test/unit/a.test.ts',
    ],
    ["a test's file", "| `test/unit/a.test.ts`, `d.test.ts` |", "README.md:1: no file test/unit/d.test.ts"],
    ["a file", "see [this](docs/NOTHING.md)", "README.md:1: no file docs/NOTHING.md"],
  ];
  for (const [what, text, message] of planted) {
    it(`finds ${what} that does not exist`, () => {
      expect(faults(text)).to.deep.equal([message]);
    });
  }

  it("reads every document below docs", () => {
    folder.write({ "docs/notes/0001-x.md": "`npm run gone`" });
    expect(faults("")).to.deep.equal(["docs/notes/0001-x.md:1: no script gone"]);
  });

  it("fails when the command line does not tell its verbs", () => {
    faults("");
    folder.write({ "packages/cli/dist/main.js": "process.exit(3);" });
    expect(runTool(toolPath("check-docs.mjs"), [folder.path()])).to.have.property("status", 1);
  });
});
