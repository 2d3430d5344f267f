import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { PassThrough } from "node:stream";
import { expect } from "chai";
import { runShell, runVerb, runWhole } from "pvscsi";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi, RunningCommand } from "./command.js";
import { Dom0Stand } from "./dom0-stand.js";
import { World } from "./world.js";

const HOST = "hosts: [ { host: 0, luns: [ { address: 0:0:0:0, memory: 1MiB } ] } ]\n";

const LONG = "x".repeat(1000);

describe("xenstore watch", () => {
  const dom0 = new Dom0Stand({ "host.yaml": HOST });
  const xenstore = (...words: readonly string[]) => dom0.good("xenstore", ...words);

  /** What dom0 has open: a connection whose verb has not ended is among it. */
  const open = (): number => readdirSync(`/proc/${dom0.running.child.pid}/fd`).length;

  /** Waits until something is so. */
  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  const request = (...words: readonly string[]): string =>
    `${JSON.stringify({ version: 2, words: ["xenstore", ...words], directory: "/", program: "pvscsi" })}\n`;

  it("prints the path of each event as it happens, the first ones too, and ends after COUNT", async () => {
    const watch = dom0.begin("xenstore", "watch", "-n", "4", "/mine", "/other");
    await watch.printed(/^\/mine\n\/other\n$/);
    await xenstore("write", "/mine/a/b", "1");
    await watch.printed(/^\/mine\n\/other\n\/mine\/a\/b\n$/);
    await xenstore("write", "/elsewhere", "1");
    await xenstore("rm", "/mine/a");
    expect(await watch.ended).to.deep.equal({
      status: 0,
      output: "/mine\n/other\n/mine/a/b\n/mine/a\n",
      errors: "",
    });
  });

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    it(`is ended in dom0 when its client leaves by ${signal}`, async () => {
      const before = open();
      const watch = dom0.begin("xenstore", "watch", "/mine");
      await watch.printed(/^\/mine\n$/);
      expect(open()).to.equal(before + 1);
      watch.child.kill(signal);
      expect((await watch.ended).status).to.equal(signal === "SIGINT" ? 130 : null);
      await until(() => open() === before);
      await xenstore("write", "/mine", "1");
    });
  }

  it("ends with dom0, in order or by force", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const watch = dom0.begin("xenstore", "watch", "/mine");
      await watch.printed(/^\/mine\n$/);
      await dom0.end(signal);
      const { status, errors } = await watch.ended;
      expect(status).to.equal(1);
      expect(errors).to.match(/^pvscsi: the dom0 at .* has ended, or was not listened to for too long\n$/);
      await dom0.start();
    }
  });

  it("lets go of a client that does not read, and of it alone", async () => {
    const before = open();
    const reader = dom0.begin("xenstore", "watch", "/mine");
    await reader.printed(/^\/mine\n$/);
    const deaf = dom0.connect(request("watch", ...new Array(1000).fill("/mine")));
    await until(() => open() === before + 2);
    // A path of 1000 characters for each of 1000 watches: few writes are more than is kept for it, once those stand, one a turn.
    let last = 0;
    for (; open() > before + 1 && last < 2000; last++) await dom0.say(request("write", `/mine/${last}${LONG}`, "1"));
    expect(open()).to.equal(before + 1);
    await reader.printed(new RegExp(`/mine/${last - 1}x`));
    deaf.destroy();
    reader.child.kill("SIGINT");
    await reader.ended;
  });

  it("speaks in pieces before the answer, and answers a client that has closed its half", async () => {
    const replies = (await dom0.say(request("watch", "-n", "2", "/a", "/b"))).trimEnd().split("\n");
    expect(replies.map((line) => JSON.parse(line))).to.deep.equal([
      { version: 2, piece: "/a" },
      { version: 2, piece: "/b" },
      { version: 2, output: "", errors: "", status: 0 },
    ]);
    const socket = dom0.connect(request("ls", "/local/domain/0")).setEncoding("utf8");
    let answer = "";
    socket.on("data", (piece: string) => {
      answer += piece;
    });
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.on("connect", () => socket.end());
    await closed;
    expect(JSON.parse(answer)).to.include({ status: 0, errors: "" });
  });

  it("says what is wrong with its words", async () => {
    for (const [words, message] of [
      [[], "expecting watch [-n COUNT] PATH..."],
      [["-n", "1"], "expecting watch [-n COUNT] PATH..."],
      [["-n", "0", "/a"], "watch: -n needs a COUNT above 0"],
      [["-n"], "watch: -n needs a COUNT above 0"],
      [["-x", "/a"], "watch: unknown option '-x'"],
    ] as const) {
      const { status, errors } = await dom0.shell("xenstore", "watch", ...words);
      expect({ status, first: errors.split("\n")[0] }).to.deep.equal({ status: 2, first: `xenstore: ${message}` });
    }
    const before = open();
    expect(await dom0.bad("xenstore", "watch", "/good", "/bad//path")).to.equal(
      "pvscsi xenstore: watching /bad//path: EINVAL",
    );
    await until(() => open() === before);
  });
});

describe("what a dom0 says while a verb runs", () => {
  const folder = temporaryFolder();

  for (const [what, lines, shown, reason] of [
    ["no text", ['{"version":2,"piece":5}'], "", "a piece that is no text"],
    ["a piece and an answer", ['{"version":2,"piece":"a","status":0}'], "", "a piece and an answer in one"],
    [
      "another version behind a piece",
      ['{"version":2,"piece":"/a"}', '{"version":3,"piece":"/b"}'],
      "/a\n",
      "version 3",
    ],
    [
      "nothing more behind a piece",
      ['{"version":2,"piece":"/a"}'],
      "/a\n",
      "has ended, or was not listened to for too long",
    ],
  ] as const) {
    it(`is checked: ${what}`, async () => {
      const server = createServer((socket) => socket.end(`${lines.join("\n")}\n`));
      await new Promise((resolve) => server.listen(folder.path("control.sock"), () => resolve(null)));
      const { status, output, errors } = await pvscsi(["xenstore", "watch", "/a"], {
        environment: { PVSCSI_STATE: folder.path(".") },
      });
      server.close();
      expect({ status, output }).to.deep.equal({ status: 1, output: shown });
      expect(errors).to.include(reason);
    });
  }
});

describe("xenstore watch at the prompt", () => {
  const folder = temporaryFolder();

  it("counts as it does elsewhere", async () => {
    const input = "xenstore watch --number 2 /a /b\nxenstore write /a 1\n";
    folder.write({ "host.yaml": HOST, "domU.cfg": "name = 'domU'\nvscsi = []\n" });
    const command = new RunningCommand(["demo", "--shell", folder.path("domU.cfg")], { input });
    const { status, output } = await command.ended;
    expect(status).to.equal(0);
    expect(output).to.match(/\n\/a\n\/b\n$/);
  });

  it("ends at Ctrl-C, with the prompt staying, and leaves no watch", async () => {
    const world = await World.start();
    const input = new PassThrough();
    const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
    const printed: string[] = [];
    const keep = (text: string): void => void (text === "" || printed.push(text));
    const printer = { print: keep, error: keep };
    const shell = runShell(world.system, { input, printer, terminal });
    const has = async (text: string): Promise<void> => {
      while (!printed.includes(text)) await world.settle();
    };
    input.write("xenstore watch /mine\n");
    await has("/mine");
    input.write("\x03");
    input.write("domname 0\n");
    await has("Domain-0");
    await world.done(world.system.store.write("/mine", "1"));
    await world.settle();
    expect(printed).to.deep.equal(["/mine", "Domain-0"]);
    input.write("exit\n");
    expect(await world.doneWithFiles(shell)).to.equal(0);
  });

  it("prints nothing more once it was aborted, and nothing at all where it was before", async () => {
    const world = await World.start();
    const leaving = new AbortController();
    const printed: string[] = [];
    const caller = {
      program: "pvscsi" as const,
      directory: "/",
      print: (text: string) => void printed.push(text),
      signal: leaving.signal,
    };
    const watching = runVerb(world.system, ["xenstore", "watch", "/mine"], caller);
    while (printed.length === 0) await world.settle();
    leaving.abort();
    expect(await world.done(watching)).to.deep.equal({ output: "", errors: "", status: 0 });
    await world.done(world.system.store.write("/mine", "1"));
    await world.done(runVerb(world.system, ["xenstore", "watch", "/mine"], caller));
    expect(printed).to.deep.equal(["/mine"]);
    const whole = await world.done(runWhole(world.system, ["xenstore", "watch", "-n", "1", "/mine"]));
    expect(whole.output).to.equal("/mine");
  });
});
