// Knows the iSCSI initiator as a host adapter: one session to one target, whose logical units are at 0:0:LUN.

import {
  type AdapterEvent,
  type AdapterLimits,
  type AdapterListener,
  type AdapterManagement,
  type Address,
  type Command,
  type DecodedSense,
  type HostAdapter,
  HostByte,
  MAX_CDB,
  MAX_LUNS,
} from "@pvscsi/scsi";
import { assert, nullProbes, type Probes } from "@pvscsi/wire";
import type { Parameters } from "../keys.js";
import { normalName } from "../target.js";
import { refuse } from "./commands.js";
import type { FunctionOutcome } from "./functions.js";
import { manage, type ResetFunction, reset } from "./management.js";
import type { InitiatorOptions } from "./options.js";
import { InitiatorSession } from "./session.js";

const PAGE = 4096;
const DEFAULT_DEPTH = 128;
const MOST_DEPTH = 4096;
/** More than any initiator asks for at once; no memory is set aside for it. */
const MAX_TRANSFER = 64 << 20;
const REPORTED_LUNS_CHANGED = 0x3f0e;
const CAPACITY_CHANGED = 0x2a09;
const MODE_PARAMETERS_CHANGED = 0x2a01;

/**
 * Logs in to a target. Rejects with `LoginRefused` where the target refuses, with ProtocolError where it breaks RFC 7143, and with
 * what the system says where it cannot be reached. Once logged in, a connection that is lost is made anew until `close`.
 */
export async function openIscsiInitiator(options: InitiatorOptions): Promise<IscsiInitiator> {
  const adapter = new IscsiInitiator(options);
  await adapter.session.open();
  return adapter;
}

/** The same at once: commands wait for the login as for a connection that was lost, and it is tried as often as such a one. */
export function startIscsiInitiator(options: InitiatorOptions): IscsiInitiator {
  const adapter = new IscsiInitiator(options);
  adapter.session.start();
  return adapter;
}

/** Made by `openIscsiInitiator` or `startIscsiInitiator`. */
export class IscsiInitiator implements HostAdapter {
  readonly name = "iSCSI Initiator over TCP/IP";
  readonly driver = "iscsi_tcp";
  readonly limits: AdapterLimits;
  readonly session: InitiatorSession;
  readonly #probes: Probes;
  #listener: AdapterListener | null = null;
  #told: Promise<unknown> = Promise.resolve();

  constructor(options: InitiatorOptions) {
    const { depth = DEFAULT_DEPTH, initiator, target } = options;
    assert(Number.isInteger(depth) && depth >= 1 && depth <= MOST_DEPTH, `a depth of ${depth}`);
    for (const name of [initiator, target]) assert(normalName(name) !== null, `'${name}' is no name`);
    this.#probes = options.probes ?? nullProbes;
    this.session = new InitiatorSession(options, { scsiEvent: (lun, sense) => this.#scsiEvent(lun, sense) });
    this.limits = {
      queueDepth: depth,
      maxTransfer: MAX_TRANSFER,
      maxSegments: MAX_TRANSFER / PAGE + 1,
      maxCdb: MAX_CDB,
      channels: 1,
      targets: 1,
      luns: MAX_LUNS,
    };
  }

  /** What both sides have agreed on last. */
  get parameters(): Parameters | null {
    return this.session.parameters;
  }

  allocate(pages: number): Uint8Array[] {
    return Array.from({ length: pages }, () => new Uint8Array(PAGE));
  }

  free(): void {}

  queue(command: Command): void {
    if (isThere(command)) this.session.queue(command);
    else refuse(command, HostByte.badTarget);
  }

  manage(management: AdapterManagement): void {
    if (isThere(management)) return manage(this.session, management);
    management.succeeded = false;
    management.completed(management);
  }

  /** Asks for a task management function beyond a host adapter's; resolves to the target's answer (`ManagementResponseCode`). */
  reset(name: ResetFunction, lun = 0): Promise<FunctionOutcome> {
    return new Promise((resolve) => reset(this.session, name, lun, resolve));
  }

  /** What is there at the beginning is found by a look at the whole bus. */
  listen(listener: AdapterListener): void {
    this.#listener = listener;
    this.#tell({ kind: "bus-changed" });
  }

  async close(): Promise<void> {
    if (this.session.state === "closed") return;
    await this.session.close();
    this.#tell({ kind: "closed", reason: "the adapter was closed" });
  }

  #scsiEvent(lun: number, { asc, ascq }: DecodedSense): void {
    const code = (asc << 8) | ascq;
    const address = { channel: 0, target: 0, lun: Math.max(0, lun) };
    if (code === REPORTED_LUNS_CHANGED) this.#tell({ kind: "target-changed", address: { ...address, lun: 0 } });
    else if (lun >= 0 && (code === CAPACITY_CHANGED || code === MODE_PARAMETERS_CHANGED)) {
      this.#tell({ kind: "device-changed", address });
    }
  }

  /** Events go out in order, one at a time, and never on the stack of what caused them. */
  #tell(event: AdapterEvent): void {
    const listener = this.#listener;
    if (listener === null) return;
    this.#told = this.#told
      .then(() => listener(event))
      .catch((error) => this.#probes.emit("iscsi-initiator:message", `${event.kind}: ${error}`));
  }
}

function isThere({ channel, target }: Address): boolean {
  return channel === 0 && target === 0;
}
