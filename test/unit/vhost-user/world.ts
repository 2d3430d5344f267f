// Knows a vhost-user server with a virtio-scsi device in front of a disk, and front ends that come to it.

import { loadNative, type Native, NativeMissing } from "@pvscsi/native";
import { MemoryStore } from "@pvscsi/scsi";
import { serveVhostUser, type VhostUserOptions, type VhostUserServer } from "@pvscsi/vhost-user";
import { CommandResponse, TargetTable, Used, VirtioScsiDevice, writeRequestLun } from "@pvscsi/virtio";
import { Places, ProbeHub } from "@pvscsi/wire";
import { expect } from "chai";
import { realScheduler } from "../../support/node-platform.js";
import { HoldingUnit, memoryDisk } from "../../support/scsi-devices.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { FrontEnd, openFiles, until } from "./front-end.js";

/** Null where koffi is missing: the tests are left out there. */
export async function nativeOrNull(): Promise<Native | null> {
  try {
    return await loadNative();
  } catch (error) {
    if (!(error instanceof NativeMissing)) throw error;
    return null;
  }
}

export interface Answer {
  readonly response: number;
  readonly status: number;
  readonly data: Uint8Array;
}

export class VhostWorld {
  readonly native: Native;
  readonly targets = new TargetTable();
  readonly holding = new HoldingUnit();
  readonly server: VhostUserServer;
  /** The places front ends were given, in order. */
  readonly places: number[] = [];
  /** What the probes said, `name` and text. */
  readonly news: string[] = [];
  readonly #fronts: FrontEnd[] = [];

  constructor(native: Native, path: string, options: Partial<VhostUserOptions> = {}) {
    this.native = native;
    this.targets.at(0).add(0, memoryDisk(new MemoryStore(64 * 512)));
    this.targets.at(0).add(1, this.holding);
    const probes = new ProbeHub();
    probes.listen((name, subject) => {
      if (name === "vhost-user:message") return;
      const { ring, text } = subject as { ring?: number; text?: string };
      this.news.push(`${name.slice("vhost-user:".length)} ${text === undefined ? subject : `${ring} ${text}`}`);
    });
    const device = (place: number) => {
      this.places.push(place);
      return new VirtioScsiDevice({ targets: this.targets, scheduler: realScheduler });
    };
    this.server = serveVhostUser({ native, path, device, probes, ...options });
  }

  connect(): FrontEnd {
    const front = new FrontEnd(this.native, this.native.sockets.connect(this.server.path));
    this.#fronts.push(front);
    return front;
  }

  /** A front end whose rings run. */
  async running(features?: bigint): Promise<FrontEnd> {
    const front = this.connect();
    await front.negotiate(features);
    await front.setMemory();
    for (const index of [0, 1, 2]) front.startRing(index);
    await front.value("getQueueNum");
    return front;
  }

  async end(): Promise<void> {
    for (const front of this.#fronts) front.close();
    await this.server.close();
  }
}

/** Puts a command on a request ring, and kicks. */
export function submit(
  front: FrontEnd,
  cdb: readonly number[],
  length = 0,
  lun = 0,
): { answer: Uint8Array; data: Uint8Array } {
  const [page] = front.arena.pages(1);
  page.fill(0);
  const request = page.subarray(0, 51);
  writeRequestLun(request, 0, 0, lun);
  request.set(cdb, 19);
  const answer = page.subarray(64, 64 + 108);
  const data = page.subarray(512, 512 + length);
  const readable = new Places();
  readable.add(request, 0, request.length);
  const writable = new Places();
  writable.add(answer, 0, answer.length);
  if (length > 0) writable.add(data, 0, length);
  front.queues[2].add(readable, writable, page);
  front.kick(2);
  return { answer, data };
}

/** Runs a command to its end; throws when it does not come. */
export async function run(front: FrontEnd, cdb: readonly number[], length = 0, lun = 0): Promise<Answer> {
  const { answer, data } = submit(front, cdb, length, lun);
  const used = new Used();
  if (!(await until(() => front.queues[2].take(used)))) throw new Error("no answer");
  const { response, status } = new CommandResponse(answer);
  return { response, status, data };
}

export const INQUIRY = [0x12, 0, 0, 0, 36, 0];

/** What the tests of a suite share. */
export interface Shared {
  native: Native;
  /** Made anew for each test, at `path`. */
  world: VhostWorld;
  path: string;
}

/** To be called in a suite: each test has a server, after which no file is open that was not before. */
export function eachWithServer(): Shared {
  const folder = temporaryFolder();
  const shared = {} as Shared;
  let opened = 0;
  before(async function () {
    const native = await nativeOrNull();
    if (native === null) return this.skip();
    Object.assign(shared, { native, path: folder.path("socket") });
  });
  beforeEach(() => {
    opened = openFiles();
    shared.world = new VhostWorld(shared.native, shared.path);
  });
  afterEach(async () => {
    await shared.world.end();
    expect(await until(() => openFiles() <= opened), `${openFiles()} files are open, ${opened} were`).to.equal(true);
  });
  return shared;
}
