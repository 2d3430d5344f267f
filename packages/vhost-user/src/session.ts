// Knows one front end from its first message to its end: what it has negotiated, its memory and its rings. Its messages
// are handled one after the other, each to its end: stopping a ring takes as long as what is under way there.

import type { Native, UnixConnection } from "@pvscsi/native";
import { Feature, type VirtioDevice } from "@pvscsi/virtio";
import { type Probes, ProtocolError } from "@pvscsi/wire";
import {
  ConfigRange,
  F_PROTOCOL_FEATURES,
  FLAG_NEED_REPLY,
  FLAG_REPLY,
  MAX_CONFIG,
  MESSAGES,
  MemoryRegion,
  MemoryTable,
  MessageHeader,
  type MessageName,
  ProtocolFeature,
  Value,
  VERSION,
  VRING_INDEX,
  VRING_NO_DESCRIPTOR,
  VringAddress,
  VringState,
} from "./messages.js";
import { type Message, MessageReader } from "./reader.js";
import { RegionMemory } from "./region-memory.js";
import { Vring } from "./vring.js";

export interface SessionParts {
  readonly native: Native;
  readonly connection: UnixConnection;
  readonly device: VirtioDevice;
  readonly probes: Probes;
  /** Whether the device's configuration is offered; QEMU keeps its own and warns of one for SCSI. */
  readonly offersConfig: boolean;
  /** Called once, when everything is given back. */
  readonly ended: () => void;
}

/** What happened to a ring, for those who watch. */
export interface RingNews {
  readonly ring: number;
  readonly text: string;
}

/** Features that would change the layout of rings or requests, which the front end may have of its own. */
const UNKNOWN_LAYOUTS = Feature.ringPacked | Feature.scsiT10Pi;

const MESSAGES_A_TURN = 64;

export class VhostSession {
  readonly #parts: SessionParts;
  readonly #reader: MessageReader;
  readonly #rings: readonly Vring[];
  readonly #protocolFeatures: bigint;
  #memory: RegionMemory | null = null;
  #negotiatedProtocol = false;
  #acknowledges = false;
  #ending: Promise<void> | null = null;
  #heard: Promise<void> = Promise.resolve();

  constructor(parts: SessionParts) {
    this.#parts = parts;
    const { native, connection, device, offersConfig } = parts;
    this.#reader = new MessageReader(connection);
    this.#rings = Array.from({ length: device.queues }, () => new Vring(native));
    const { multipleQueues, replyAcknowledge, config, resetDevice } = ProtocolFeature;
    this.#protocolFeatures =
      multipleQueues | replyAcknowledge | resetDevice | (offersConfig && device.config !== null ? config : 0n);
    this.#listen();
  }

  /** Stops all rings and gives everything back; resolves when that is done. */
  close(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  #listen(): void {
    const { connection } = this.#parts;
    connection.listen(() => {
      connection.ignore();
      this.#heard = this.#handleAll();
    });
  }

  /**
   * Messages that came while one was handled are read when it is done; after some of them the loop's others have their
   * turn, as a front end can write them as fast as they are read.
   */
  async #handleAll(): Promise<void> {
    try {
      for (let budget = MESSAGES_A_TURN; budget > 0; budget--) {
        const message = this.#reader.next();
        if (message === null) break;
        if (message === "end") return void this.close();
        await this.#handle(message);
        if (this.#ending !== null) return;
      }
      this.#listen();
    } catch (error) {
      this.#break(error);
    }
  }

  /** A front end that breaks the protocol loses its connection, and nobody else anything. */
  #break(error: unknown): void {
    this.#say("vhost-user:broken", error instanceof Error ? error.message : `${error}`);
    void this.close();
    if (error instanceof ProtocolError || error instanceof RangeError || isSystemError(error)) return;
    // A fault of ours. Whoever waits for the end waits for it with that alone.
    void Promise.reject(error);
  }

  async #end(): Promise<void> {
    const { connection, device, ended } = this.#parts;
    connection.ignore();
    for (const ring of this.#rings) ring.deafen();
    device.close();
    await Promise.all(this.#rings.map((_, index) => this.#stop(index)));
    await this.#heard;
    for (const ring of this.#rings) ring.close();
    this.#closeAll(this.#reader.takeDescriptors());
    this.#memory?.release();
    connection.close();
    ended();
  }

  async #handle(message: Message): Promise<void> {
    if (this.#parts.probes.listening) this.#parts.probes.emit("vhost-user:message", message);
    const { name, id, flags } = message;
    if (name === null) {
      this.#closeAll(message.descriptors);
      this.#acknowledge(id, flags, 1);
      if (!this.#wantsAcknowledgement(flags)) throw new ProtocolError(`message ${id}, which is not supported`);
      return;
    }
    await this.#handlers[name](message);
    if (!MESSAGES[name].answered) this.#acknowledge(id, flags, 0);
  }

  readonly #handlers: { readonly [Name in MessageName]: (message: Message) => void | Promise<void> } = {
    getFeatures: ({ id }) => this.#replyValue(id, this.#parts.device.features | F_PROTOCOL_FEATURES),
    setFeatures: ({ payload }) => this.#setFeatures(readValue(payload)),
    setOwner: () => {},
    resetOwner: () => this.#stopAll(),
    setMemoryTable: (message) => this.#setMemory(message),
    setVringNum: ({ payload }) => {
      const { ring, num } = this.#stateOf(payload);
      ring.size = num;
    },
    setVringAddress: ({ payload }) => this.#setAddresses(payload),
    setVringBase: ({ payload }) => {
      const { ring, num } = this.#stateOf(payload);
      if (num > 0xffff) throw new ProtocolError(`a ring's base of ${num}`);
      ring.base = num;
    },
    getVringBase: ({ id, payload }) => this.#getBase(id, payload),
    setVringKick: async (message) => {
      const { index, ring, descriptor } = this.#eventOf(message);
      await this.#stop(index);
      ring.setEvent("kick", descriptor);
      this.#startReady(index);
    },
    setVringCall: (message) => {
      const { ring, descriptor } = this.#eventOf(message);
      ring.setEvent("call", descriptor);
      // What the ring called before went to the descriptor of before: QEMU's own does not pass it on.
      if (ring.started) ring.signal("call");
    },
    setVringError: (message) => {
      const { ring, descriptor } = this.#eventOf(message);
      ring.setEvent("error", descriptor);
    },
    getProtocolFeatures: ({ id }) => this.#replyValue(id, this.#protocolFeatures),
    setProtocolFeatures: ({ payload }) => this.#setProtocolFeatures(readValue(payload)),
    getQueueNum: ({ id }) => this.#replyValue(id, BigInt(this.#rings.length)),
    setVringEnable: async ({ payload }) => {
      const { index, ring, num } = this.#stateOf(payload);
      ring.enabled = num !== 0;
      if (ring.enabled) this.#startReady(index);
      else await this.#stop(index);
    },
    getConfig: (message) => this.#getConfig(message),
    setConfig: (message) => this.#setConfig(message),
    resetDevice: async () => {
      // First, as what is under way may end by that alone.
      this.#parts.device.reset();
      for (const ring of this.#rings) ring.enabled = false;
      await this.#stopAll();
    },
  };

  #setFeatures(features: bigint): void {
    if ((features & UNKNOWN_LAYOUTS) !== 0n) throw new ProtocolError(`features 0x${features.toString(16)}`);
    this.#negotiatedProtocol = (features & F_PROTOCOL_FEATURES) !== 0n;
    this.#parts.device.setFeatures(features & ~F_PROTOCOL_FEATURES);
    this.#say("vhost-user:features", `0x${features.toString(16)}`);
  }

  #setProtocolFeatures(features: bigint): void {
    if ((features & ~this.#protocolFeatures) !== 0n) {
      throw new ProtocolError(`protocol features 0x${features.toString(16)}`);
    }
    this.#acknowledges = (features & ProtocolFeature.replyAcknowledge) !== 0n;
  }

  /** Rings that run go on in the new memory, and those that wait for it start. */
  async #setMemory({ payload, descriptors }: Message): Promise<void> {
    try {
      const { regions } = new MemoryTable(payload);
      const count = (payload.length - MemoryTable.size) / MemoryRegion.size;
      if (regions > count || regions !== descriptors.length) {
        throw new ProtocolError(`${regions} regions in room for ${count} with ${descriptors.length} descriptors`);
      }
      const memory = RegionMemory.map(
        this.#parts.native,
        descriptors.map((descriptor, i) => ({ descriptor, description: regionOf(payload, i) })),
      );
      await this.#stopAll();
      this.#memory?.release();
      this.#memory = memory;
      for (const index of this.#rings.keys()) this.#startReady(index);
    } finally {
      this.#closeAll(descriptors);
    }
  }

  #setAddresses(payload: Uint8Array): void {
    const { index, descriptors, available, used } = new VringAddress(payload);
    this.#ringAt(index).addresses = { descriptors, available, used };
  }

  async #getBase(id: number, payload: Uint8Array): Promise<void> {
    const { index, ring } = this.#stateOf(payload);
    await this.#stop(index);
    ring.closeEvent("kick");
    ring.closeEvent("call");
    const answer = new VringState(new Uint8Array(VringState.size));
    answer.index = index;
    answer.num = ring.base;
    this.#reply(id, answer.bytes);
  }

  /** A payload that cannot be answered is answered by none (QEMU takes that for an error). */
  #getConfig({ id, payload }: Message): void {
    const { config } = this.#parts.device;
    const { offset, size } = new ConfigRange(payload);
    const fitting = config !== null && size <= MAX_CONFIG && payload.length === ConfigRange.size + size;
    if (!fitting || offset + size > config.size) return this.#reply(id, new Uint8Array(0));
    const answer = payload.slice();
    config.read(offset, answer.subarray(ConfigRange.size));
    this.#reply(id, answer);
  }

  #setConfig({ payload }: Message): void {
    const { offset, size } = new ConfigRange(payload);
    if (payload.length !== ConfigRange.size + size) throw new ProtocolError(`a configuration of ${size} bytes`);
    const refused = this.#parts.device.config?.write(offset, payload.subarray(ConfigRange.size)) ?? null;
    if (refused !== null) this.#say("vhost-user:failed", refused);
  }

  /** Starts a ring that has all it needs. One that cannot start is told so by its error event. */
  #startReady(index: number): void {
    const ring = this.#rings[index];
    const enabled = ring.enabled || !this.#negotiatedProtocol;
    if (ring.started || !enabled || !ring.hasKick || ring.size === 0 || this.#memory === null) return;
    // The connection has ended while a message of it was handled.
    if (this.#ending !== null) return;
    const { device } = this.#parts;
    try {
      device.start(
        index,
        ring.toRing(this.#memory, (reason) => this.#failed(index, reason)),
      );
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return this.#failed(index, error.message);
    }
    ring.started = true;
    this.#sayOf("vhost-user:start", index, `${ring.size} descriptors from ${ring.base}`);
    ring.listen(() => this.#kicked(index));
    // Its kicks may have gone to nobody before.
    device.kick(index);
  }

  #kicked(index: number): void {
    if (this.#rings[index].started) this.#parts.device.kick(index);
  }

  #failed(index: number, reason: string): void {
    this.#rings[index].signal("error");
    this.#sayOf("vhost-user:failed", index, reason);
  }

  async #stop(index: number): Promise<void> {
    const ring = this.#rings[index];
    if (!ring.started) return;
    ring.started = false;
    ring.deafen();
    ring.base = await this.#parts.device.stop(index);
    this.#sayOf("vhost-user:stop", index, `at ${ring.base}`);
  }

  async #stopAll(): Promise<void> {
    await Promise.all(this.#rings.map((_, index) => this.#stop(index)));
  }

  #stateOf(payload: Uint8Array): { index: number; ring: Vring; num: number } {
    const { index, num } = new VringState(payload);
    return { index, ring: this.#ringAt(index), num };
  }

  #eventOf({ payload, descriptors }: Message): { index: number; ring: Vring; descriptor: number | null } {
    const value = new Value(payload).low;
    const index = value & VRING_INDEX;
    const none = (value & VRING_NO_DESCRIPTOR) !== 0;
    const ring = this.#rings[index];
    if (ring === undefined || none !== (descriptors.length === 0)) {
      this.#closeAll(descriptors);
      throw new ProtocolError(`an event of ring ${index} with ${descriptors.length} descriptors`);
    }
    return { index, ring, descriptor: descriptors[0] ?? null };
  }

  #ringAt(index: number): Vring {
    const ring = this.#rings[index];
    if (ring === undefined) throw new ProtocolError(`ring ${index} of ${this.#rings.length}`);
    return ring;
  }

  #wantsAcknowledgement(flags: number): boolean {
    return this.#acknowledges && (flags & FLAG_NEED_REPLY) !== 0;
  }

  #acknowledge(id: number, flags: number, status: number): void {
    if (this.#wantsAcknowledgement(flags)) this.#replyValue(id, BigInt(status));
  }

  #replyValue(id: number, value: bigint): void {
    const answer = new Value(new Uint8Array(Value.size));
    answer.low = Number(value & 0xffff_ffffn);
    answer.high = Number(value >> 32n);
    this.#reply(id, answer.bytes);
  }

  #reply(id: number, payload: Uint8Array): void {
    const bytes = new Uint8Array(MessageHeader.size + payload.length);
    const header = new MessageHeader(bytes);
    header.request = id;
    header.flags = VERSION | FLAG_REPLY;
    header.size = payload.length;
    bytes.set(payload, MessageHeader.size);
    const sent = this.#parts.connection.send(bytes);
    if (sent !== bytes.length) throw new ProtocolError("a front end that reads no replies");
  }

  #closeAll(descriptors: readonly number[]): void {
    for (const descriptor of descriptors) this.#parts.native.close(descriptor);
  }

  #say(name: string, text: string): void {
    this.#parts.probes.emit(name, text);
  }

  #sayOf(name: string, ring: number, text: string): void {
    this.#parts.probes.emit(name, { ring, text } satisfies RingNews);
  }
}

function readValue(payload: Uint8Array): bigint {
  const { low, high } = new Value(payload);
  return (BigInt(high) << 32n) | BigInt(low);
}

function regionOf(payload: Uint8Array, index: number) {
  const { guestAddress, size, userAddress, fileOffset } = new MemoryRegion(
    payload,
    MemoryTable.size + index * MemoryRegion.size,
  );
  return { guestAddress, size, userAddress, fileOffset };
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && ("errno" in error || "syscall" in error);
}
