// Knows initiators that come to one logical unit by different wires, each asked in the same words.

import { ATTRIBUTES, CommandFlag, DataIn, FINAL, Opcode, ScsiResponse } from "@pvscsi/iscsi";
import { Command, HostByte, type LogicalUnit, Status } from "@pvscsi/scsi";
import { hexBytes } from "@pvscsi/wire";
import { INITIATOR, type Peer, World } from "../../unit/iscsi/peer.js";
import type { Units } from "../transcript/units.js";
import { CARRIES } from "../transcript/wire-table.js";
import { openWire, WIRES, type Wire } from "../transcript/wires.js";

/** What came of a command. */
export interface Answer {
  readonly status: number;
  /** The additional sense code and its qualifier, "" without sense data. */
  readonly code: string;
  readonly data: Uint8Array;
  /** Ended by somebody else, as the wire says that. */
  readonly aborted: boolean;
}

/** A command that may take its time. */
export interface Asked {
  answer(): Promise<Answer | null>;
}

export interface AskedWith {
  readonly out?: Uint8Array;
  readonly room?: number;
  readonly attribute?: "simple" | "ordered";
}

export interface Party {
  readonly name: string;
  /** Whether its wire has a word for task attributes. */
  readonly carriesAttribute: boolean;
  ask(cdb: readonly number[], data?: AskedWith): Asked;
  close(): Promise<void>;
}

const ABORTED: readonly number[] = [HostByte.abort, HostByte.reset];
const codeOf = (sense: Uint8Array): string => hexBytes(sense.subarray(12, 14));

class WireParty implements Party {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  get name(): string {
    return this.#wire.name;
  }

  get carriesAttribute(): boolean {
    return CARRIES[this.#wire.name].attribute;
  }

  ask(cdb: readonly number[], { out, room = 0, attribute = "simple" }: AskedWith = {}): Asked {
    const { adapter } = this.#wire;
    const length = out?.length ?? room;
    const command = new Command();
    const [page] = length > 0 ? adapter.allocate(1) : [];
    if (page !== undefined) command.data.add(page, 0, length);
    if (out !== undefined) command.data.write(out);
    command.cdb.set(cdb);
    command.cdbLength = cdb.length;
    command.attribute = attribute;
    command.direction = out !== undefined ? "to-device" : room > 0 ? "from-device" : "none";
    let ended = false;
    command.completed = () => {
      ended = true;
    };
    adapter.queue(command);
    const answer = async (): Promise<Answer | null> => {
      await this.#wire.settle();
      if (!ended) return null;
      const { status, hostByte, sense, senseLength, residual } = command;
      const data = new Uint8Array(length);
      command.data.read(data);
      return {
        status,
        code: senseLength > 0 ? codeOf(sense) : "",
        data: data.subarray(0, length - residual),
        aborted: ABORTED.includes(hostByte),
      };
    };
    return { answer };
  }

  close(): Promise<void> {
    return this.#wire.close();
  }
}

class IscsiParty implements Party {
  readonly name = "iscsi";
  readonly carriesAttribute = true;
  readonly #world: World;
  readonly #peer: Peer;

  constructor(unit: LogicalUnit) {
    this.#world = new World({}, {}, unit);
    this.#peer = this.#world.loggedIn();
  }

  ask(cdb: readonly number[], { out, room = 0, attribute = "simple" }: AskedWith = {}): Asked {
    const direction = out !== undefined ? CommandFlag.write : room > 0 ? CommandFlag.read : 0;
    const expectedLength = out?.length ?? room;
    const flags = FINAL | direction | ATTRIBUTES.lastIndexOf(attribute);
    this.#peer.command(cdb, { flags, expectedLength, ...(out && { data: out }) });
    const answer = async (): Promise<Answer | null> => {
      await this.#world.settle();
      return this.#peer.received.length === 0 ? null : this.#take();
    };
    return { answer };
  }

  #take(): Answer {
    const { opcode, bytes, data } = this.#peer.take();
    if (opcode === Opcode.dataIn) return { status: new DataIn(bytes).status, code: "", data, aborted: false };
    const { status } = new ScsiResponse(bytes);
    const code = status === Status.checkCondition ? codeOf(data.subarray(2)) : "";
    return { status, code, data, aborted: status === Status.taskAborted };
  }

  close(): Promise<void> {
    return this.#peer.close();
  }
}

/** An initiator by each wire there is; none has a unit attention to report. */
export async function openParties(units: Units): Promise<Party[]> {
  const parties: Party[] = [];
  for (const name of WIRES) parties.push(new WireParty(await openWire(name, units)));
  return [...parties, new IscsiParty(units.disks[0])];
}

export const ISCSI_PORT = `${INITIATOR},i,0x800000000001`;
