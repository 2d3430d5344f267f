// Knows how a stream of commands is sent to both targets, what of their answers and disks has to be equal, and how they are
// brought together again where it was not. Which differences are allowed is in classes.ts.

import { SenseKey, Status } from "@pvscsi/scsi";
import type { Command, Ending } from "../../support/iscsi-session.js";
import { classify, type DifferenceClass } from "./classes.js";
import {
  type Answer,
  type Aspect,
  answerOf,
  aspectsOf,
  type Difference,
  describe,
  isGood,
  NO_ENDING,
  type Situation,
} from "./difference.js";
import { Generator, type Step } from "./generator.js";
import { BLOCK, BLOCKS, DISK_LUN } from "./geometry.js";
import { type Layout, layoutOf, rangeOf, type Touch } from "./layouts.js";
import { adaptModeList } from "./mode-lists.js";
import type { Side } from "./side.js";

/** Steps after which both disks are compared as a whole and all that was changed is brought back. */
const EPOCH = 100;
/** Differences without a class after which it is over, where nobody says another number. */
const ENOUGH = 20;

/** What a run has come to. */
export class Tally {
  steps = 0;
  equal = 0;
  /** Whole disks that were compared. */
  disks = 0;
  readonly counts = new Map<DifferenceClass, number>();
  /** Differences without a class, as text. */
  readonly unclassified: string[] = [];
}

export interface JudgeOptions {
  /** Is shown both answers of each step. */
  readonly watch?: (step: Step, text: string) => void;
  /** Differences without a class after which it is over. */
  readonly enough?: number;
  /** Steps after which whole disks are compared: 1 finds the command that has written where it should not. */
  readonly disksEvery?: number;
}

/** What a difference is made of, but for its aspect. */
type Pair = Omit<Difference, "aspect">;

const TEST_UNIT_READY = [0x00];
const REQUEST_SENSE = [0x03, 0, 0, 0, 18];
const READ_RESERVATION = [0x5e, 1, 0, 0, 0, 0, 0, 0, 255];
const NOTHING_HELD: Situation = { reserved: false, legacy: false, away: false };

export class Judge {
  readonly tally = new Tally();
  readonly #ours: Side;
  readonly #tgt: Side;
  readonly #watch: NonNullable<JudgeOptions["watch"]>;
  readonly #enough: number;
  readonly #disksEvery: number;
  #situation: Situation = NOTHING_HELD;
  /** The nexus that has made a reservation of SPC-2. */
  #legacyHolder: 0 | 1 | null = null;

  constructor(ours: Side, tgt: Side, { watch = () => {}, enough = ENOUGH, disksEvery = EPOCH }: JudgeOptions = {}) {
    this.#ours = ours;
    this.#tgt = tgt;
    this.#watch = watch;
    this.#enough = enough;
    this.#disksEvery = disksEvery;
  }

  /** Sends `count` steps of a seed; ends sooner with too many differences that have no class. */
  async run(seed: number, count: number): Promise<Tally> {
    const generator = new Generator(seed);
    await this.#both((side) => side.open());
    await this.#levelAll();
    for (let number = 0; number < count && this.tally.unclassified.length < this.#enough; number++) {
      await this.#take(generator.step(number));
      this.tally.steps += 1;
      if (this.tally.steps % EPOCH === 0) await this.#endEpoch();
      if (this.tally.steps % this.#disksEvery === 0) await this.#compareDisks(number);
    }
    await this.#endEpoch();
    await this.#compareDisks(this.tally.steps - 1);
    return this.tally;
  }

  async #both<Value>(work: (side: Side) => Promise<Value>): Promise<[Value, Value]> {
    return await Promise.all([work(this.#ours), work(this.#tgt)]);
  }

  async #take(step: Step): Promise<void> {
    const { cdb, lun } = step.command;
    const [ours, tgt] = await this.#send(step.nexus, step.command);
    const layout = layoutOf(cdb);
    const touches = lun === DISK_LUN ? (layout?.touches ?? "nothing") : "nothing";
    const pair = { step, layout, situation: this.#situation, ours, tgt };
    const aspects: Aspect[] = this.#tgt.lost ? ["end"] : aspectsOf(ours, tgt);
    const settled = touches === "medium" && ours.status === tgt.status && !this.#tgt.lost;
    if (settled && !(await this.#sameRange(step, layout))) aspects.push("medium");
    this.#watch(step, describe(step, aspects.join(", ") || "equal", ours, tgt));
    if (aspects.length === 0) this.tally.equal += 1;
    for (const aspect of aspects) this.#tell({ ...pair, aspect });
    if (this.#tgt.lost) return await this.#reopen();
    if (touches === "nothing") return;
    if (aspects.length > 0) await this.#level(touches, step.command, layout);
    else if (isGood(ours) && touches !== "medium") await this.#follow(pair, touches);
  }

  async #send(nexus: 0 | 1, command: Command): Promise<[Answer, Answer]> {
    const [ours, tgt] = await Promise.all([
      this.#ours.execute(nexus, command),
      this.#tgt.execute(nexus, this.#forTgt(command)).catch((): Ending => NO_ENDING),
    ]);
    return [answerOf(normal(ours, command, this.#ours)), answerOf(normal(tgt, command, this.#tgt))];
  }

  /** MODE SELECT asks both for the same change; their pages are not the same. */
  #forTgt(command: Command): Command {
    const { cdb, data } = command;
    if ((cdb[0] !== 0x15 && cdb[0] !== 0x55) || data === null) return command;
    return { ...command, data: adaptModeList(cdb, data, this.#ours.pages, this.#tgt.pages) };
  }

  /** Counts a difference in its class, and keeps what nobody expects. */
  #tell(difference: Difference): void {
    const found = classify(difference);
    const { step, aspect, ours, tgt } = difference;
    if (found === null) this.tally.unclassified.push(describe(step, aspect, ours, tgt));
    else this.tally.counts.set(found, (this.tally.counts.get(found) ?? 0) + 1);
  }

  /** What both have written, or have not, has to be the same blocks. */
  async #sameRange({ nexus, command }: Step, layout: Layout | undefined): Promise<boolean> {
    const { lba, blocks } = affected(command, layout);
    if (blocks === 0) return true;
    const [ours, tgt] = await this.#both((side) => side.read(lba, blocks, nexus));
    return ours === null || tgt === null ? ours === tgt : Buffer.compare(ours, tgt) === 0;
  }

  /** Looks at what a command that succeeded on both has changed: for the other nexus, and of the reservations. */
  async #follow(pair: Pair, touches: Touch): Promise<void> {
    const other = pair.step.nexus === 0 ? 1 : 0;
    // Some look first what is the matter, others go on with their work.
    const asks = pair.step.number % 4 === 0;
    await this.#ask(pair, "attention", other, asks ? REQUEST_SENSE : TEST_UNIT_READY, asks ? 18 : 0);
    await this.#both((side) => side.drain());
    if (touches === "tray") await this.#lookForMedium(pair);
    if (touches === "reservation") await this.#lookForReservation(pair);
  }

  /** A command of the judge's own behind another one; gives our answer, or null where the two differ. */
  async #ask(pair: Pair, aspect: Aspect, nexus: 0 | 1, words: readonly number[], room: number): Promise<Answer | null> {
    const cdb = new Uint8Array(16);
    cdb.set(words);
    const [ours, tgt] = await this.#send(nexus, { lun: DISK_LUN, cdb, room, data: null });
    if (aspectsOf(ours, tgt).length === 0) return ours;
    this.#tell({ ...pair, aspect, ours, tgt });
    return null;
  }

  async #lookForMedium(pair: Pair): Promise<void> {
    const answer = await this.#ask(pair, "attention", 0, TEST_UNIT_READY, 0);
    if (answer === null) return await this.#level("tray", pair.step.command, pair.layout);
    this.#situation = { ...this.#situation, away: answer.decoded?.key === SenseKey.notReady };
  }

  async #lookForReservation(pair: Pair): Promise<void> {
    const { nexus, command } = pair.step;
    if (command.cdb[0] !== 0x5f) {
      const heard = await this.#ask(pair, "attention", nexus === 0 ? 1 : 0, TEST_UNIT_READY, 0);
      if (heard === null) return await this.#level("reservation", command, pair.layout);
      return this.#followLegacy(nexus, command.cdb[0]);
    }
    const answer = await this.#ask(pair, "reservation", nexus, READ_RESERVATION, 255);
    if (answer === null) return await this.#level("reservation", command, pair.layout);
    this.#situation = { ...this.#situation, reserved: answer.data[7] > 0 };
  }

  #followLegacy(nexus: 0 | 1, opcode: number): void {
    const reserves = opcode === 0x16 || opcode === 0x56;
    if (reserves) this.#legacyHolder = nexus;
    else if (this.#legacyHolder === nexus) this.#legacyHolder = null;
    this.#situation = { ...this.#situation, legacy: this.#legacyHolder !== null };
  }

  /** Makes both the same again in what a command may have changed. */
  async #level(touches: Touch, command: Command, layout: Layout | undefined): Promise<void> {
    await this.#both((side) => side.drain());
    if (touches === "reservation") {
      await this.#both((side) => side.levelReservations());
      this.#legacyHolder = null;
      this.#situation = { ...this.#situation, reserved: false, legacy: false };
    } else if (touches === "tray") {
      await this.#both((side) => side.levelTray());
      this.#situation = { ...this.#situation, away: false };
    } else if (touches === "mode") await this.#both((side) => side.levelMode());
    else if (touches === "medium") {
      const { lba, blocks } = affected(command, layout);
      const content = contentOf(lba, blocks);
      const written = await this.#both((side) => side.write(lba, content));
      if (written.includes(false)) await this.#levelAll();
    }
  }

  /** Everything. */
  async #levelAll(): Promise<void> {
    const written = await this.#both(async (side) => {
      await side.levelReservations();
      await side.levelTray();
      await side.levelMode();
      return await side.write(0, contentOf(0, BLOCKS));
    });
    if (written.includes(false)) throw new Error("a disk does not let itself be written");
    this.#legacyHolder = null;
    this.#situation = NOTHING_HELD;
  }

  async #reopen(): Promise<void> {
    this.#tgt.close();
    await this.#tgt.open();
    await this.#levelAll();
  }

  /** Nothing that one command has changed stays in the way of the others for ever. */
  async #endEpoch(): Promise<void> {
    await this.#both(async (side) => {
      await side.levelReservations();
      await side.levelTray();
      await side.levelMode();
    });
    this.#legacyHolder = null;
    this.#situation = NOTHING_HELD;
  }

  async #compareDisks(number: number): Promise<void> {
    const [ours, tgt] = await this.#both((side) => side.contents());
    if (ours === null || tgt === null) return;
    this.tally.disks += 1;
    if (Buffer.compare(ours, tgt) === 0) return;
    const block = Math.floor(ours.findIndex((byte, at) => byte !== tgt[at]) / BLOCK);
    this.tally.unclassified.push(`behind step ${number} the disks differ from block ${block} on`);
    await this.#levelAll();
  }
}

/** Blocks that the judge writes: few different ones, so that a comparison may find what it looks for. */
function contentOf(lba: number, blocks: number): Uint8Array {
  const bytes = new Uint8Array(blocks * BLOCK);
  for (let i = 0; i < blocks; i++) bytes.fill((lba + i) % 3, i * BLOCK, (i + 1) * BLOCK);
  return bytes;
}

/** The blocks that a command may have written: as many as the CDB says, or as there was data for. */
function affected({ cdb, data }: Command, layout: Layout | undefined): { lba: number; blocks: number } {
  const range = layout === undefined ? null : rangeOf(cdb, layout);
  if (range === null || layout?.data === "block") return { lba: 0, blocks: BLOCKS };
  const lba = Number(range.lba < BLOCKS ? range.lba : BLOCKS);
  const most = Math.max(Number(range.blocks), Math.ceil((data?.length ?? 0) / BLOCK));
  return { lba, blocks: Math.min(most, BLOCKS - lba) };
}

/** PERSISTENT RESERVE IN counts generations since the target began: here, since both were level. */
function normal(ending: Ending, { cdb }: Command, side: Side): Ending {
  const counts = cdb[0] === 0x5e && [0, 1, 3].includes(cdb[1] & 0x1f);
  if (!counts || ending.status !== Status.good || ending.data.length < 4) return ending;
  const data = Buffer.from(ending.data);
  data.writeUInt32BE((data.readUInt32BE(0) - side.generation) >>> 0, 0);
  return { ...ending, data };
}
