// Knows how a LUN that is somebody else's is passed through: a real SCSI device of this machine by its node, or a logical unit of an iSCSI
// target. What is asked of it here, before anybody else, is its type.

import type { IscsiUrl, LunBacking } from "@pvscsi/config";
import { type InitiatorOptions, openIscsiInitiator, proofOfText, startIscsiInitiator } from "@pvscsi/iscsi";
import { type Address, COMMANDS, Command, createPassThrough, type HostAdapter, StoreError } from "@pvscsi/scsi";
import type { Surroundings } from "./backing.js";
import { reasonOf } from "./file-errors.js";
import type { NamedLun } from "./names.js";
import type { Running, Starter } from "./running.js";
import { openSg } from "./sg/sg-adapter.js";

/** What is passed through. */
export type PassedBacking = Extract<LunBacking, { readonly kind: "device" | "iscsi" }>;

/** A device and the way to it. */
interface Reached {
  readonly adapter: HostAdapter;
  readonly address: Address;
  readonly deviceType: number;
  readonly ownWay?: () => HostAdapter;
}

export class PassedStarter implements Starter {
  /** They are kept where the device is. */
  readonly reservations = null;
  readonly #named: NamedLun;
  readonly #backing: PassedBacking;
  readonly #surroundings: Surroundings;

  constructor(named: NamedLun, backing: PassedBacking, surroundings: Surroundings) {
    this.#named = named;
    this.#backing = backing;
    this.#surroundings = surroundings;
  }

  async start(): Promise<Running> {
    const { readOnly, sgio, firmware, queueDepth } = this.#named.lun;
    const reached = await this.#reach();
    const filter = readOnly ? "readonly" : sgio;
    const { clock } = this.#surroundings;
    return { logicalUnit: createPassThrough({ ...reached, clock, filter, firmware, queueDepth }), bytes: null };
  }

  async #reach(): Promise<Reached> {
    const backing = this.#backing;
    try {
      return backing.kind === "device" ? await this.#openNode(backing.path) : await this.#logIn(backing.url);
    } catch (error) {
      throw new StoreError("hardware", `cannot open ${nameOf(backing)}: ${reasonOf(error)}`, { cause: error });
    }
  }

  async #openNode(path: string): Promise<Reached> {
    const calls = await this.#surroundings.sg();
    if (calls === null) throw new Error("koffi is not installed");
    const adapter = openSg(path, calls);
    // The device is all there is behind the adapter.
    return { adapter, address: { channel: 0, target: 0, lun: 0 }, deviceType: adapter.device.type };
  }

  async #logIn({ proof, lun, ...url }: IscsiUrl): Promise<Reached> {
    const { clock, unguessable, initiator } = this.#surroundings;
    if (initiator === undefined || unguessable === undefined) throw new Error("no initiator is given");
    const options: InitiatorOptions = {
      ...url,
      initiator: this.#named.lun.initiator ?? initiator.name,
      ...(proof === undefined ? {} : { proof: proofOfText(proof) }),
      timeouts: initiator.timeouts,
      clock,
      scheduler: initiator.scheduler,
      unguessable,
    };
    const adapter = await openIscsiInitiator(options);
    const address = { channel: 0, target: 0, lun };
    try {
      const deviceType = await deviceTypeOf(adapter, address);
      return { adapter, address, deviceType, ownWay: () => startIscsiInitiator(options) };
    } catch (error) {
      await adapter.close();
      throw error;
    }
  }
}

/** Without what is secret in it. */
function nameOf(backing: PassedBacking): string {
  if (backing.kind === "device") return backing.path;
  const { portal, target, lun } = backing.url;
  return `iscsi://${portal.host}:${portal.port}/${target}/${lun}`;
}

const INQUIRY_LENGTH = 36;
/** PERIPHERAL QUALIFIER: 000b is there; all others are not (SPC-4 6.6.2). */
const QUALIFIER = 0xe0;

/** Asks a device for its peripheral device type. */
async function deviceTypeOf(adapter: HostAdapter, address: Address): Promise<number> {
  const command = Object.assign(new Command(), address);
  const [page] = adapter.allocate(1);
  command.cdb.set([COMMANDS.inquiry.opcode, 0, 0, 0, INQUIRY_LENGTH, 0]);
  command.cdbLength = COMMANDS.inquiry.length;
  command.direction = "from-device";
  command.data.add(page, 0, INQUIRY_LENGTH);
  await new Promise<void>((resolve) => {
    command.completed = () => resolve();
    adapter.queue(command);
  });
  const { hostByte, status, residual } = command;
  if (hostByte !== 0 || status !== 0 || residual >= INQUIRY_LENGTH) {
    throw new Error(`INQUIRY failed: host byte ${hostByte}, status ${status}`);
  }
  if ((page[0] & QUALIFIER) !== 0) throw new Error(`there is no logical unit ${address.lun}`);
  return page[0];
}
