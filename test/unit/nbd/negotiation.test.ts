import { HandshakeFlag, InfoType, OptionType, ReplyType, TransmissionFlag } from "@pvscsi/nbd";
import { expect } from "chai";
import { ModelStore } from "./model-store.js";
import { contextData, greetingReply, infoData, option, Peer, text, u16, u32 } from "./peer.js";

const MIB = 1024 * 1024;
const ALL =
  TransmissionFlag.hasFlags |
  TransmissionFlag.sendFlush |
  TransmissionFlag.sendFua |
  TransmissionFlag.sendTrim |
  TransmissionFlag.sendWriteZeroes |
  TransmissionFlag.canMultiConn |
  TransmissionFlag.sendCache |
  TransmissionFlag.sendFastZero;

function greeted(...extra: ConstructorParameters<typeof Peer>[0]): Peer {
  const disk = { name: "disk", description: "the first", store: new ModelStore(MIB), minimumBlock: 512 };
  const peer = new Peer([disk, ...extra]).give(greetingReply());
  peer.takeGreeting();
  return peer;
}

function types(peer: Peer): number[] {
  return peer.takeOptions().map((answer) => answer.type);
}

describe("nbd handshake", () => {
  it("greets with the bytes of fixed newstyle", () => {
    const peer = new Peer([{ name: "", store: new ModelStore(512) }]).work();
    expect(peer.received.toString("latin1")).to.equal("NBDMAGICIHAVEOPT\0\x03");
    peer.close();
  });

  it("answers EXPORT_NAME with size, flags and, unless both said otherwise, zeroes", () => {
    for (const [flags, length] of [
      [HandshakeFlag.fixedNewstyle, 134],
      [HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes, 10],
      [0, 134],
    ]) {
      const peer = new Peer([{ name: "disk", store: new ModelStore(MIB) }]);
      peer.give(greetingReply(flags), option(OptionType.exportName, Buffer.from("disk")));
      peer.takeGreeting();
      expect(peer.received.length).to.equal(length);
      expect(peer.received.readBigUInt64BE(0)).to.equal(BigInt(MIB));
      expect(peer.received.readUInt16BE(8)).to.equal(ALL);
      expect(peer.received.subarray(10).every((byte) => byte === 0)).to.equal(true);
      peer.close();
    }
  });

  it("ends the connection over an unknown EXPORT_NAME, one that is no UTF-8, and one that is too long", () => {
    for (const name of [Buffer.from("other"), Buffer.from([0xff]), Buffer.alloc(20_000, 0x61)]) {
      const peer = greeted().give(option(OptionType.exportName, name));
      expect(peer.destroyed).to.equal(true);
      expect(peer.failures.length).to.equal(1);
      peer.close();
    }
  });

  it("ends the connection over an unknown client flag and a wrong option magic", () => {
    const flags = new Peer([{ name: "", store: new ModelStore(512) }]).give(greetingReply(4));
    expect([flags.destroyed, flags.failures]).to.deep.equal([true, ["client flags 0x4"]]);
    flags.close();
    const magic = greeted().give(Buffer.from("IHAVEOPt\0\0\0\x07\0\0\0\0", "latin1"));
    expect([magic.destroyed, magic.failures]).to.deep.equal([true, ["option magic 0x49484156_454f5074"]]);
    magic.close();
  });

  it("tells the export and its block sizes for INFO and GO, names when asked", () => {
    const peer = greeted();
    peer.give(option(OptionType.info, infoData("", InfoType.name, InfoType.description, InfoType.blockSize, 77)));
    const answers = peer.takeOptions();
    expect(answers.map((answer) => answer.type)).to.deep.equal([3, 3, 3, 3, ReplyType.acknowledge]);
    const [exported, sizes, name, description] = answers.map((answer) => answer.data);
    expect(exported.toString("hex")).to.equal(`0000${"0000000000100000"}${ALL.toString(16).padStart(4, "0")}`);
    expect(sizes).to.deep.equal(Buffer.concat([u16(3), u32(512), u32(4096), u32(32 * MIB)]));
    expect(name.toString("latin1")).to.equal("\0\x01disk");
    expect(description.toString("latin1")).to.equal("\0\x02the first");
    peer.give(option(OptionType.go, infoData("disk")));
    expect(types(peer)).to.deep.equal([3, 3, ReplyType.acknowledge]);
    expect(peer.ask(0, { length: 512 }).data.length).to.equal(512);
    peer.close();
  });

  it("says DF only with structured replies, and read-only flags for what is read-only", () => {
    const flagsAfter = (peer: Peer, name: string) => {
      peer.give(option(OptionType.info, infoData(name)));
      return peer.takeOptions()[0].data.readUInt16BE(10);
    };
    const peer = greeted(
      { name: "asked", store: new ModelStore(MIB), readOnly: true },
      { name: "by nature", store: new ModelStore(MIB, { readOnly: true }) },
      { name: "fixed", store: new ModelStore(MIB, { discard: false }) },
    );
    const readOnly =
      ALL & ~(TransmissionFlag.sendTrim | TransmissionFlag.sendWriteZeroes | TransmissionFlag.sendFastZero);
    expect(flagsAfter(peer, "asked")).to.equal(readOnly | TransmissionFlag.readOnly);
    expect(flagsAfter(peer, "by nature")).to.equal(readOnly | TransmissionFlag.readOnly);
    expect(flagsAfter(peer, "fixed")).to.equal(ALL & ~TransmissionFlag.sendTrim);
    peer.give(option(OptionType.structuredReply));
    expect(types(peer)).to.deep.equal([ReplyType.acknowledge]);
    expect(flagsAfter(peer, "disk")).to.equal(ALL | TransmissionFlag.sendDf);
    peer.close();
  });

  it("lists the exports", () => {
    const peer = greeted({ name: "später", store: new ModelStore(512) });
    peer.give(option(OptionType.list));
    const answers = peer.takeOptions();
    expect(answers.map((answer) => answer.type)).to.deep.equal([2, 2, ReplyType.acknowledge]);
    expect(answers[0].data).to.deep.equal(Buffer.concat([text("disk"), Buffer.from("the first")]));
    expect(answers[1].data).to.deep.equal(text("später"));
    peer.close();
  });

  it("acknowledges ABORT and then ends", () => {
    const peer = greeted();
    peer.hold = true;
    peer.give(option(OptionType.abort, Buffer.from("data is ignored")));
    expect(peer.ended, "not before the reply has left").to.equal(false);
    peer.deliver();
    expect(types(peer)).to.deep.equal([ReplyType.acknowledge]);
    expect(peer.ended).to.equal(true);
    peer.close();
  });

  it("refuses what it does not know or cannot read, and goes on", () => {
    const cases: readonly [number, Buffer, number][] = [
      [OptionType.startTls, Buffer.alloc(0), ReplyType.errorUnsupported],
      [4, Buffer.alloc(0), ReplyType.errorUnsupported],
      [11, Buffer.alloc(0), ReplyType.errorUnsupported],
      [0xffff_ffff, Buffer.alloc(3), ReplyType.errorUnsupported],
      [OptionType.list, Buffer.alloc(1), ReplyType.errorInvalid],
      [OptionType.structuredReply, Buffer.alloc(1), ReplyType.errorInvalid],
      [OptionType.info, infoData("nobody"), ReplyType.errorUnknown],
      [OptionType.go, infoData("nobody"), ReplyType.errorUnknown],
      [OptionType.go, Buffer.alloc(0), ReplyType.errorInvalid],
      [OptionType.go, Buffer.concat([u32(5), Buffer.from("disk")]), ReplyType.errorInvalid],
      [OptionType.go, Buffer.concat([text("disk"), u16(2), u16(3)]), ReplyType.errorInvalid],
      [OptionType.go, Buffer.concat([infoData("disk"), u16(3)]), ReplyType.errorInvalid],
      [OptionType.go, infoData("disk\0"), ReplyType.errorInvalid],
      [OptionType.go, infoData("x".repeat(4097)), ReplyType.errorInvalid],
      [OptionType.go, Buffer.concat([u32(1), Buffer.from([0xfe]), u16(0)]), ReplyType.errorInvalid],
      [OptionType.go, Buffer.alloc(20_000), ReplyType.errorTooBig],
    ];
    const peer = greeted();
    for (const [type, data, reply] of cases) {
      const answers = peer.give(option(type, data)).takeOptions();
      expect(answers.map((answer) => [answer.option, answer.type])).to.deep.equal([[type, reply]]);
    }
    peer.give(option(OptionType.go, infoData("disk")));
    expect(types(peer)).to.deep.equal([3, 3, ReplyType.acknowledge]);
    peer.close();
  });

  it("ends the connection over an option of absurd length without waiting for it", () => {
    const peer = greeted().give(option(OptionType.info, Buffer.alloc(0), 0xffff_ffff));
    expect(peer.destroyed).to.equal(true);
    peer.close();
  });

  describe("metadata contexts", () => {
    const { listMetaContext: list, setMetaContext: set } = OptionType;
    const context = (id: number) => Buffer.concat([u32(id), Buffer.from("base:allocation")]);

    it("come after structured replies only", () => {
      const peer = greeted().give(option(set, contextData("", "base:allocation")), option(list, contextData("")));
      expect(types(peer)).to.deep.equal([ReplyType.errorInvalid, ReplyType.errorInvalid]);
      peer.close();
    });

    it("are listed and set by name; unknown ones are passed over", () => {
      const peer = greeted().give(option(OptionType.structuredReply));
      peer.takeOptions();
      const cases: readonly [number, string[], boolean][] = [
        [list, [], true],
        [list, ["base:"], true],
        [list, ["base:allocation"], true],
        [list, ["qemu:allocation-depth", "base:other"], false],
        [set, [], false],
        [set, ["base:"], false],
        [set, ["x-own:thing", "base:allocation"], true],
      ];
      for (const [type, queries, found] of cases) {
        const answers = peer.give(option(type, contextData("disk", ...queries))).takeOptions();
        expect(answers.length, queries.join()).to.equal(found ? 2 : 1);
        expect(answers.at(-1)?.type).to.equal(ReplyType.acknowledge);
        if (found) expect(answers[0].data).to.deep.equal(context(type === set ? 1 : 0));
      }
      peer.close();
    });

    it("refuse malformed queries and unknown exports", () => {
      const peer = greeted().give(option(OptionType.structuredReply));
      peer.takeOptions();
      peer.give(option(set, Buffer.concat([text("disk"), u32(0xffff_ffff), text("base:allocation")])));
      peer.give(option(set, Buffer.concat([text("disk"), u32(1), u32(400), Buffer.from("base:")])));
      peer.give(option(list, contextData("nobody")));
      expect(types(peer)).to.deep.equal([ReplyType.errorInvalid, ReplyType.errorInvalid, ReplyType.errorUnknown]);
      peer.close();
    });

    it("allow BLOCK_STATUS only on the export they were last set for", () => {
      const status = (...options: readonly Buffer[]) => {
        const peer = greeted({ name: "other", store: new ModelStore(MIB) });
        peer.give(option(OptionType.structuredReply), ...options, option(OptionType.go, infoData("disk")));
        peer.takeOptions();
        const { error } = peer.ask(7, { length: 4096 });
        peer.close();
        return error;
      };
      const wanted = option(set, contextData("disk", "base:allocation"));
      expect(status(wanted)).to.equal(0);
      expect(status(option(set, contextData("", "base:allocation")))).to.equal(0);
      expect(status()).to.equal(22);
      expect(status(option(set, contextData("other", "base:allocation")))).to.equal(22);
      expect(status(wanted, option(set, contextData("disk")))).to.equal(22);
      expect(status(wanted, option(set, Buffer.alloc(2)))).to.equal(22);
      expect(status(wanted, option(set, Buffer.alloc(20_000)))).to.equal(22);
    });
  });

  it("has to be over in time", () => {
    const store = new ModelStore(512);
    const slow = new Peer([{ name: "", store }], { handshakeTimeout: 50 }).give(greetingReply());
    slow.simulation.step();
    expect([slow.simulation.now(), slow.destroyed]).to.deep.equal([50, true]);
    expect(slow.failures).to.deep.equal(["no export chosen within 50 ms"]);
    slow.close();
    const quick = new Peer([{ name: "", store }], { handshakeTimeout: 50 }).connect();
    expect(quick.simulation.step(), "the timer is disarmed").to.equal(false);
    quick.close();
  });

  it("reads no further options while its replies are not taken", () => {
    const peer = greeted();
    peer.hold = true;
    const list = option(OptionType.list);
    for (let i = 0; i < 10_000 && !peer.paused; i++) peer.give(list);
    expect(peer.paused).to.equal(true);
    const sent = () => peer.sending.reduce((sum, { copy }) => sum + copy.length, 0);
    const before = sent();
    peer.give(list, list);
    expect(sent()).to.equal(before);
    expect(before).to.be.below(70_000);
    peer.hold = false;
    peer.deliver();
    peer.work();
    expect(peer.paused).to.equal(false);
    expect(peer.takeOptions().length % 2).to.equal(0);
    peer.close();
  });
});
