import { LoadedTape } from "@pvscsi/scsi";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import type { Initiator } from "./initiator.js";
import {
  ended,
  locate,
  position,
  read,
  rewind,
  setBlockLength,
  space,
  withTape,
  write,
  writeFilemarks,
} from "./taping.js";

const STEPS = 2000;

/** A tape as a list: a record is what it is filled with and how long it is, a filemark is null. */
class Model {
  objects: ({ readonly fill: number; readonly length: number } | null)[] = [];
  at = 0;

  put(object: Model["objects"][number]): string {
    this.objects.length = this.at;
    this.objects.push(object);
    this.at += 1;
    return "good";
  }

  /** READ(6) of one block. */
  read(length: number): string {
    const here = this.objects[this.at];
    if (here === undefined) return `8/0/5 ${length}`;
    this.at += 1;
    if (here === null) return `0/0/1 filemark ${length}`;
    return here.length === length ? "good" : `0/0/0 ili ${length - here.length}`;
  }

  /** READ(6) of blocks with FIXED; step by step, where the drive takes many at once. */
  readBlocks(count: number, blockLength: number): string {
    for (let left = count; left > 0; left--) {
      const here = this.objects[this.at];
      if (here === undefined) return `8/0/5 ${left}`;
      this.at += 1;
      if (here === null) return `0/0/1 filemark ${left}`;
      if (here.length !== blockLength) return `0/0/0 ili ${left}`;
    }
    return "good";
  }

  spaceBlocks(count: number): string {
    for (let left = Math.abs(count); left > 0; left--) {
      if (count < 0 && this.at === 0) return `0/0/4 eom ${left}`;
      const here = this.objects[count < 0 ? this.at - 1 : this.at];
      if (here === undefined) return `8/0/5 ${left}`;
      this.at += Math.sign(count);
      if (here === null) return `0/0/1 filemark ${left}`;
    }
    return "good";
  }

  spaceFilemarks(count: number): string {
    for (let left = Math.abs(count); left > 0; ) {
      if (count < 0 && this.at === 0) return `0/0/4 eom ${left}`;
      const here = this.objects[count < 0 ? this.at - 1 : this.at];
      if (here === undefined) return `8/0/5 ${left}`;
      this.at += Math.sign(count);
      if (here === null) left -= 1;
    }
    return "good";
  }

  /** Whether there are `count` filemarks together on the way; goes behind them, or before them on the way back. */
  spaceSequence(count: number): string {
    const wanted = Math.abs(count);
    for (let at = this.at, together = 0; together < wanted; ) {
      if (count < 0 && at === 0) {
        this.at = 0;
        return `0/0/4 eom ${wanted}`;
      }
      const here = this.objects[count < 0 ? at - 1 : at];
      if (here === undefined) {
        this.at = at;
        return `8/0/5 ${wanted}`;
      }
      at += Math.sign(count);
      together = here === null ? together + 1 : 0;
      if (together === wanted) this.at = at;
    }
    return "good";
  }

  locate(object: number): string {
    this.at = Math.min(object, this.objects.length);
    return this.at === object ? "good" : "8/0/5";
  }

  get file(): number {
    return this.objects.slice(0, this.at).filter((object) => object === null).length;
  }
}

const LENGTHS = [1, 2, 511, 512, 512, 512, 700];
const BLOCK = 512;

interface Both {
  readonly model: Model;
  readonly initiator: Initiator;
  readonly random: Random;
}

/** What is done to both; gives how it ended here, and how it should have. */
const MOVES: readonly ((both: Both) => [string, string])[] = [
  ({ model, initiator, random }) => {
    const record = { fill: random.below(256), length: LENGTHS[random.below(LENGTHS.length)] };
    return [ended(write(initiator, new Uint8Array(record.length).fill(record.fill))), model.put(record)];
  },
  ({ model, initiator, random }) => {
    const count = 1 + random.below(70);
    const fill = random.below(256);
    const sent = write(initiator, new Uint8Array(count * BLOCK).fill(fill), BLOCK);
    for (let i = 0; i < count; i++) model.put({ fill, length: BLOCK });
    return [ended(sent), "good"];
  },
  ({ model, initiator, random }) => {
    const count = 1 + random.below(2);
    for (let i = 0; i < count; i++) model.put(null);
    return [ended(writeFilemarks(initiator, count)), "good"];
  },
  ({ model, initiator, random }) => {
    const length = LENGTHS[random.below(LENGTHS.length)];
    const record = model.objects[model.at];
    const sent = read(initiator, length);
    const { transferLength } = sent.task;
    if (record != null) expect(transferLength).to.equal(Math.min(length, record.length));
    const wrong = sent.buffer.subarray(0, transferLength).some((byte) => byte !== record?.fill);
    return [wrong ? "other bytes" : ended(sent), model.read(length)];
  },
  ({ model, initiator, random }) => {
    const count = 1 + random.below(100);
    const from = model.at;
    const sent = read(initiator, count, { flags: 1, blockLength: BLOCK });
    const expected = model.readBlocks(count, BLOCK);
    for (let i = 0; i < sent.task.transferLength / BLOCK; i++) {
      if (sent.buffer[i * BLOCK] !== model.objects[from + i]?.fill) return ["other bytes", expected];
    }
    return [ended(sent), expected];
  },
  ({ model, initiator, random }) => {
    const count = random.below(201) - 100;
    return [ended(space(initiator, 0, count)), model.spaceBlocks(count)];
  },
  ({ model, initiator, random }) => {
    const count = random.below(9) - 4;
    return [ended(space(initiator, 1, count)), model.spaceFilemarks(count)];
  },
  ({ model, initiator, random }) => {
    const object = random.below(model.objects.length + 3);
    return [ended(locate(initiator, object)), model.locate(object)];
  },
  ({ model, initiator, random }) => {
    const count = random.below(7) - 3;
    return [ended(space(initiator, 2, count)), model.spaceSequence(count)];
  },
  ({ model, initiator }) => [ended(rewind(initiator)), model.locate(0)],
  ({ model, initiator }) => [ended(space(initiator, 3, 0)), model.locate(model.objects.length)],
];

/** Where everything is. */
function placesOf({ records }: LoadedTape): readonly (readonly [number | undefined, number])[] {
  const objects = Array.from({ length: records.objects + 1 }, (_, object) => object);
  return objects.map((object) => [records.runOf(object)?.size, records.offsetOf(object)]);
}

describe("a tape beside a list of records", () => {
  for (const seed of [1, 2, 3]) {
    it(`ends every command as the list says, and is found again in its bytes (seed ${seed})`, async () => {
      const { initiator, cartridge, tape } = await withTape({ capacity: 1 << 30 });
      setBlockLength(initiator, BLOCK).good();
      const both: Both = { model: new Model(), initiator, random: seededRandom(seed) };
      for (let step = 0; step < STEPS; step++) {
        const move = both.random.below(MOVES.length);
        const [got, expected] = MOVES[move](both);
        expect(got, `step ${step}, move ${move}`).to.equal(expected);
        const { object, file } = position(initiator);
        expect([object, file], `step ${step}, move ${move}`).to.deep.equal([both.model.at, both.model.file]);
      }
      const { bytes, cut } = tape.here.store;
      const partitions = [{ bytes, cut, written: tape.here.written }];
      const again = await LoadedTape.of({
        ...cartridge,
        partitions,
        label: {},
        partition: async () => {},
        close: async () => {},
      });
      expect(placesOf(again)).to.deep.equal(placesOf(tape));
    });
  }
});
