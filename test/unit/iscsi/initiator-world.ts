// Knows how our initiator meets our portal, or a scripted target, without sockets: bytes go from one to the other turn by turn.

import {
  type Dial,
  type Dialled,
  type InitiatorOptions,
  IscsiConnection,
  type IscsiInitiator,
  openIscsiInitiator,
  type SessionMessage,
} from "@pvscsi/iscsi";
import { Command, HostByte } from "@pvscsi/scsi";
import { type ByteSink, ProbeHub } from "@pvscsi/wire";
import { expect } from "chai";
import { INITIATOR, TARGET, World } from "./peer.js";

/** Whoever is at the far end of a line. */
export interface FarEnd {
  receive(bytes: Uint8Array): void;
  closed(): void;
}

/** A connection between an initiator and a far end; either may end it, and bytes come a turn later. */
export class Line {
  /** The far end's, to send and end by. */
  readonly far: ByteSink;
  /** The initiator's. */
  readonly near: ByteSink;
  end: FarEnd | null = null;
  readonly #world: World;
  readonly #dialled: Dialled;
  #open = true;

  constructor(world: World, dialled: Dialled, kept: (whenSent: () => void) => boolean) {
    this.#world = world;
    this.#dialled = dialled;
    this.near = this.#sink((bytes) => this.end?.receive(bytes), kept);
    this.far = this.#sink(
      (bytes) => dialled.receive(bytes),
      () => false,
    );
  }

  /** Ends it for both. */
  cut(reason = "cut"): void {
    if (!this.#open) return;
    this.#open = false;
    this.#world.simulation.soon({
      run: () => {
        this.end?.closed();
        this.#dialled.closed(reason);
      },
    });
  }

  #sink(deliver: (bytes: Uint8Array) => void, kept: (whenSent: () => void) => boolean): ByteSink {
    // A simulation runs what it has in any order; bytes come in theirs.
    const sent: (() => void)[] = [];
    return {
      send: (chunks, count, whenSent) => {
        const bytes = Buffer.concat(chunks.slice(0, count));
        sent.push(() => {
          if (this.#open) deliver(bytes);
          if (!kept(whenSent)) whenSent();
        });
        this.#world.simulation.soon({ run: () => sent.shift()?.() });
      },
      pause() {},
      resume() {},
      end: () => this.cut(),
      destroy: () => this.cut(),
      settled() {},
    };
  }
}

/** An initiator in a world with a portal. */
export class InitiatorWorld {
  readonly world: World;
  /** Connections that were made, in order. */
  readonly lines: Line[] = [];
  /** Hosts that were dialled. */
  readonly dialled: string[] = [];
  /** Whether the portal can be reached. */
  reachable = true;
  /** What takes a connection instead of the portal. */
  script: ((line: Line) => FarEnd) | null = null;

  /** Whether what the initiator sends is lent still, though it has come. */
  held = false;
  readonly #lent: (() => void)[] = [];
  readonly #probes = new ProbeHub();

  constructor(world = new World()) {
    this.world = world;
  }

  /** Tells what sessions say of themselves from now on. */
  hear(told: (text: string) => void): void {
    this.#probes.listen((_, subject) => told((subject as SessionMessage).text));
  }

  /** Gives back what was lent. */
  letGo(): void {
    this.held = false;
    for (const whenSent of this.#lent.splice(0)) whenSent();
  }

  readonly dial: Dial = (portal, dialled) => {
    const line = new Line(this.world, dialled, (whenSent) => this.held && this.#lent.push(whenSent) > 0);
    this.lines.push(line);
    this.dialled.push(`${portal.host}:${portal.port}`);
    this.world.simulation.soon({
      run: () => {
        if (!this.reachable) return line.cut("connection refused");
        const { portal: ours, addresses } = this.world;
        line.end = this.script?.(line) ?? new IscsiConnection(ours, line.far, { portal: 0, addresses });
        dialled.connected();
      },
    });
    return line.near;
  };

  options(wishes: Partial<InitiatorOptions> = {}): InitiatorOptions {
    const { simulation } = this.world;
    let drawn = 0;
    return {
      portal: { host: "portal", port: 3260 },
      initiator: INITIATOR,
      target: TARGET,
      clock: simulation,
      scheduler: simulation,
      unguessable: (size) => Uint8Array.from({ length: size }, () => (drawn = (drawn * 5 + 77) & 0xff)),
      dial: this.dial,
      probes: this.#probes,
      ...wishes,
    };
  }

  async open(wishes: Partial<InitiatorOptions> = {}): Promise<IscsiInitiator> {
    return await this.settled(openIscsiInitiator(this.options(wishes)));
  }

  /** Lets the world go on until a promise is settled. */
  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    let over = false;
    const mark = (): void => {
      over = true;
    };
    promise.then(mark, mark);
    for (let i = 0; i < 1000 && !over; i++) {
      this.world.work();
      await Promise.resolve();
    }
    return await promise;
  }

  /** Makes a command that was not queued yet; `ends` counts how often it has ended. */
  command(adapter: IscsiInitiator, cdb: readonly number[], wishes: CommandWishes = {}): Probe {
    return new Probe(adapter, cdb, wishes);
  }

  /** Queues one and lets it end. */
  async run(adapter: IscsiInitiator, cdb: readonly number[], wishes: CommandWishes = {}): Promise<Probe> {
    const probe = this.command(adapter, cdb, wishes).queue();
    await this.world.settle();
    expect(probe.ends, "ends").to.equal(1);
    return probe;
  }

  /** A disk's first command is answered with the unit attention of power on. */
  async takeAttention(adapter: IscsiInitiator): Promise<void> {
    expect((await this.run(adapter, [0])).command.status).to.equal(2);
  }
}

export interface CommandWishes {
  readonly lun?: number;
  /** Bytes of room for what is read. */
  readonly room?: number;
  /** What is written. */
  readonly data?: Uint8Array;
  /** Where the data begins in its first page. */
  readonly skip?: number;
}

const PAGE = 4096;

/** A command, and how it ended. */
export class Probe {
  readonly command = new Command();
  ends = 0;
  readonly #adapter: IscsiInitiator;

  constructor(adapter: IscsiInitiator, cdb: readonly number[], { lun = 0, room = 0, data, skip = 0 }: CommandWishes) {
    this.#adapter = adapter;
    const { command } = this;
    command.cdb.set(cdb);
    command.cdbLength = cdb.length;
    command.lun = lun;
    command.direction = data !== undefined ? "to-device" : room > 0 ? "from-device" : "none";
    const length = data?.length ?? room;
    const pages = adapter.allocate(Math.ceil((length + skip) / PAGE));
    for (let at = 0, i = 0; at < length; i++) {
      const offset = i === 0 ? skip : 0;
      const size = Math.min(PAGE - offset, length - at);
      command.data.add(pages[i], offset, size);
      at += size;
    }
    if (data !== undefined) command.data.write(data);
    command.completed = () => {
      this.ends += 1;
    };
  }

  queue(): this {
    this.#adapter.queue(this.command);
    return this;
  }

  /** What was read: all that came. */
  get bytes(): Buffer {
    const bytes = Buffer.alloc(this.command.data.length - this.command.residual);
    this.command.data.read(bytes);
    return bytes;
  }

  /** `host/status`, as a table compares it. */
  get outcome(): string {
    const { hostByte, status } = this.command;
    const name = Object.entries(HostByte).find(([, value]) => value === hostByte)?.[0];
    return `${name}/${status}`;
  }
}
