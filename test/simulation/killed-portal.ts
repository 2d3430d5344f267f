// Knows `pvscsi iscsi serve` as a process that is killed: with two disks whose power is cut in the same moment, and what its
// initiators were told by then.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type ByteStore, StoreError, type StoreFeatures, type StoreRequest } from "@pvscsi/scsi";
import { expect } from "chai";
import { type Ending, Session } from "../support/iscsi-session.js";
import { MAIN } from "../support/repository.js";
import { mediumOf } from "../support/volatile-file.js";

const PRELOAD = fileURLToPath(new URL("../support/volatile-preload.js", import.meta.url));
const BLOCK = 512;
const CHECK_CONDITION = 0x02;
const UNIT_ATTENTION = 0x06;

/** What its disks, or its FUA, pretend to. */
export type Lie = "flush" | "fua" | "";

export class KilledPortal {
  readonly #child: ChildProcess;
  readonly #errors: Promise<string>;
  readonly #disks: readonly string[];
  readonly #address: string;
  readonly #target: string;

  private constructor(child: ChildProcess, errors: Promise<string>, disks: readonly string[], url: string) {
    const [, address, target] = /^iscsi:\/\/([^/]+)\/([^/]+)\/0$/.exec(url) ?? expect.fail(url);
    this.#child = child;
    this.#errors = errors;
    this.#disks = disks;
    this.#address = address;
    this.#target = target;
  }

  /** Serves files of `size` bytes; the second has no cache. */
  static async start(disks: readonly [string, string], size: number, lie: Lie): Promise<KilledPortal> {
    const luns = disks.flatMap((path, lun) => {
      return ["--lun", `${path},size=${size >> 10}KiB,sync=${lun === 0 ? "writeback" : "writethrough"}`];
    });
    const words = ["--import", PRELOAD, MAIN, "iscsi", "serve", "--listen", "0", ...luns];
    const environment = { ...process.env, VOLATILE_LIES: lie };
    const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"], env: environment });
    const errors = text(child.stderr);
    let first = "";
    for await (const line of createInterface({ input: child.stdout })) {
      if (first === "") first = line;
      if (line.startsWith("serving ")) return new KilledPortal(child, errors, disks, first);
    }
    throw new Error(await errors);
  }

  /** A session that has taken the unit attentions of both LUNs. */
  async login(initiator: string): Promise<Session> {
    const name = `iqn.2026-11.localhost:${initiator}`;
    const session = await Session.login({ address: this.#address, target: this.#target, initiator: name });
    for (const lun of this.#disks.keys()) while (isAttention(await ask(session, lun, [0x00])));
    return session;
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    const [, signal] = await closed;
    expect([signal, await this.#errors]).to.deep.equal(["SIGKILL", ""]);
  }

  /** The disks are what the power cut has left of them. */
  cutPower(): void {
    for (const path of this.#disks) copyFileSync(mediumOf(path), path);
  }
}

/** Sends a command, with `data` or with room for as many bytes. */
export function ask(
  session: Session,
  lun: number,
  cdb: readonly number[],
  data: Uint8Array | number = 0,
): Promise<Ending> {
  const bytes = new Uint8Array(16);
  bytes.set(cdb);
  const sends = typeof data !== "number";
  return session.execute({ lun, cdb: bytes, room: sends ? 0 : data, data: sends ? data : null });
}

function isAttention({ status, sense }: Ending): boolean {
  return status === CHECK_CONDITION && (sense[2] & 0x0f) === UNIT_ATTENTION;
}

/** A LUN as writers see it. What was under way when its session ended never ends: nobody was told anything. */
export class SessionStore implements ByteStore {
  readonly features: StoreFeatures = { readOnly: false, writeBack: true, discard: false, optimalIo: 0 };
  readonly size: number;
  resized: (() => void) | null = null;
  readonly #session: Session;
  readonly #lun: number;
  /** Called at each answer. */
  readonly #answered: () => void;

  constructor(session: Session, lun: number, size: number, answered: () => void) {
    this.#session = session;
    this.#lun = lun;
    this.size = size;
    this.#answered = answered;
  }

  submit(request: StoreRequest): void {
    const { operation, offset, length, places, fua } = request;
    const data = new Uint8Array(length);
    places.read(data);
    const flush = operation === "flush";
    const cdb = flush ? [0x35] : rangeCdb(0x2a, fua ? 0x08 : 0, offset / BLOCK, length / BLOCK);
    ask(this.#session, this.#lun, cdb, flush ? 0 : data).then(
      ({ status }) => {
        this.#answered();
        request.end(status === 0 ? null : new StoreError("hardware", `status ${status}`));
      },
      () => {},
    );
  }

  cancel(): void {}

  async close(): Promise<void> {}
}

/** READ(10) or WRITE(10). */
export function rangeCdb(opcode: number, flags: number, lba: number, blocks: number): number[] {
  return [opcode, flags, 0, 0, lba >>> 8, lba & 0xff, 0, blocks >>> 8, blocks & 0xff, 0];
}
