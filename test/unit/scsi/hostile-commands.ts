// Knows a target under random commands of several initiators, from a seed: task management, lost nexuses and a store that
// is late, fails and hangs beside them. What must hold after each of them, and in the end, is here.

import {
  createDisk,
  type LogicalUnit,
  localTransportId,
  type ManagementFunction,
  MemoryStore,
  Nexus,
  Status,
  Target,
} from "@pvscsi/scsi";
import { type Random, Simulation, seededRandom } from "@pvscsi/wire";
import { type Chaos, chaotic } from "../../support/chaos-store.js";
import { type Medium, pick, randomCommand } from "../../support/random-command.js";
import { GuardedTask } from "./guarded-task.js";
import { IDENTITY, Initiator } from "./initiator.js";
import { fullStatus, keys } from "./reserving.js";
import { WatchedStore } from "./watched-store.js";

const NEXUSES = 5;
const TASKS = 48;
const MOST_DATA = 66 * 1024;
const CHAOS: Chaos = { failing: 0.02, slow: 0.5, hanging: 0.005 };
const FUNCTIONS: readonly ManagementFunction[] = [
  ...(["abort-task", "abort-task", "abort-task-set", "clear-task-set", "logical-unit-reset"] as const),
  ...(["target-reset", "i-t-nexus-reset", "query-task", "query-task-set"] as const),
];
/** Attentions that one nexus can be owed at once: SENSE has no more kinds of them. */
const MOST_ATTENTIONS = 16;

/** A disk of the target, and what may be in the way of its store. */
interface Unit extends Medium {
  readonly unit: LogicalUnit;
  readonly store: WatchedStore;
}

export interface HostileResult {
  readonly seed: number;
  readonly commands: number;
  readonly functions: number;
  readonly lost: number;
  /** How often each status came. */
  readonly statuses: { readonly [status: string]: number };
  /** Requests of the stores that were made to fail or hang. */
  readonly faults: number;
}

export class HostileCommands {
  readonly #seed: number;
  readonly #random: Random;
  readonly #clock: Simulation;
  readonly #target = new Target("0:0", [1, 2]);
  readonly #units: readonly Unit[];
  readonly #nexuses: Nexus[] = [];
  readonly #idle: GuardedTask[] = [];
  readonly #statuses = new Map<number, number>();
  readonly #stores: { faults: number }[] = [];
  #commands = 0;
  #functions = 0;
  #answered = 0;
  #lost = 0;
  #closing: Promise<void>[] = [];
  #fault: string | null = null;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seededRandom(seed, "hostile commands");
    this.#clock = new Simulation(this.#random.fork("order"));
    this.#units = [
      this.#unit(0, { blockSize: 512, blocks: 2048 }, true),
      this.#unit(1, { blockSize: 4096, blocks: 256 }, true, { removable: true, wwn: "5000c50012345679" }),
      this.#unit(2, { blockSize: 512, blocks: 64 }, false, { readOnly: true, wwn: "5000c5001234567a" }),
      this.#unit(3, { blockSize: 512, blocks: 1 }, false, { thin: false, fua: false, wwn: "5000c5001234567b" }),
    ];
    for (let i = 0; i < NEXUSES; i++) this.#nexuses.push(this.#nexus(i));
    for (let i = 0; i < TASKS; i++) {
      this.#idle.push(new GuardedTask(MOST_DATA, (task, fault) => this.#ended(task, fault)));
    }
  }

  /** Sends so many commands. Throws where something did not hold. */
  run(commands: number): void {
    for (const end = this.#commands + commands; this.#commands < end; ) {
      const turn = this.#random.below(100);
      if (turn < 2) this.#manage();
      else if (turn < 8) this.#pass(1 + this.#random.below(5));
      else if (turn === 8 && this.#random.chance(0.2)) this.#lose(this.#random.below(NEXUSES));
      else this.#submit();
      if (this.#fault !== null) throw new Error(`seed ${this.#seed}, command ${this.#commands}: ${this.#fault}`);
    }
  }

  /** Ends everything; throws where something is left. */
  async end(): Promise<HostileResult> {
    // No abort ends what a SANITIZE waits for.
    for (const { store } of this.#units) store.cancelAll();
    this.#checkStates();
    for (let i = 0; i < NEXUSES; i++) this.#closing.push(this.#nexuses[i].close());
    this.#pass(60_000);
    await Promise.all(this.#closing);
    this.#holds(this.#idle.length === TASKS, `${TASKS - this.#idle.length} tasks have not ended`);
    this.#holds(this.#answered === this.#functions, `${this.#functions - this.#answered} functions were not answered`);
    this.#holds(this.#target.nexuses.length === 0, "there are nexuses");
    for (const { unit, store } of this.#units) {
      this.#holds(store.underWay === 0, "requests are under way");
      this.#holds(store.fault === null, String(store.fault));
      await unit.close();
    }
    this.#holds(this.#units[2].store.changes === 0, "the write-protected disk was written");
    const statuses = Object.fromEntries([...this.#statuses].sort(([a], [b]) => a - b));
    const faults = this.#stores.reduce((sum, store) => sum + store.faults, 0);
    return {
      seed: this.#seed,
      commands: this.#commands,
      functions: this.#functions,
      lost: this.#lost,
      statuses,
      faults,
    };
  }

  #unit(lun: number, medium: Medium, chaos: boolean, options: object = {}): Unit {
    const memory = new MemoryStore(medium.blocks * medium.blockSize, { writeBack: lun < 2 });
    const late = chaos ? chaotic(memory, this.#clock, this.#random.fork(`store ${lun}`), CHAOS) : null;
    if (late !== null) this.#stores.push(late);
    const store = new WatchedStore(late ?? memory);
    const identity = { ...IDENTITY, blockSize: medium.blockSize as 512 | 4096 };
    const unit = createDisk({ ...identity, store, clock: this.#clock, ...options });
    this.#target.add(lun, unit);
    return { ...medium, unit, store };
  }

  #nexus(index: number): Nexus {
    const initiatorPort = localTransportId(`initiator ${index >> 1}`);
    return new Nexus(this.#target, { initiatorPort, targetPort: 1 + (index & 1), wellKnown: index === 0 });
  }

  #submit(): void {
    const guarded = this.#idle.pop();
    // All are under way: some of them hang, and only an abort helps.
    if (guarded === undefined) return this.#random.chance(0.5) ? this.#pass(20) : this.#reset();
    const lun = this.#random.chance(0.95) ? pick(this.#random, [0, 0, 0, 1, 1, 2, 3]) : this.#random.below(20_000);
    const medium = this.#units[lun] ?? this.#units[0];
    const command = randomCommand(this.#random, medium);
    this.#commands += 1;
    pick(this.#random, this.#nexuses).submit(guarded.prepare(command, this.#commands, lun, this.#random));
  }

  #ended(guarded: GuardedTask, fault: string | null): void {
    const { status } = guarded.task;
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    if (fault !== null) this.#fault ??= `${guarded.describe()}: ${fault}`;
    if (this.#idle.length === TASKS) this.#fault ??= "more tasks ended than began";
    this.#idle.push(guarded);
  }

  #manage(): void {
    this.#order(pick(this.#random, this.#nexuses), pick(this.#random, FUNCTIONS));
  }

  #reset(): void {
    for (const lun of this.#target.luns) this.#order(this.#nexuses[0], "logical-unit-reset", lun);
    this.#pass(20);
  }

  #order(nexus: Nexus, name: ManagementFunction, lun = this.#random.below(5)): void {
    this.#functions += 1;
    let answered = false;
    nexus.manage({
      function: name,
      lun,
      tag: Math.max(0, this.#commands - this.#random.below(TASKS)),
      completed: () => {
        if (answered) this.#fault ??= `${name} was answered twice`;
        answered = true;
        this.#answered += 1;
      },
    });
  }

  /** An initiator goes and comes again. */
  #lose(index: number): void {
    this.#lost += 1;
    this.#closing.push(this.#nexuses[index].close());
    this.#nexuses[index] = this.#nexus(index);
    if (this.#closing.length > 64) this.#closing = this.#closing.slice(-32);
  }

  #pass(milliseconds: number): void {
    let over = false;
    this.#clock.after(milliseconds, {
      run: () => {
        over = true;
      },
    });
    while (!over || this.#clock.busy) this.#clock.step();
  }

  /** Nobody is owed more attentions than there are kinds; what is told of reservations agrees with itself. */
  #checkStates(): void {
    this.#reset();
    this.#pass(60_000);
    for (const nexus of this.#nexuses) {
      const initiator = new Initiator(this.#target, nexus);
      for (const lun of this.#target.luns) {
        let owed = 0;
        while (initiator.send("00 00 00 00 00 00", { lun }).task.sense[2] === 6 && owed <= MOST_ATTENTIONS) owed += 1;
        this.#holds(owed <= MOST_ATTENTIONS, `more than ${MOST_ATTENTIONS} unit attentions at LUN ${lun}`);
      }
      // Nothing is told by a disk whose SANITIZE has failed (SBC-3 4.11.3), nor beside somebody's RESERVE(6).
      if (initiator.send("5e 00 00 00 00 00 00 00 08 00", { room: 8 }).status !== Status.good) continue;
      const registered = keys(initiator).keys;
      const lines = fullStatus(initiator);
      const told = lines.map((line) => Number(line.split(" ")[0]));
      this.#holds(String(told) === String(registered), `keys ${registered}, and in full ${told}`);
      const types = lines.filter((line) => line.includes("holder")).map((line) => /holder (\d+)/.exec(line)?.[1]);
      const all = types[0] === "7" || types[0] === "8";
      this.#holds(types.length <= 1 || (all && types.length === lines.length), `holders ${types} of ${lines.length}`);
    }
  }

  #holds(holds: boolean, fault: string): void {
    if (!holds) throw new Error(`seed ${this.#seed}, in the end: ${fault}`);
  }
}

/** One history. */
export async function hostileCommands(seed: number, commands: number): Promise<HostileResult> {
  const history = new HostileCommands(seed);
  history.run(commands);
  return history.end();
}
