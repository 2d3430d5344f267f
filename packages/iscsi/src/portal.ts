// Knows the targets behind portals, and the sessions with them: one for each initiator port and portal group. Knows no socket.

import type { Nexus } from "@pvscsi/scsi";
import { assert, type Clock, heapPages, nullProbes, PagePool, type Probes, type Scheduler } from "@pvscsi/wire";
import { type LoginHost, type LoginIdentity, sessionKey } from "./login.js";
import { Session, type SessionConnection } from "./session.js";
import { type Authentication, type Destination, type IscsiTarget, normalName } from "./target.js";

export interface PortalOptions {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** What cannot be guessed; for challenges. */
  readonly unguessable: (size: number) => Uint8Array;
  /**
   * `iscsi:login` fires with a `Session`, `iscsi:refused` and `iscsi:end` with a reason in words, `iscsi:command` and
   * `iscsi:answer` with an `Exchange`.
   */
  readonly probes?: Probes;
  /** What discovery has to prove; nothing by default. */
  readonly discoveryAuthentication?: Authentication | null;
  readonly limits?: Partial<PortalLimits>;
}

/** Times in milliseconds. */
export interface PortalLimits {
  /** Commands of a session under way, where its portal group says nothing else. */
  readonly depth: number;
  /** Bytes that a session's commands may have asked for; one command always has room. */
  readonly bytesInFlight: number;
  /** Bytes that the pages of all sessions' commands may have: beyond it commands end with TASK SET FULL. */
  readonly bytesInAll: number;
  readonly loginTimeout: number;
  /** An initiator that has been silent for so long is asked whether it is there; a discovery session ends. */
  readonly silence: number;
  /** What it has then to answer. */
  readonly pingTimeout: number;
  /** What it has to log out when it is asked to. */
  readonly leaveTimeout: number;
}

const LIMITS: PortalLimits = {
  depth: 128,
  bytesInFlight: 64 * 1024 * 1024,
  bytesInAll: 1024 * 1024 * 1024,
  loginTimeout: 15_000,
  // With the time to answer more than a minute: that long libiscsi's suite sleeps without a look at its connection.
  silence: 60_000,
  pingTimeout: 15_000,
  leaveTimeout: 5_000,
};

const MOST_SESSIONS = 0xffff;

/** What a session is for people. */
export interface SessionView {
  readonly initiator: string;
  readonly target: string;
  readonly tsih: number;
  readonly nexus: Nexus;
}

export class IscsiPortal implements LoginHost {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly unguessable: (size: number) => Uint8Array;
  readonly discoveryAuthentication: Authentication | null;
  readonly limits: PortalLimits;
  /** Where the data of all commands lies. */
  readonly pages = new PagePool(heapPages);
  readonly #targets = new Map<string, IscsiTarget>();
  readonly #sessions = new Map<string, Session>();
  #lastTsih = 0;

  constructor(options: PortalOptions) {
    this.clock = options.clock;
    this.scheduler = options.scheduler;
    this.probes = options.probes ?? nullProbes;
    this.unguessable = options.unguessable;
    this.discoveryAuthentication = options.discoveryAuthentication ?? null;
    this.limits = { ...LIMITS, ...options.limits };
  }

  get targets(): Iterable<IscsiTarget> {
    return this.#targets.values();
  }

  get sessions(): readonly SessionView[] {
    return [...this.#sessions.values()].map(({ identity, destination, tsih, nexus }) => ({
      initiator: identity.initiator,
      target: destination.name,
      tsih,
      nexus,
    }));
  }

  add(target: IscsiTarget): void {
    assert(normalName(target.name) === target.name, `'${target.name}' is no name in lower case`);
    assert(!this.#targets.has(target.name), `there is a target ${target.name}`);
    const tags = new Set(target.groups.map(({ tag }) => tag));
    assert(tags.size === target.groups.length, `portal groups of ${target.name} have a tag in common`);
    this.#targets.set(target.name, target);
  }

  /** Takes a target out: nobody finds it any more, and whoever is logged in is asked to leave. */
  remove(name: string): void {
    this.#targets.delete(name);
    for (const session of this.#sessions.values()) {
      if (session.destination.name === name) session.connection.askToLeave(`${name} is taken away`);
    }
  }

  findTarget(name: string): IscsiTarget | undefined {
    return this.#targets.get(name);
  }

  hasSession(key: string, tsih: number): boolean {
    return this.#sessions.get(key)?.tsih === tsih;
  }

  /** Commands that a session may have under way. */
  depthOf(destination: Destination | null): number {
    return destination?.group.depth ?? this.limits.depth;
  }

  /**
   * Opens a session for a login that is done. One of the same initiator port and portal group ends by that (RFC 7143 6.3.5):
   * `before` resolves when none of its tasks is under way.
   */
  open(
    identity: LoginIdentity & { readonly destination: Destination },
    firstCmdSN: number,
    connection: SessionConnection,
  ): { readonly session: Session; readonly before: Promise<void> | null } | null {
    if (this.#sessions.size >= MOST_SESSIONS) return null;
    const key = sessionKey(identity);
    const former = this.#sessions.get(key);
    const numbers = { tsih: this.#newTsih(), firstCmdSN, depth: this.depthOf(identity.destination) };
    const session = new Session(identity, numbers, connection, this.probes);
    this.#sessions.set(key, session);
    if (former === undefined) return { session, before: null };
    const before = former.close();
    former.connection.drop("the initiator has logged in anew");
    return { session, before };
  }

  /** A session is over. */
  forget(session: Session): void {
    if (this.#sessions.get(session.key) === session) this.#sessions.delete(session.key);
  }

  /** The other sessions that find the same LUNs by the same port. */
  others(session: Session): Session[] {
    return [...this.#sessions.values()].filter(
      (other) => other !== session && other.destination.target === session.destination.target,
    );
  }

  #newTsih(): number {
    const taken = new Set([...this.#sessions.values()].map(({ tsih }) => tsih));
    do this.#lastTsih = (this.#lastTsih % MOST_SESSIONS) + 1;
    while (taken.has(this.#lastTsih));
    return this.#lastTsih;
  }
}
