// Knows a portal under several hostile initiators, from a seed, and two sessions beside them: one with a target of its own,
// which must not notice anything, and one with theirs, which must be answered. In the end nothing may be held.

import { IscsiConnection, openGroup } from "@pvscsi/iscsi";
import { createDisk, MemoryStore, Target } from "@pvscsi/scsi";
import { type Random, Simulation, seededRandom } from "@pvscsi/wire";
import { chaotic } from "../../support/chaos-store.js";
import { HeldSink } from "../../support/held-sink.js";
import { CountingClock } from "./counting-clock.js";
import { HostileInitiator } from "./hostile-initiator.js";
import { ACCOUNT, HOSTILE_TARGET, randomPlan, SECRET_TARGET, TARGET_ACCOUNT } from "./hostile-login.js";
import { World } from "./peer.js";
import { Bystander, Watched } from "./watched-sessions.js";

const CONNECTIONS = 6;
/** PDUs after which an initiator goes, if it was let stay. */
const LONGEST_LIFE = 400;
const CHAOS = { failing: 0.02, slow: 0.5, hanging: 0.01 };
const DISK_SIZE = 1 << 20;
const IDENTITY = { vendor: "PVSCSI", product: "HOSTILE", revision: "1", serial: "0001" } as const;
/** Turns in one moment: more is a loop without end. */
const MOST_TURNS = 200_000;

export interface HostileResult {
  readonly seed: number;
  readonly pdus: number;
  readonly mutated: number;
  readonly connections: number;
  /** Connections that the target has ended, and those of them that were told why by a Reject. */
  readonly ended: number;
  readonly rejected: number;
  /** Rejects by reason. */
  readonly rejects: { readonly [reason: number]: number };
  readonly inFullFeature: number;
}

/** One connection of a hostile initiator. */
interface Line {
  readonly sink: HeldSink;
  readonly connection: IscsiConnection;
  readonly initiator: HostileInitiator;
}

export class HostileHistory extends World {
  readonly #seed: number;
  readonly #random: Random;
  readonly #lines: Line[] = [];
  /** Gone, and perhaps not settled yet. */
  #leaving: Line[] = [];
  readonly #watched: Watched;
  readonly #bystander: Bystander;
  readonly #timers: CountingClock;
  readonly #targets: readonly Target[];
  readonly #rejects = new Map<number, number>();
  #steps = 0;
  #pdus = 0;
  #mutated = 0;
  #connections = 0;
  #ended = 0;
  #rejected = 0;
  #inFullFeature = 0;

  constructor(seed: number) {
    const random = seededRandom(seed, "hostile initiators");
    const simulation = new Simulation(random.fork("order"));
    const clock = new CountingClock(simulation);
    super({}, { clock, scheduler: simulation }, undefined, simulation);
    this.#seed = seed;
    this.#random = random;
    this.#timers = clock;
    const shared = hostileTarget(simulation, random);
    this.#targets = [this.target, shared];
    this.portal.add({ name: HOSTILE_TARGET, groups: [openGroup(shared)] });
    const authentication = { initiators: [ACCOUNT], target: TARGET_ACCOUNT };
    this.portal.add({ name: SECRET_TARGET, groups: [openGroup(shared, authentication)] });
    this.#watched = new Watched(this, random.fork("watched"));
    this.#bystander = new Bystander(this);
  }

  /** Sends so many PDUs that are not as they should be. Throws where something did not hold. */
  async run(mutated: number): Promise<void> {
    for (const end = this.#mutated + mutated; this.#mutated < end; this.#steps++) {
      await this.#step();
      if (this.#steps % 64 === 0) await this.#look();
    }
  }

  /** Ends all sessions; throws where anything is left. */
  async end(): Promise<HostileResult> {
    for (let slot = 0; slot < CONNECTIONS; slot++) if (this.#lines[slot] !== undefined) this.#leave(slot);
    await this.#passSlowly(100);
    await this.#look();
    await this.#bystander.leave();
    await this.#watched.leave();
    this.#holds(this.portal.sessions.length === 0, `${this.portal.sessions.length} sessions are left`);
    this.#holds(this.portal.pages.taken === 0, `${this.portal.pages.taken} pages are left`);
    this.#holds(this.#timers.timers === 0, `${this.#timers.timers} timers are left`);
    for (const target of this.#targets) this.#holds(target.nexuses.length === 0, "nexuses are left");
    return {
      seed: this.#seed,
      pdus: this.#pdus,
      mutated: this.#mutated,
      connections: this.#connections,
      ended: this.#ended,
      rejected: this.#rejected,
      rejects: Object.fromEntries([...this.#rejects].sort(([a], [b]) => a - b)),
      inFullFeature: this.#inFullFeature,
    };
  }

  override work(): void {
    for (let turns = 0; this.simulation.busy; turns++) {
      this.#holds(turns < MOST_TURNS, "it goes on without end");
      this.simulation.step();
    }
  }

  async #step(): Promise<void> {
    const slot = this.#random.below(CONNECTIONS);
    const line = this.#lines[slot] ?? this.#connect(slot);
    const turn = this.#random.below(1000);
    if (turn < 20) await this.#passSlowly(1 + this.#random.below(20));
    else if (turn === 20) await this.#passSlowly(10_000 + this.#random.below(80_000));
    else if (turn < 25) line.sink.hold = !line.sink.hold;
    else if (turn === 25) line.connection.askToLeave("it is asked to");
    else if (turn < 30 || line.initiator.sent > LONGEST_LIFE) return this.#leave(slot);
    else this.#send(line);
    this.#hear(line);
    if (line.sink.ended || line.sink.destroyed) this.#lose(slot);
  }

  #connect(slot: number): Line {
    this.#connections += 1;
    const sink = new HeldSink();
    const connection = new IscsiConnection(this.portal, sink, { portal: 0, addresses: this.addresses });
    const name = `initiator ${this.#connections}`;
    const initiator = new HostileInitiator(randomPlan(this.#random), this.#random.fork(name));
    const line = { sink, connection, initiator };
    this.#lines[slot] = line;
    return line;
  }

  /** One PDU, in as many fragments as chance has it. */
  #send({ connection, initiator }: Line): void {
    const before = initiator.mutated;
    const bytes = initiator.next();
    if (bytes === null) return;
    this.#pdus += 1;
    this.#mutated += initiator.mutated - before;
    let at = 0;
    for (let cuts = this.#random.chance(0.3) ? this.#random.below(5) : 0; cuts > 0; cuts--) {
      const next = at + this.#random.below(bytes.length - at + 1);
      receive(connection, bytes.slice(at, next));
      if (this.#random.chance(0.5)) this.work();
      at = next;
    }
    receive(connection, bytes.slice(at));
    if (this.#random.chance(0.8)) this.work();
  }

  #hear({ sink, initiator }: Line): void {
    if (!sink.hold) sink.deliver();
    initiator.judge.feed(sink.received);
    sink.received = Buffer.alloc(0);
    const { fault } = initiator.judge;
    this.#holds(fault === null, `the target's answers: ${fault}`);
  }

  /** The target has ended it. */
  #lose(slot: number): void {
    const line = this.#lines[slot];
    this.#ended += 1;
    if (line.initiator.rejects.length > 0) this.#rejected += 1;
    this.#holds(!line.sink.ended || line.initiator.judge.pending === 0, "the last answer is not whole");
    this.#leave(slot);
  }

  #leave(slot: number): void {
    const line = this.#lines[slot];
    delete this.#lines[slot];
    for (const reason of line.initiator.rejects) this.#rejects.set(reason, (this.#rejects.get(reason) ?? 0) + 1);
    if (line.initiator.judge.phase === "full-feature") this.#inFullFeature += 1;
    line.connection.closed();
    line.sink.hold = false;
    line.sink.deliver();
    this.#leaving.push(line);
  }

  /** The sessions beside them are as they should be, and who has left holds nothing. */
  async #look(): Promise<void> {
    await this.settle();
    for (const { sink } of this.#leaving) this.#holds(sink.overs === 1, `a connection was over ${sink.overs} times`);
    this.#leaving = [];
    this.#watched.look();
    this.#bystander.look();
  }

  /** Those who are silent are dropped, but for the two that are looked at meanwhile. */
  async #passSlowly(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= 5000) {
      await this.pass(Math.min(left, 5000));
      await this.#look();
    }
  }

  #holds(holds: boolean, fault: string): void {
    if (!holds) throw new Error(`seed ${this.#seed}, step ${this.#steps}: ${fault}`);
  }
}

/** What was taken is used again at once, as a socket's memory is. */
function receive(connection: IscsiConnection, bytes: Uint8Array): void {
  if (connection.receive(bytes)) bytes.fill(0xee);
}

/** LUN 0 is late, fails and hangs; LUN 1 does not. */
function hostileTarget(clock: Simulation, random: Random): Target {
  const target = new Target();
  const memory = new MemoryStore(DISK_SIZE, { writeBack: true });
  const store = chaotic(memory, clock, random.fork("store"), CHAOS);
  target.add(0, createDisk({ ...IDENTITY, store, clock, blockSize: 512, wwn: "5000c50012345678" }));
  const steady = new MemoryStore(DISK_SIZE);
  target.add(1, createDisk({ ...IDENTITY, store: steady, clock, blockSize: 512, wwn: "5000c50012345679" }));
  return target;
}

/** One history. */
export async function hostileHistory(seed: number, mutated: number): Promise<HostileResult> {
  const history = new HostileHistory(seed);
  await history.run(mutated);
  return history.end();
}
