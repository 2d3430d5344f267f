// Replays what the real xenstored 4.17 and its real clients said, message by message.

import { expect } from "chai";
import { goldenBytes } from "../../support/repository.js";
import { type RawMessage, type RawPeer, rawBytes, typeNumber, World } from "./xenstore-support.js";

interface Line {
  readonly peer: string;
  readonly way: ">" | "<";
  readonly name: string;
  readonly id: number;
  readonly transaction: number;
  /** Bytes of the whole payload. */
  readonly length: number;
  readonly payload: string;
  /** The payload is only its beginning. */
  readonly cut: boolean;
  tail: string;
}

interface Exchange {
  readonly request: Line;
  readonly replies: Line[];
}

/** Its reply lists commands of xenstored that are no requests of a store: log files, memory reports, live update. */
const SKIPPED = ["A CONTROL req=96"];

const LINE = /^\s*(\w+) ([<>]) (\w+)(?: req=(\d+) tx=(\d+)(?: len=(\d+))? b(['"])(.*)\7(\.\.\.)?(?:\((\d+)\))?)?$/;

function golden(name: string): string[] {
  return Buffer.from(goldenBytes(name)).toString("latin1").split("\n");
}

/** Python's escapes in a bytes literal. */
function fromPython(text: string): string {
  return text.replace(/\\(x..|.)/g, (_, code: string) => {
    if (code[0] === "x") return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return { n: "\n", r: "\r", t: "\t" }[code] ?? code;
  });
}

function parseLine(text: string): Line | null {
  const match = LINE.exec(text);
  if (match === null) return null;
  const [, peer, way, name, id, transaction, len, , quoted = "", cut, total] = match;
  const payload = fromPython(quoted);
  const length = Number(len ?? total ?? payload.length);
  const isCut = cut !== undefined;
  return {
    peer,
    way: way as ">",
    name,
    id: Number(id),
    transaction: Number(transaction),
    length,
    payload,
    cut: isCut,
    tail: "",
  };
}

/** The exchanges between two marks `--...` of the transcript; replies without a request are left out. */
function exchanges(lines: readonly string[]): Exchange[] {
  const found: Exchange[] = [];
  for (const text of lines) {
    const tail = /^\s+tail b'(.*)'$/.exec(text);
    const line = parseLine(text);
    const replies = found.at(-1)?.replies;
    if (tail !== null && replies !== undefined) replies[replies.length - 1].tail = fromPython(tail[1]);
    if (line === null) continue;
    if (line.way === ">") found.push({ request: line, replies: [] });
    else replies?.push(line);
  }
  return found;
}

/** A payload of which the transcript has only the beginning: its last character is repeated; only WRITE has no NUL. */
function fullPayload({ name, payload, cut, length }: Line): string {
  if (!cut) return payload;
  const end = name === "WRITE" ? "" : "\0";
  return payload.padEnd(length - end.length, payload.at(-1)) + end;
}

const PART = typeNumber("DIRECTORY_PART");

/** Generations are any numbers: both sides are compared with `G` instead, and a length that fits. */
function checkReply(actual: RawMessage | undefined, expected: Line): void {
  const what = `${expected.peer} ${expected.name} req=${expected.id}`;
  if (actual === undefined) throw new Error(`no ${what}`);
  const masked = (text: string): string => (actual.type === PART ? text.replace(/^\d+/, "G") : text);
  const digits = (text: string): number => (actual.type === PART ? text.indexOf("\0") : 0);
  expect([actual.type, actual.id, actual.transaction], what).to.deep.equal([
    typeNumber(expected.name),
    expected.id,
    expected.transaction,
  ]);
  const payload = masked(actual.payload);
  const beginning = masked(expected.payload);
  expect(actual.payload.length - digits(actual.payload), what).to.equal(expected.length - digits(expected.payload));
  expect(expected.cut ? payload.slice(0, beginning.length) : payload, what).to.equal(beginning);
  expect(payload.slice(payload.length - expected.tail.length), what).to.equal(expected.tail);
}

class Replay {
  readonly world = new World();
  readonly #peers = new Map<string, RawPeer>();

  /** Request 1 is a connection's first: an older connection of that name is gone. */
  peer({ peer, id }: Line): RawPeer {
    const current = this.#peers.get(peer);
    if (current !== undefined && id !== 1) return current;
    current?.connection.close();
    const made = this.world.tools();
    this.#peers.set(peer, made);
    return made;
  }

  /** Sends the request; header and payload come apart, as the real clients send them. */
  run({ request, replies }: Exchange): void {
    const { name, id, transaction, peer } = request;
    const raw = rawBytes({ type: typeNumber(name), id, transaction, payload: fullPayload(request) });
    const sender = this.peer(request);
    sender.connection.receive(raw.subarray(0, 16));
    sender.connection.receive(raw.subarray(16));
    for (const [other, received] of this.#peers) {
      const actual = received.takenRaw();
      const expected = replies.filter((line) => line.peer === other);
      if (SKIPPED.includes(`${peer} ${name} req=${id}`)) continue;
      if (expected[0]?.name === "EOF") {
        expect(received.ended, `${peer} ${name} req=${id}`).to.be.a("string");
        continue;
      }
      for (const line of expected) checkReply(actual.shift(), line);
      expect(actual, `more after ${peer} ${name} req=${id}`).to.deep.equal([]);
    }
  }
}

const TRANSCRIPT = golden("xenstored-4.17-transcript.txt");

/** Lines of one section, up to the next mark. */
function section(mark: string): string[] {
  const start = TRANSCRIPT.findIndex((line) => line.startsWith(mark)) + 1;
  const length = TRANSCRIPT.slice(start).findIndex((line) => line.startsWith("--"));
  return TRANSCRIPT.slice(start, length < 0 ? undefined : start + length);
}

describe("xenstored 4.17's transcript", () => {
  const replay = new Replay();
  const { world } = replay;
  const setup = world.tools();
  /** Replays all requests of these lines, of which none may be lost in parsing. */
  const run = (lines: readonly string[]): void => {
    const list = exchanges(lines);
    expect(list.length)
      .to.equal(lines.filter((line) => /^\w > /.test(line)).length)
      .and.above(0);
    for (const exchange of list) replay.run(exchange);
  };

  before(() => {
    setup.ask("MKDIR", "/local|");
  });

  it("nodes", () => {
    run(TRANSCRIPT.slice(0, TRANSCRIPT.indexOf("--watches")));
  });

  it("watches", () => {
    run(section("--watches"));
  });

  it("transactions", () => {
    run(section("--transactions"));
  });

  it("domains", () => {
    run(section("--domains"));
  });

  it("directories in parts, control", () => {
    for (let i = 0; i < 300; i++) setup.send("WRITE", `/big/c${String(i).padStart(4, "0")}-xxxxxxxxxx|`);
    setup.taken();
    run(section("--directory_part"));
  });

  it("sizes: 4096 bytes are taken, 4097 end the connection", () => {
    run(section("--size"));
  });

  it("END with a wrong payload leaves the transaction open", () => {
    run(section("--END X"));
  });

  it("one byte at a time, and three requests at once", () => {
    const peer = world.tools();
    const request = (id: number, name: string, path: string): Uint8Array =>
      rawBytes({ type: typeNumber(name), id, transaction: 0, payload: `${path}\0` });
    for (const byte of request(7, "READ", "/q/a")) peer.connection.receive(Uint8Array.of(byte));
    peer.connection.receive(
      Buffer.concat([request(7, "READ", "/q/a"), request(8, "READ", "/q/a"), request(9, "DIRECTORY", "/q")]),
    );
    const expected = [...section("--bytewise"), ...section("--pipelined")].map(parseLine);
    const actual = peer.takenRaw();
    expect(actual).to.have.length(4);
    for (const line of expected) if (line !== null) checkReply(actual.shift(), line);
  });

  it("odd arguments", () => {
    run(section("--misc"));
  });

  it("the quotas' text", () => {
    const lines = section("--quota text");
    run(lines);
    const text = lines.slice(lines.indexOf("Quota settings:"));
    expect(setup.answer("CONTROL", "quota|").replace("|", "")).to.equal(`${text.join("\n")}\n`);
  });

  it("a connection's transactions go with it", () => {
    const [start, write, check] = exchanges(section("--disconnect"));
    replay.run(start);
    replay.run(write);
    replay.peer({ ...start.request, id: 1 });
    replay.run(check);
  });

  it("a header with too large a length ends that connection only", () => {
    const peer = world.tools();
    peer.connection.receive(rawBytes({ type: 2, id: 1, transaction: 0, payload: "" }, 4097));
    peer.send("READ", "/|");
    expect(peer.taken()).to.deep.equal([]);
    expect(peer.ended).to.be.a("string");
    const [, , still] = exchanges(section("--oversize"));
    replay.run(still);
  });
});

describe("the real clients' messages", () => {
  const lines = golden("xenstore-clients-transcript.txt");

  /** A connection each; the server of this transcript counted transactions over all of them, xenstored does for each. */
  function replayClient(world: World, list: readonly Exchange[]): void {
    const peer = world.tools();
    let own = 0;
    let theirs = 0;
    for (const { request, replies } of list) {
      const { name, id, payload } = request;
      if (name === "TRANSACTION_START") theirs = Number.parseInt(replies[0].payload, 10);
      const transaction = request.transaction === 0 ? 0 : own;
      expect(request.transaction).to.be.oneOf([0, theirs]);
      peer.connection.receive(rawBytes({ type: typeNumber(name), id, transaction, payload }));
      const actual = peer.takenRaw();
      if (name === "TRANSACTION_START") own = Number.parseInt(actual[0].payload, 10);
      for (const line of replies) {
        const started = line.name === "TRANSACTION_START" ? { payload: `${own}\0`, length: 2 } : {};
        checkReply(actual.shift(), { ...line, transaction: line.transaction === 0 ? 0 : own, ...started });
      }
      expect(actual).to.deep.equal([]);
    }
    peer.connection.close();
  }

  it("are answered as the clients expect", () => {
    const world = new World();
    const setup = world.tools();
    setup.ask("SET_PERMS", "/|n0|r3|");
    for (const write of ["name|Domain-0", 'bin|a|\x01b\n"\\']) setup.ask("WRITE", `/local/domain/0/${write}`);
    for (let i = 0; i < 400; i++) setup.send("WRITE", `/big/child-${String(i).padStart(4, "0")}-xxxxx|`);
    setup.taken();
    const list = exchanges(lines);
    const clients = new Set(list.map(({ request }) => request.peer));
    expect(clients.size).to.equal(20);
    for (const client of clients)
      replayClient(
        world,
        list.filter(({ request }) => request.peer === client),
      );
  });
});
