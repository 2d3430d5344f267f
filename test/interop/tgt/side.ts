// Knows one of the two targets as the judge has it: two sessions with it, and how it is brought back to where it began.

import { decodeSense, SenseKey, Status } from "@pvscsi/scsi";
import { blocksCdb } from "../../support/block-commands.js";
import { type Command, type Ending, Session } from "../../support/iscsi-session.js";
import { BLOCK, BLOCKS, DISK_LUN, INITIATORS } from "./geometry.js";
import type { Pages } from "./mode-lists.js";

/** Who listens where. */
export interface Served {
  /** `ADDR:PORT`. */
  readonly address: string;
  readonly target: string;
}

const NEXUSES = [0, 1] as const;
/** Unit attentions that one nexus may have after another. */
const MOST_ATTENTIONS = 16;
/** How often a unit that is at work is asked again, with so many milliseconds in between. */
const TRIES = 400;
const BETWEEN = 5;
/** Blocks of one WRITE here. */
const PIECE = 512;

/** The mode pages that can be changed, each as MODE SELECT takes it back. */
const CHANGED_PAGES = [0x08, 0x0a];

export class Side {
  readonly name: string;
  readonly #start: () => Promise<Served>;
  #sessions: Session[] = [];
  #pages: Uint8Array[] = [];
  /** What PRGENERATION was when all was level: it only ever grows. */
  #generation = 0;

  /** `start` gives a target that has nobody's sessions yet, or anew after it has ended. */
  constructor(name: string, start: () => Promise<Served>) {
    this.name = name;
    this.#start = start;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Both sessions logged in, and what there was at power on taken away. */
  async open(): Promise<void> {
    const { address, target } = await this.#start();
    this.#sessions = [];
    for (const initiator of INITIATORS) this.#sessions.push(await Session.login({ address, target, initiator }));
    await this.drain();
    this.#pages = [];
    for (const page of CHANGED_PAGES) {
      const { data } = await this.ask([0x1a, 0x08, page, 0, 255], 255);
      this.#pages.push(Uint8Array.from(data.subarray(4)));
    }
  }

  /** The mode pages that can be changed, as they were in the beginning. */
  get pages(): Pages {
    return this.#pages;
  }

  /** Whether a session was lost. */
  get lost(): boolean {
    return this.#sessions.some(({ fault }) => fault !== null);
  }

  close(): void {
    for (const session of this.#sessions) session.close();
  }

  execute(nexus: 0 | 1, command: Command): Promise<Ending> {
    return this.#sessions[nexus].execute(command);
  }

  /** A command of the judge's own. */
  ask(cdb: readonly number[], room = 0, data: Uint8Array | null = null, nexus: 0 | 1 = 0): Promise<Ending> {
    const bytes = new Uint8Array(16);
    bytes.set(cdb);
    return this.execute(nexus, { lun: DISK_LUN, cdb: bytes, room, data });
  }

  /** Takes all unit attentions of both nexuses away, and waits for a unit that is at work. */
  async drain(): Promise<void> {
    for (const nexus of NEXUSES) {
      for (let i = 0; i < MOST_ATTENTIONS && (await this.#attends(nexus)); i++);
      await this.#ready(nexus);
    }
  }

  async #attends(nexus: 0 | 1): Promise<boolean> {
    const { sense } = await this.ask([0x00], 0, null, nexus);
    return decodeSense(sense)?.key === SenseKey.unitAttention;
  }

  async #ready(nexus: 0 | 1): Promise<void> {
    for (let i = 0; i < TRIES; i++) {
      const { status, sense } = await this.ask([0x00], 0, null, nexus);
      const decoded = decodeSense(sense);
      if (status !== Status.checkCondition || decoded?.key !== SenseKey.notReady || decoded.progress === null) return;
      await new Promise((resolve) => setTimeout(resolve, BETWEEN));
    }
    throw new Error(`${this.name} does not become ready`);
  }

  /** No registrations and no reservation of either kind; throws where the target does not let go. */
  async levelReservations(): Promise<void> {
    await this.drain();
    for (let round = 0; round < 2; round++) {
      for (const nexus of NEXUSES) {
        await this.ask([0x5f, 0x06, 0, 0, 0, 0, 0, 0, 24], 0, new Uint8Array(24), nexus);
        await this.ask([0x17], 0, null, nexus);
      }
    }
    await this.drain();
    const keys = await this.readKeys(0);
    if (keys.data.length < 8 || keys.data[7] !== 0) throw new Error(`${this.name} keeps its reservations`);
    this.#generation = Buffer.from(keys.data).readUInt32BE(0);
  }

  readKeys(nexus: 0 | 1): Promise<Ending> {
    return this.ask([0x5e, 0x00, 0, 0, 0, 0, 0, 0, 255], 255, null, nexus);
  }

  readReservation(nexus: 0 | 1): Promise<Ending> {
    return this.ask([0x5e, 0x01, 0, 0, 0, 0, 0, 0, 255], 255, null, nexus);
  }

  /** The medium is there, and nobody keeps it from being removed. */
  async levelTray(): Promise<void> {
    for (const nexus of NEXUSES) await this.ask([0x1e], 0, null, nexus);
    await this.ask([0x1b, 0, 0, 0, 0x03]);
    await this.drain();
  }

  /** The mode pages are as they were. */
  async levelMode(): Promise<void> {
    for (const page of this.#pages) {
      await this.ask([0x15, 0x10, 0, 0, 4 + page.length], 0, Uint8Array.from([0, 0, 0, 0, ...page]));
    }
    await this.drain();
  }

  /** Writes blocks that begin at `lba`; false where something keeps it from being written. */
  async write(lba: number, content: Uint8Array): Promise<boolean> {
    for (let at = 0; at < content.length; at += PIECE * BLOCK) {
      const piece = content.subarray(at, at + PIECE * BLOCK);
      const { status } = await this.ask(blocksCdb(0x2a, lba + at / BLOCK, piece.length / BLOCK), 0, piece);
      if (status !== Status.good) return false;
    }
    return true;
  }

  /** Reads blocks that begin at `lba`; null where it may not. */
  async read(lba: number, blocks: number, nexus: 0 | 1): Promise<Uint8Array | null> {
    const { status, data } = await this.ask(blocksCdb(0x28, lba, blocks), blocks * BLOCK, null, nexus);
    return status === Status.good ? data : null;
  }

  /** The whole disk; null where it may not be read now. */
  async contents(): Promise<Uint8Array | null> {
    return await this.read(0, BLOCKS, 0);
  }
}
