// A disk's reservations against a model of SPC-4's tables, through any sequence of nexuses and what they do: every answer, every unit
// attention and the whole state after each step. A failure says its seed, and the shortest sequence that fails.

import { type Keeper, Status } from "@pvscsi/scsi";
import { expect } from "chai";
import fc from "fast-check";
import { type Initiator, type Sent, toHex } from "./initiator.js";
import { type Ask, ReservationModel, type Who } from "./reservation-model.js";
import { basicList, fullStatus, keys, moveList, out, port, reservation, Shared } from "./reserving.js";

const NAMES = ["a", "b", "c"];
const NEXUSES: readonly Who[] = NAMES.flatMap((name) => [1, 2].map((p) => ({ name, port: p })));

interface Step {
  readonly kind: "out" | "reserve" | "release" | "read" | "write" | "leave" | "lose" | "reset" | "power";
  /** Which nexus. */
  readonly nexus: number;
  /** Whose key is given: the own one, whatever it is, or another. */
  readonly ownKey: boolean;
  /** The service action's key is what this nexus has, if it has one. */
  readonly keyOf: number | null;
  readonly ask: Ask;
}

/** Few of them are much at work, so that they meet. */
const who = fc.oneof({ weight: 3, arbitrary: fc.nat(2) }, fc.nat(NEXUSES.length - 1));
const rarely = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 24, arbitrary: fc.constant("out" as const) },
    { weight: 4, arbitrary: fc.constantFrom("read" as const, "write" as const) },
    { weight: 1, arbitrary: fc.constantFrom("reserve" as const, "release" as const, "leave" as const) },
    { weight: 1, arbitrary: fc.constantFrom("lose" as const, "reset" as const, "power" as const) },
  ),
  nexus: who,
  ownKey: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
  keyOf: fc.option(who, { nil: null, freq: 3 }),
  ask: fc.record({
    action: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(0, 6) },
      { weight: 5, arbitrary: fc.constantFrom(1, 2, 3, 4, 5, 7, 8) },
    ),
    scope: rarely.map((is) => (is ? 1 : 0)),
    type: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(1, 3, 5, 6, 7, 8) }, fc.constantFrom(0, 2, 4, 9)),
    key: fc.nat(3),
    serviceKey: fc.nat(3),
    aptpl: fc.boolean(),
    allTgPt: rarely,
    others: fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, fc.uniqueArray(fc.constantFrom(...NAMES, "d"))),
    to: fc.record({ name: fc.constantFrom(...NAMES, "d"), port: fc.constantFrom(1, 1, 1, 2, 2, 2, 3) }),
    unreg: fc.boolean(),
  }),
});

/** The disk, its nexuses by their index, and one that only looks. */
class Pair {
  readonly model = new ReservationModel();
  readonly #keeper = new MemoryKeeper();
  #shared!: Shared;
  #initiators: (Initiator | null)[] = [];
  #observer!: Initiator;

  constructor() {
    this.#powerOn();
  }

  #powerOn(): void {
    this.#shared = new Shared({ keeper: this.#keeper }, [1, 2]);
    this.#initiators = NEXUSES.map((nexus) => this.#come(nexus));
    this.#observer = this.#shared.initiator("observer");
  }

  #come({ name, port: targetPort }: Who): Initiator {
    const initiator = this.#shared.initiator(name, { targetPort });
    attentions(initiator);
    return initiator;
  }

  async run(taken: Step): Promise<void> {
    const nexus = NEXUSES[taken.nexus];
    const { model } = this;
    model.told = [];
    const initiator = this.#initiators[taken.nexus] ?? this.#come(nexus);
    this.#initiators[taken.nexus] = initiator;
    const legacy = (opcode: string): Promise<string> => this.#answer(initiator.send(`${opcode} 00 00 00 00 00`));
    const move = (cdb: string): Promise<string> => this.#answer(initiator.send(cdb));
    switch (taken.kind) {
      case "out": {
        const there = taken.keyOf === null ? undefined : model.row(NEXUSES[taken.keyOf]);
        const serviceKey = there?.key ?? taken.ask.serviceKey;
        const ask = { ...taken.ask, serviceKey, ...(taken.ownKey && { key: model.row(nexus)?.key ?? 0 }) };
        const expected = model.out(nexus, ask);
        expect(await this.#answer(this.#out(initiator, ask)), "PERSISTENT RESERVE OUT").to.equal(expected);
        break;
      }
      case "reserve":
        expect(await legacy("16"), "RESERVE").to.equal(model.legacy(nexus, true));
        break;
      case "release":
        expect(await legacy("17"), "RELEASE").to.equal(model.legacy(nexus, false));
        break;
      case "read":
      case "write": {
        const opcode = taken.kind === "read" ? "28" : "2a";
        const expected = model.conflicts(nexus, taken.kind === "write") ? "conflict" : "good";
        expect(await move(`${opcode} 00 00 00 00 00 00 00 00 00`), taken.kind).to.equal(expected);
        break;
      }
      default:
        await this.#lose(taken.kind, taken.nexus, initiator);
    }
    this.#compare(taken.kind);
  }

  #out(initiator: Initiator, ask: Ask): Sent {
    const others = ask.others?.map((name) => port(name).bytes);
    const { action, key, serviceKey, type, scope, aptpl, allTgPt, unreg, to } = ask;
    const list =
      action === 7
        ? moveList({ key, serviceKey, aptpl, unreg, to: port(to.name).bytes, port: to.port })
        : basicList({ key, serviceKey, aptpl, allTgPt, ...(others && { others }) });
    return out(initiator, action, { type, scope, list });
  }

  async #answer(sent: Sent): Promise<string> {
    for (let turns = 0; sent.ends === 0 && turns < 10; turns++) await null;
    if (sent.status === Status.good) return "good";
    if (sent.status === Status.reservationConflict) return "conflict";
    return toHex(sent.task.sense.subarray(12, 14));
  }

  async #lose(kind: Step["kind"], index: number, initiator: Initiator): Promise<void> {
    const { model } = this;
    const nexus = NEXUSES[index];
    switch (kind) {
      case "leave":
        await initiator.nexus.close();
        this.#initiators[index] = null;
        return model.lost(nexus);
      case "lose":
        initiator.nexus.manage({ function: "i-t-nexus-reset", lun: 0, completed: () => {} });
        model.told.push(`${nexus.name} ${nexus.port} 29 07`);
        return model.lost(nexus);
      case "reset":
        initiator.nexus.manage({ function: "logical-unit-reset", lun: 0, completed: () => {} });
        model.told = NEXUSES.map(({ name, port: p }) => `${name} ${p} 29 03`);
        model.reserver = null;
        this.#observer.settle();
        return;
      case "power":
        this.#powerOn();
        return model.powerLoss();
    }
  }

  /** Attentions of those who are there, and everything that can be read. */
  #compare(kind: string): void {
    const { model } = this;
    for (const [index, { name, port: p }] of NEXUSES.entries()) {
      const initiator = this.#initiators[index];
      const owed = model.told.filter((line) => line.startsWith(`${name} ${p} `)).map((line) => line.slice(4));
      if (initiator !== null) expect(attentions(initiator), `what ${name} ${p} hears of ${kind}`).to.deep.equal(owed);
    }
    if (model.reserver !== null) {
      expect(this.#observer.send("5e 00 00 00 00 00 00 00 08 00", { room: 8 }).status).to.equal(
        Status.reservationConflict,
      );
      return;
    }
    const names = new Map([...NAMES, "d"].map((name) => [toHex(port(name).bytes).replaceAll(" ", ""), name]));
    const found = fullStatus(this.#observer).map((line) => {
      const at = line.lastIndexOf(" ") + 1;
      return line.slice(0, at) + names.get(line.slice(at));
    });
    expect(found).to.deep.equal(model.status());
    expect(keys(this.#observer)).to.deep.equal({
      generation: model.generation,
      keys: model.rows.map(({ key }) => key),
    });
    const { held } = model;
    const key = held === null || held.type >= 7 ? 0 : (model.row(held.who)?.key ?? -1);
    expect(reservation(this.#observer)).to.deep.equal(held === null ? null : { key, type: held.type });
  }
}

class MemoryKeeper implements Keeper {
  kept: string | null = null;

  async keep(text: string | null): Promise<void> {
    this.kept = text;
  }
}

/** Takes off all that are pending, by REQUEST SENSE: no reservation keeps that out. */
function attentions(initiator: Initiator): string[] {
  const found: string[] = [];
  for (;;) {
    const { bytes } = initiator.send("03 00 00 00 20 00", { room: 32 });
    if ((bytes[2] & 15) === 0) return found;
    found.push(toHex(bytes.subarray(12, 14)));
  }
}

describe("reservations and a model of SPC-4's tables", () => {
  it("stay the same through anything that six nexuses do", async () => {
    let out = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80, size: "max" }), async (steps) => {
        const pair = new Pair();
        for (const one of steps) await pair.run(one);
        out += pair.model.generation > 0 ? 1 : 0;
      }),
      { numRuns: 60 },
    );
    expect(out).to.be.greaterThan(40);
  }).timeout(60_000);
});
