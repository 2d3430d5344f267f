// Reservations through a loss of power: when they are written, what of it comes back, and that nothing else does.

import { SENSE, StoreError } from "@pvscsi/scsi";
import { expect } from "chai";
import { ScriptedKeeper } from "../../support/scripted-keeper.js";
import { IDENTITY, type Initiator, type Sent, toHex } from "./initiator.js";
import { fullStatus, IN, keys, move, OUT, out, persistentIn, port, reservation, Shared } from "./reserving.js";

const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await null;
};

/** Sends when what came before is done, and waits until it is done as well. */
async function done(sent: Sent): Promise<Sent> {
  await settle();
  return sent;
}

const UNIT = `naa.${IDENTITY.wwn}`;
const id = (name: string): string => toHex(port(name).bytes).replaceAll(" ", "");
const TITLE = "pvscsi persistent reservations, version 1";

describe("reservations with APTPL", () => {
  it("come back as they were, but for the generation, in a unit that is made anew", async () => {
    const keeper = new ScriptedKeeper();
    const shared = new Shared({ keeper }, [1, 2]);
    const [one, two] = [shared.initiator("one"), shared.initiator("two", { targetPort: 2 })];
    (await done(out(one, OUT.register, { serviceKey: 0x123, aptpl: true }))).good();
    (await done(out(two, OUT.register, { serviceKey: 0x456, aptpl: true }))).good();
    (await done(out(two, OUT.reserve, { key: 0x456, type: 5 }))).good();
    expect(keeper.kept?.split("\n")).to.deep.equal([
      TITLE,
      `unit ${UNIT}`,
      "type 5",
      `registered 0000000000000123 port 1 initiator ${id("one")}`,
      `holder 0000000000000456 port 2 initiator ${id("two")}`,
      "end",
      "",
    ]);
    const again = new Shared({ keeper }, [1, 2]);
    const stranger = again.initiator("stranger");
    expect(fullStatus(stranger)).to.deep.equal(fullStatus(one));
    expect(reservation(stranger)).to.deep.equal({ key: 0x456, type: 5 });
    expect(keys(stranger).generation).to.equal(0);
    expect(persistentIn(stranger, IN.capabilities).data).to.equal("00 08 9d c1 ea 01 00 00");
    (await done(out(again.initiator("one"), OUT.preempt, { key: 0x123, serviceKey: 0x456, type: 8 }))).good();
    expect(keeper.kept).to.include("\ntype 8\nregistered");
    expect(reservation(new Shared({ keeper }).initiator("stranger"))).to.deep.equal({ key: 0, type: 8 });
  });

  it("are forgotten when the last APTPL is zero, and those without it are never written", async () => {
    const keeper = new ScriptedKeeper();
    const one = new Shared({ keeper }).initiator("one");
    out(one, OUT.register, { serviceKey: 1 }).good();
    out(one, OUT.reserve, { key: 1, type: 1 }).good();
    expect(keeper.asked).to.deep.equal([]);
    (await done(out(one, OUT.register, { key: 1, serviceKey: 2, aptpl: true }))).good();
    expect(keeper.kept).to.include("holder 0000000000000002");
    // What changes nothing is not written again.
    (await done(out(one, OUT.reserve, { key: 2, type: 1 }))).good();
    (await done(move(one, { key: 2, serviceKey: 3, aptpl: true, to: port("two").bytes }))).good();
    expect(keeper.asked).to.have.length(2);
    (await done(out(one, OUT.registerAndIgnore, { serviceKey: 4 }))).good();
    expect(keeper.kept).to.equal(null);
    expect(keys(new Shared({ keeper }).initiator("any")).keys).to.deep.equal([]);
  });

  it("are answered when they are durable, one after the other", async () => {
    const keeper = new ScriptedKeeper();
    const shared = new Shared({ keeper });
    const [one, two] = [shared.initiator("one"), shared.initiator("two")];
    keeper.holding = true;
    const first = out(one, OUT.register, { serviceKey: 1, aptpl: true });
    const second = out(two, OUT.registerAndIgnore, { serviceKey: 2, aptpl: true });
    await settle();
    expect([first.ends, second.ends, keeper.asked.length]).to.deep.equal([0, 0, 1]);
    expect(keys(two).keys).to.deep.equal([]);
    keeper.held?.resolve();
    await settle();
    first.good();
    expect([second.ends, keeper.asked.length]).to.deep.equal([0, 2]);
    expect(keys(two).keys).to.deep.equal([1]);
    let closed = false;
    const closing = shared.disk.close().then(() => {
      closed = true;
    });
    await settle();
    expect(closed).to.equal(false);
    keeper.held?.resolve();
    await closing;
    second.good();
  });

  const ends: { readonly [how: string]: (shared: Shared, one: Initiator) => Promise<unknown> } = {
    "its nexus is closed": (_shared, one) => one.nexus.close(),
    "its LUN is taken out": (shared) => shared.target.remove(0),
    "the unit is reset": (_shared, one) =>
      new Promise((completed) => one.nexus.manage({ function: "logical-unit-reset", lun: 0, completed })),
    "its task set is aborted": (_shared, one) =>
      new Promise((completed) => one.nexus.manage({ function: "abort-task-set", lun: 0, completed })),
  };
  for (const [how, end] of Object.entries(ends)) {
    it(`are changed by what is being written when ${how}, which waits for it, and by nothing behind that`, async () => {
      const keeper = new ScriptedKeeper();
      const shared = new Shared({ keeper });
      const one = shared.initiator("one");
      keeper.holding = true;
      const first = out(one, OUT.register, { serviceKey: 1, aptpl: true });
      const second = out(one, OUT.registerAndIgnore, { serviceKey: 2, aptpl: true });
      let ended = false;
      const ending = end(shared, one).then(() => {
        ended = true;
      });
      await settle();
      expect([ended, first.ends, second.ends, second.task.aborted]).to.deep.equal([false, 0, 1, true]);
      keeper.held?.resolve();
      await ending;
      expect([first.ends, first.task.aborted, keeper.asked.length]).to.deep.equal([1, true, 1]);
      expect(keeper.kept).to.include("registered 0000000000000001");
      keeper.holding = false;
      const again = new Shared({ keeper }).initiator("any");
      expect(keys(again).keys).to.deep.equal([1]);
    });
  }

  it("are as they were when they cannot be written, which is told; the next are written whatever they are", async () => {
    const keeper = new ScriptedKeeper();
    const one = new Shared({ keeper }).initiator("one");
    (await done(out(one, OUT.register, { serviceKey: 1, aptpl: true }))).good();
    keeper.holding = true;
    const failing = out(one, OUT.register, { key: 1, serviceKey: 2, aptpl: true });
    keeper.held?.reject(new Error("no space"));
    await settle();
    failing.checked(SENSE.internalTargetFailure);
    expect(keys(one)).to.deep.equal({ generation: 1, keys: [1] });
    keeper.holding = false;
    // It may have been written all the same.
    keeper.kept = "something else";
    (await done(out(one, OUT.register, { key: 1, serviceKey: 1, aptpl: true }))).good();
    expect(keeper.kept).to.include("0000000000000001");
  });

  it("are refused where they cannot be kept", () => {
    const one = new Shared().initiator("one");
    const refused = (sent: Sent, pointer: string) => sent.checked(SENSE.invalidFieldInParameterList, pointer);
    refused(out(one, OUT.register, { serviceKey: 1, aptpl: true }), "88 00 14");
    refused(out(one, OUT.registerAndIgnore, { serviceKey: 1, aptpl: true }), "88 00 14");
    out(one, OUT.register, { serviceKey: 1 }).good();
    out(one, OUT.reserve, { key: 1, type: 1 }).good();
    refused(move(one, { key: 1, serviceKey: 2, aptpl: true, to: port("two").bytes }), "88 00 11");
    expect(keys(one)).to.deep.equal({ generation: 1, keys: [1] });
  });
});

describe("what is found where reservations were kept", () => {
  const line = (role: string, name: string, key = "00000000000000ab", p = 1): string =>
    `${role} ${key} port ${p} initiator ${id(name)}`;
  const text = (type: string, ...lines: string[]): string =>
    [TITLE, `unit ${UNIT}`, `type ${type}`, ...lines, "end", ""].join("\n");

  function open(kept: string): string {
    try {
      new Shared({ keeper: Object.assign(new ScriptedKeeper(), { kept }) });
      return "";
    } catch (error) {
      expect(error).to.be.instanceOf(StoreError);
      return (error as Error).message;
    }
  }

  it("is taken when it is whole", () => {
    expect(open(text("none"))).to.equal("");
    expect(open(text("none", line("registered", "a"), line("registered", "b")))).to.equal("");
    expect(open(text("3", line("registered", "a"), line("holder", "b", "ffffffffffffffff", 65535)))).to.equal("");
    expect(open(text("7", line("registered", "a")))).to.equal("");
  });

  const good = text("3", line("holder", "a"), line("registered", "b"));
  const wrong: readonly (readonly [string, string, string])[] = [
    ["nothing", "", `line 1 is "", expected "${TITLE}"`],
    ["zeros", "\0".repeat(4096), `line 1 is "${"\\u0000".repeat(80)}", expected`],
    ["another version", good.replace("version 1", "version 2"), "line 1 is"],
    ["another unit's", good.replace(UNIT, "naa.5000c50012345679"), `expected "unit ${UNIT}"`],
    ["a type that there is not", good.replace("type 3", "type 4"), "line 3 is"],
    ["a type in other words", good.replace("type 3", "type 3 "), "line 3 is"],
    ["no end", good.slice(0, -5), "line 4 is"],
    ["something behind the end", `${good}x`, "line 6 is"],
    ["a cut line", good.replace(/06[0-9a-f]{20}(?=[0-9a-f]*\nend)/, ""), "line 5 is"],
    ["no key", text("none", line("registered", "a", "0000000000000000")), "line 4 is"],
    ["a key in capitals", text("none", line("registered", "a", "00000000000000AB")), "line 4 is"],
    ["port 0", text("none", line("registered", "a", undefined, 0)), "line 4 is"],
    ["port 65536", text("none", line("registered", "a", undefined, 65536)), "line 4 is"],
    ["a nexus twice", text("none", line("registered", "a"), line("registered", "a")), "line 5 is"],
    ["two holders", text("1", line("holder", "a"), line("holder", "b")), "line 5 is"],
    ["a holder of nothing", text("none", line("holder", "a")), "line 4 is"],
    ["a holder where all hold it", text("8", line("holder", "a")), "line 4 is"],
    ["a reservation without its holder", text("1", line("registered", "a")), "line 5 is"],
    ["a reservation without anybody", text("8"), "line 4 is"],
    ["a TransportID with something in its reserved bytes", good.replace(/00\nend/, "01\nend"), "line 5 is"],
    ["a TransportID that is none", good.replaceAll("initiator 06", "initiator 07"), "line 4 is"],
    [
      "too many",
      text("none", ...Array.from({ length: 1025 }, (_, i) => line("registered", `${i}`))),
      "expected no more than 1024",
    ],
  ];
  for (const [what, kept, message] of wrong) it(`is refused: ${what}`, () => expect(open(kept)).to.include(message));

  it("is refused with any byte changed, or is a whole text of other keys", () => {
    for (let at = 0; at < good.length; at++) {
      for (const byte of ["\0", "\n", "z"]) {
        if (good[at] === byte) continue;
        expect(open(good.slice(0, at) + byte + good.slice(at + 1)), `${byte} at ${at}`).not.to.equal("");
      }
      expect(open(good.slice(0, at)), `cut at ${at}`).not.to.equal("");
    }
  });
});
