// Knows our initiator as a suite uses it: opened towards a target, its commands awaited one by one or many at once.

import { randomBytes } from "node:crypto";
import {
  type DiscoveredTarget,
  discoverTargets,
  type InitiatorOptions,
  type IscsiInitiator,
  openIscsiInitiator,
  type SessionMessage,
} from "@pvscsi/iscsi";
import { AdapterManagement, Command } from "@pvscsi/scsi";
import { ProbeHub } from "@pvscsi/wire";
import { realClock, realScheduler } from "../../support/node-platform.js";

const OWN = {
  initiator: "iqn.2026-11.localhost:initiator",
  clock: realClock,
  scheduler: realScheduler,
  unguessable: (size: number): Uint8Array => randomBytes(size),
};
const PAGE = 4096;

/** What of a target's is needed to reach it. */
export interface Served {
  readonly port: number;
  readonly target: string;
}

/** How a command ended. */
export interface Ended {
  readonly hostByte: number;
  readonly status: number;
  readonly residual: number;
  readonly sense: Buffer;
  /** What was read. */
  readonly data: Buffer;
}

export interface Asked {
  readonly lun?: number;
  readonly room?: number;
  readonly data?: Uint8Array;
}

export class Client {
  readonly adapter: IscsiInitiator;
  /** What the session has told of itself. */
  readonly told: readonly string[];

  private constructor(adapter: IscsiInitiator, told: readonly string[]) {
    this.adapter = adapter;
    this.told = told;
  }

  static async open({ port, target }: Served, wishes: Partial<InitiatorOptions> = {}): Promise<Client> {
    const told: string[] = [];
    const probes = new ProbeHub();
    probes.listen((name, subject) => {
      if (name === "iscsi-initiator:session") told.push((subject as SessionMessage).text);
    });
    const adapter = await openIscsiInitiator({
      ...OWN,
      portal: { host: "127.0.0.1", port },
      target,
      probes,
      ...wishes,
    });
    return new Client(adapter, told);
  }

  /** What a portal tells of its targets. */
  static discover({ port }: Served): Promise<DiscoveredTarget[]> {
    return discoverTargets({ ...OWN, portal: { host: "127.0.0.1", port } });
  }

  /** Queues a command and resolves to how it ended; a second end is an error nobody catches. */
  run(cdb: readonly number[], asked: Asked = {}): Promise<Ended> {
    return this.start(cdb, asked).ended;
  }

  /** Asks for ABORT TASK; resolves to whether the target has done that. */
  abort(victim: Command): Promise<boolean> {
    const management = new AdapterManagement();
    management.victim = victim;
    management.lun = victim.lun;
    return new Promise((resolve) => {
      management.completed = ({ succeeded }) => resolve(succeeded);
      this.adapter.manage(management);
    });
  }

  /** Queues a command. */
  start(
    cdb: readonly number[],
    { lun = 1, room = 0, data }: Asked = {},
  ): { readonly command: Command; readonly ended: Promise<Ended> } {
    const command = new Command();
    command.cdb.set(cdb);
    command.cdbLength = cdb.length;
    command.lun = lun;
    command.direction = data !== undefined ? "to-device" : room > 0 ? "from-device" : "none";
    const length = data?.length ?? room;
    const pages = this.adapter.allocate(Math.ceil(length / PAGE));
    for (const [i, page] of pages.entries()) command.data.add(page, 0, Math.min(PAGE, length - i * PAGE));
    if (data !== undefined) command.data.write(data);
    const ended = new Promise<Ended>((resolve) => {
      let ended = false;
      command.completed = ({ hostByte, status, residual, senseLength }) => {
        if (ended) throw new Error("a command has ended twice");
        ended = true;
        const bytes = Buffer.alloc(data === undefined ? length - residual : 0);
        command.data.read(bytes);
        const sense = Buffer.from(command.sense.subarray(0, senseLength));
        resolve({ hostByte, status, residual, sense, data: bytes });
      };
      this.adapter.queue(command);
    });
    return { command, ended };
  }

  /** The same for one that has to end with GOOD. */
  async good(cdb: readonly number[], asked: Asked = {}): Promise<Ended> {
    const ended = await this.run(cdb, asked);
    const { hostByte, status, sense } = ended;
    if (hostByte !== 0 || status !== 0) {
      throw new Error(`CDB ${cdb[0].toString(16)}h: host byte ${hostByte}, status ${status}, ${sense.toString("hex")}`);
    }
    return ended;
  }

  /** Takes away what a unit has to tell first. */
  async ready(lun = 1): Promise<void> {
    for (let i = 0; i < 5; i++) if ((await this.run([0], { lun })).status === 0) return;
    throw new Error(`LUN ${lun} is not ready`);
  }

  async close(): Promise<void> {
    await this.adapter.close();
  }
}

/** Runs `work` for 0 to `count` - 1, `depth` at once. */
export async function atOnce(count: number, depth: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: depth }, worker));
}
