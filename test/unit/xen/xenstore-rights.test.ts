// Who may read, write, own and hear of what. `|` stands for NUL.

import { ProbeHub } from "@pvscsi/wire";
import type { XenstoredEnd, XenstoredMessage } from "@pvscsi/xen";
import { expect } from "chai";
import { goldenText } from "../../support/repository.js";
import { World } from "./xenstore-support.js";

describe("xenstore permissions", () => {
  it("give a guest its own home and nothing else", () => {
    const world = new World();
    const guest = world.introduce(5);
    expect(guest.answer("WRITE", "name|five")).to.equal("OK");
    expect(guest.answer("READ", "/local/domain/5/name|")).to.equal("five");
    expect(guest.answer("GET_PERMS", "name|")).to.equal("n5|");
    for (const path of ["/", "/tool", "/local/domain/6", "/nothing/at/all"]) {
      expect(guest.answer("READ", `${path}|`), path).to.equal("EACCES");
      expect(guest.answer("DIRECTORY", `${path}|`), path).to.equal("EACCES");
      expect(guest.answer("WRITE", `${path}|x`), path).to.equal("EACCES");
      expect(guest.answer("MKDIR", `${path}|`), path).to.equal("EACCES");
      expect(guest.answer("RM", `${path}|`), path).to.equal("EACCES");
      expect(guest.answer("SET_PERMS", `${path}|n5|`), path).to.equal("EACCES");
    }
    expect(guest.answer("READ", "nothing|")).to.equal("ENOENT");
    expect(guest.answer("RM", "nothing|")).to.equal("OK");
    expect(guest.answer("RM", "nothing/here|")).to.equal("ENOENT");
  });

  const cases: [list: string, read: string, write: string][] = [
    ["n0", "EACCES", "EACCES"],
    ["r0", "v", "EACCES"],
    ["w0", "EACCES", "OK"],
    ["b0", "v", "OK"],
    ["n0|r5", "v", "EACCES"],
    ["b0|n5", "EACCES", "EACCES"],
    ["n0|w5", "EACCES", "OK"],
    ["n0|r6|b5", "v", "OK"],
    ["n0|n5|b5", "EACCES", "EACCES"],
    ["n5", "v", "OK"],
  ];
  for (const [list, read, write] of cases) {
    it(`${list} means for domain 5: read ${read}, write ${write}`, () => {
      const world = new World();
      const tools = world.tools();
      const guest = world.guest(5);
      tools.ask("WRITE", "/x|v");
      expect(tools.answer("SET_PERMS", `/x|${list}|`)).to.equal("OK");
      expect(tools.answer("GET_PERMS", "/x|")).to.equal(`${list}|`);
      expect(guest.answer("READ", "/x|")).to.equal(read);
      expect(guest.answer("WRITE", "/x|w")).to.equal(write);
    });
  }

  it("are inherited, with the owner replaced for guests only", () => {
    const world = new World();
    const guest = world.introduce(5);
    const tools = world.tools();
    tools.ask("SET_PERMS", "/local/domain/5|b5|r6|");
    tools.ask("WRITE", "/local/domain/5/by-tools/x|");
    guest.ask("WRITE", "by-guest/x|");
    world.guest(7).ask("WRITE", "/local/domain/5/by-other/x|");
    expect(tools.answer("GET_PERMS", "/local/domain/5/by-tools/x|")).to.equal("b5|r6|");
    expect(tools.answer("GET_PERMS", "/local/domain/5/by-guest/x|")).to.equal("b5|r6|");
    expect(tools.answer("GET_PERMS", "/local/domain/5/by-other/x|")).to.equal("b7|r6|");
  });

  it("let nobody but the tools change an owner", () => {
    const world = new World();
    const guest = world.introduce(5);
    guest.ask("WRITE", "x|");
    expect(guest.answer("SET_PERMS", "x|n6|")).to.equal("EPERM");
    expect(guest.answer("SET_PERMS", "x|n5|b6|")).to.equal("OK");
    expect(world.guest(6).answer("SET_PERMS", "/local/domain/5/x|n5|")).to.equal("EACCES");
    expect(world.tools().answer("SET_PERMS", "/local/domain/5/x|n6|")).to.equal("OK");
    expect(guest.answer("READ", "x|")).to.equal("EACCES");
  });

  it("of a target are its helper's too (SET_TARGET)", () => {
    const world = new World();
    const guest = world.introduce(5);
    const helper = world.introduce(6);
    guest.ask("WRITE", "x|v");
    expect(helper.answer("READ", "/local/domain/5/x|")).to.equal("EACCES");
    expect(world.tools().answer("SET_TARGET", "6|5|")).to.equal("OK");
    expect(helper.answer("READ", "/local/domain/5/x|")).to.equal("v");
    expect(helper.answer("WRITE", "/local/domain/5/x|w")).to.equal("OK");
    expect(guest.answer("READ", "/local/domain/6|")).to.equal("EACCES");
    expect(world.tools().answer("SET_TARGET", "6|9|")).to.equal("ENOENT");
  });

  it("of a target end with it, and with its helper", () => {
    for (const released of [5, 6]) {
      const world = new World();
      const tools = world.tools();
      for (const domain of [5, 6]) world.introduce(domain);
      tools.ask("SET_TARGET", "6|5|");
      tools.ask("RELEASE", `${released}|`);
      world.introduce(released);
      tools.ask("WRITE", "/local/domain/5/x|v");
      expect(world.guest(6).answer("READ", "/local/domain/5/x|")).to.equal("EACCES");
    }
  });

  for (const name of ["CONTROL", "INTRODUCE", "RELEASE", "IS_DOMAIN_INTRODUCED", "RESUME", "SET_TARGET"]) {
    it(`refuse a guest ${name}`, () => {
      const world = new World();
      expect(world.introduce(5).answer(name, "5|1|1|")).to.equal("EACCES");
    });
  }

  it("refuse a command of CONTROL that there is not, or arguments that it does not take", () => {
    const tools = new World().tools();
    expect(tools.answer("CONTROL", "check|")).to.equal("OK");
    for (const words of ["check|x|", "quota|set|nodes|", "quota|1|2|", "help|x|", "print|x|", ""]) {
      expect(tools.answer("CONTROL", words), words).to.equal("EINVAL");
    }
  });

  it("have numbers as strtol takes them: any base, blanks and a plus before", () => {
    const tools = new World().tools();
    expect(tools.answer("SET_PERMS", "/tool|n0|r0x1F|w010|b +7|n0|")).to.equal("OK");
    expect(tools.answer("GET_PERMS", "/tool|")).to.equal("n0|r31|w8|b7|n0|");
  });

  it("have numbers that no domain has, cut as 4.17 cuts them, for nobody; and not as the owner's", () => {
    const tools = new World().tools();
    expect(
      tools.answer("SET_PERMS", "/tool|n0|r-1|r0x10005|w4294967296|b99999999999999999999|b-99999999999999999999|"),
    ).to.equal("OK");
    expect(tools.answer("GET_PERMS", "/tool|")).to.equal("n0|r-1|r65541|w0|b-1|b0|");
    for (const owner of ["-1", "0x7ff0", "65541", "99999999999999999999"]) {
      expect(tools.answer("SET_PERMS", `/tool|n${owner}|`), owner).to.equal("ENOENT");
    }
    expect(tools.answer("SET_PERMS", "/tool|n-1|x|")).to.equal("EINVAL");
    expect(tools.answer("SET_PERMS", "/tool|n4294967301|")).to.equal("OK");
    expect(tools.answer("GET_PERMS", "/tool|")).to.equal("n5|");
  });

  for (const bad of ["x5", "r", "5", "rr5", "r5 ", "r0x", "r08", "r- 1", "r+-1", "r--1", ""]) {
    it(`refuse the entry "${bad}"`, () => {
      expect(new World().tools().answer("SET_PERMS", `/tool|n0|${bad}|`)).to.equal("EINVAL");
    });
  }
});

describe("xenstore events", () => {
  it("of the two domain names go to those who may hear of them", () => {
    const world = new World();
    const tools = world.tools();
    const guest = world.guest(5);
    for (const name of ["@introduceDomain", "@releaseDomain"]) {
      expect(guest.answer("WATCH", `${name}|t|`)).to.equal("OK");
      expect(guest.answer("SET_PERMS", `${name}|n5|`)).to.equal("EACCES");
    }
    tools.ask("INTRODUCE", "7|1|1|");
    expect(guest.taken()).to.deep.equal([]);
    expect(tools.answer("SET_PERMS", "@introduceDomain|n0|r5|")).to.equal("OK");
    expect(tools.answer("SET_PERMS", "@anything|n0|r5|")).to.equal("EINVAL");
    tools.ask("INTRODUCE", "8|1|1|");
    tools.ask("RELEASE", "8|");
    expect(guest.taken()).to.deep.equal(["WATCH_EVENT @introduceDomain|t|"]);
  });

  it("reach watches on the root, but not of the two domain names", () => {
    const world = new World();
    const tools = world.tools();
    tools.ask("WATCH", "/|root|");
    expect(tools.ask("WRITE", "/a/b|")).to.deep.equal(["WATCH_EVENT /a/b|root|", "WRITE OK|"]);
    expect(tools.ask("INTRODUCE", "7|1|1|")).to.deep.equal(["INTRODUCE OK|"]);
  });

  it("come by connection, then by the watches' age; none goes to a connection that is closed", () => {
    const probes = new ProbeHub();
    const world = new World({ probes });
    const [first, second, gone] = [world.tools(), world.tools(), world.tools()];
    const told: string[] = [];
    second.ask("WATCH", "/a/b|1|");
    gone.ask("WATCH", "/a/b|never|");
    first.ask("WATCH", "/a|2|");
    first.ask("WATCH", "/a/b|3|");
    second.ask("WATCH", "/|4|");
    gone.connection.close();
    probes.listen((name, subject) => {
      if (name === "xenstored:event") told.push((subject as XenstoredMessage).message.payload.split("\0")[1]);
    });
    second.ask("WRITE", "/a/b|");
    expect(told).to.deep.equal(["2", "3", "1", "4"]);
  });

  it("with the same words come once to a connection, as 4.17 queues none twice", () => {
    const world = new World();
    const [tools, others] = [world.tools(), world.tools()];
    for (const path of ["/a", "/a/b", "/"]) tools.ask("WATCH", `${path}|same|`);
    tools.ask("WATCH", "/a|other|");
    others.ask("WATCH", "/a|same|");
    const events = ["WATCH_EVENT /a/b|same|", "WATCH_EVENT /a/b|other|"];
    expect(tools.ask("WRITE", "/a/b|1").sort()).to.deep.equal([...events, "WRITE OK|"].sort());
    expect(others.taken()).to.deep.equal(["WATCH_EVENT /a/b|same|"]);
    tools.ask("WATCH", "home|same|");
    tools.ask("WATCH", "/local/domain/0/home|same|");
    expect(tools.ask("WRITE", "home|1")).to.include.members([
      "WATCH_EVENT home|same|",
      "WATCH_EVENT /local/domain/0/home|same|",
    ]);
  });

  it("and transactions are gone when the domain is introduced again, which is not announced again", () => {
    const world = new World();
    const tools = world.tools();
    const guest = world.introduce(5);
    const other = world.introduce(6);
    for (const each of [guest, other, tools]) each.ask("WATCH", "@introduceDomain|t|");
    for (const each of [guest, other]) each.ask("WATCH", "/local/domain/5|t|");
    tools.ask("SET_PERMS", "/local/domain/5|n5|r6|");
    guest.taken();
    other.taken();
    const transactions = [guest.begin(), other.begin()];
    expect(tools.ask("INTRODUCE", "5|1|1|")).to.deep.equal(["INTRODUCE OK|"]);
    tools.ask("WRITE", "/local/domain/5|1");
    expect(guest.taken()).to.deep.equal([]);
    expect(guest.answer("READ", "/tool|", transactions[0])).to.equal("ENOENT");
    expect(other.taken()).to.deep.equal(["WATCH_EVENT /local/domain/5|t|"]);
    expect(other.answer("TRANSACTION_END", "F|", transactions[1])).to.equal("OK");
    tools.ask("INTRODUCE", "0|1|1|");
    expect(tools.ask("WATCH", "@introduceDomain|t|")).to.deep.equal(["ERROR EEXIST|"]);
  });

  it("are due to who reads the node or its parent", () => {
    const world = new World();
    const tools = world.tools();
    const guest = world.guest(5);
    tools.ask("WRITE", "/open/closed/deep|");
    tools.ask("SET_PERMS", "/open|r0|");
    guest.ask("WATCH", "/open|t|");
    tools.ask("WRITE", "/open/closed|1");
    tools.ask("WRITE", "/open/closed/deep|1");
    expect(guest.taken()).to.deep.equal(["WATCH_EVENT /open/closed|t|"]);
  });

  it("are asked for outside of transactions, whatever the header says", () => {
    const tools = new World().tools();
    expect(tools.answer("WATCH", "/a|t|", 77)).to.equal("OK");
    expect(tools.answer("UNWATCH", "/a|t|", 77)).to.equal("OK");
  });

  it("of a removed tree: to exact watches deepest first, then to all at or above it", () => {
    const world = new World();
    const tools = world.tools();
    for (const path of ["/t/a/x", "/t/a/y", "/t/b"]) tools.ask("WRITE", `${path}|`);
    for (const path of ["/t/a/y", "/t/a", "/t/a/x", "/t/b", "/t/a/x/none"]) tools.ask("WATCH", `${path}|w|`);
    expect(tools.ask("RM", "/t/a|")).to.deep.equal([
      "WATCH_EVENT /t/a/x|w|",
      "WATCH_EVENT /t/a/y|w|",
      "WATCH_EVENT /t/a|w|",
      "RM OK|",
    ]);
  });

  it("of a transaction come at its end, one a node, before the reply to END", () => {
    const world = new World();
    const tools = world.tools();
    tools.ask("WRITE", "/t/old|");
    tools.ask("WATCH", "/t|w|");
    const id = tools.begin();
    tools.ask("WRITE", "/t/b|1", id);
    tools.ask("RM", "/t/old|", id);
    tools.ask("WRITE", "/t/passing|1", id);
    tools.ask("RM", "/t/passing|", id);
    tools.ask("SET_PERMS", "/t/b|r0|", id);
    expect(tools.ask("TRANSACTION_END", "T|", id)).to.deep.equal([
      "WATCH_EVENT /t/b|w|",
      "WATCH_EVENT /t/old|w|",
      "TRANSACTION_END OK|",
    ]);
  });

  it("of a tree removed in a transaction: one to those at or above it, exact ones below", () => {
    const world = new World();
    const tools = world.tools();
    for (const path of ["/t/a/x", "/t/a/y"]) tools.ask("WRITE", `${path}|`);
    for (const path of ["/t", "/t/a/y"]) tools.ask("WATCH", `${path}|${path}|`);
    const id = tools.begin();
    tools.ask("RM", "/t/a|", id);
    expect(tools.ask("TRANSACTION_END", "T|", id)).to.deep.equal([
      "WATCH_EVENT /t/a|/t|",
      "WATCH_EVENT /t/a/y|/t/a/y|",
      "TRANSACTION_END OK|",
    ]);
  });

  it("of a relative watch are relative, also in a guest", () => {
    const world = new World();
    const guest = world.introduce(5);
    expect(guest.ask("WATCH", "device|w|")).to.deep.equal(["WATCH OK|", "WATCH_EVENT device|w|"]);
    world.tools().ask("WRITE", "/local/domain/5/device/vscsi/0/state|1");
    world.tools().ask("WRITE", "/local/domain/5/device2|1");
    expect(guest.taken()).to.deep.equal(["WATCH_EVENT device/vscsi/0/state|w|"]);
    expect(guest.answer("UNWATCH", "/local/domain/5/device|w|")).to.equal("OK");
  });
});

describe("xenstored's probes", () => {
  it("tell of requests, replies, events and connections it ends", () => {
    const probes = new ProbeHub();
    const world = new World({ probes });
    const tools = world.tools();
    const guest = world.introduce(5);
    const heard: string[] = [];
    const stop = probes.listen((name, subject) => {
      const { domain, name: type, message, reason } = subject as XenstoredMessage & Partial<XenstoredEnd>;
      heard.push([name, domain, type, message?.payload, reason].filter((part) => part !== undefined).join(" "));
    });
    guest.ask("WATCH", "x|t|");
    guest.ask("99", "y");
    tools.ask("RELEASE", "5|");
    stop();
    tools.ask("READ", "/|");
    expect(heard.map((line) => line.replaceAll("\0", "|"))).to.deep.equal([
      "xenstored:request 5 WATCH x|t|",
      "xenstored:reply 5 WATCH OK|",
      "xenstored:event 5 WATCH_EVENT x|t|",
      "xenstored:request 5 99 y",
      "xenstored:reply 5 ERROR ENOSYS|",
      "xenstored:request 0 RELEASE 5|",
      "xenstored:end 5 domain 5 was released",
      "xenstored:reply 0 RELEASE OK|",
    ]);
  });
});

describe("xenstored's dump", () => {
  it("prints a real tree as xenstore-ls -p does", () => {
    const world = new World();
    const tools = world.tools();
    const lines = goldenText("xenstore-ls-connected.txt")
      .split("\n")
      .map((line) => /^(\S+) = "(.*)" {3}\((.*)\)$/.exec(line))
      .filter((match) => match !== null);
    expect(lines.length).to.equal(20);
    for (const [, path, value, permissions] of lines) {
      tools.ask("WRITE", `${path}|${value}`);
      tools.ask("SET_PERMS", `${path}|${permissions.replaceAll(",", "|")}|`);
    }
    for (const home of ["/local/domain/0/backend/vscsi/1/0", "/local/domain/1/device/vscsi/0"]) {
      const below = lines.filter(([, path]) => path.startsWith(`${home}/`));
      const expected = below.map(([line, path]) => {
        const depth = path.split("/").length - home.split("/").length - 1;
        return `${" ".repeat(depth)}${line.slice(path.lastIndexOf("/") + 1)}\n`;
      });
      expect(world.xenstored.dump(home)).to.equal(expected.join(""));
    }
  });

  it("escapes what is not printable", () => {
    const world = new World();
    world.tools().ask("WRITE", '/tool/x|a|\t\n\r\\"\xff~');
    expect(world.xenstored.dump("/tool")).to.include('x = "a\\x00\\t\\n\\r\\\\"\\xff~"   (n0)\n');
    expect(world.xenstored.dump("/none")).to.equal("");
  });
});
