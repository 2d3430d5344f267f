// Knows a virtio-blk device as a whole (virtio 1.3, 5.2): one store, its queues, what its driver is told. Knows no
// transport.

import { type ByteStore, type LogicalUnit, localTransportId, Nexus, Target, type TransportId } from "@pvscsi/scsi";
import { assert, nullProbes, type Probes, type Scheduler } from "@pvscsi/wire";
import { BLOCK_ID_LENGTH } from "../abi/block.js";
import { Feature } from "../abi/features.js";
import type { DeviceRing, VirtioDevice } from "../device.js";
import { BlockConfigSpace, type BlockLimits, blockFeatures, DEFAULT_BLOCK_LIMITS } from "./config-space.js";
import { BlockRequestQueue } from "./request-queue.js";

export interface BlockDeviceOptions {
  /** Stays its owner's, who closes it; the device is its user until `close`. */
  readonly store: ByteStore;
  readonly scheduler: Scheduler;
  readonly blockSize?: 512 | 4096;
  /** Also read-only when the store is. */
  readonly readOnly?: boolean;
  /** What GET_ID gives: up to 20 characters of ASCII. */
  readonly serial?: string;
  /**
   * The SCSI disk on the same store, which commands of SG_IO are passed to: libvirt's `device='lun'`. Only the legacy
   * interface has them, so the device is a legacy one then, as QEMU's with scsi=on. The disk hears of the store's size.
   */
  readonly unit?: LogicalUnit;
  /** Whose port its SG_IO comes from; one that the serial number decides where it is not said. */
  readonly initiatorPort?: TransportId;
  readonly limits?: Partial<BlockLimits>;
  readonly probes?: Probes;
}

const RING = Feature.indirectDescriptors | Feature.eventIndex;

export class VirtioBlkDevice implements VirtioDevice {
  readonly features: bigint;
  readonly queues: number;
  readonly config: BlockConfigSpace;
  readonly #options: BlockDeviceOptions;
  readonly #limits: BlockLimits;
  readonly #readOnly: boolean;
  readonly #id: Uint8Array;
  readonly #target: Target | null;
  readonly #started = new Map<number, BlockRequestQueue>();
  readonly #unlisten: () => void;
  #nexus: Nexus | null = null;
  #features = 0n;

  constructor(options: BlockDeviceOptions) {
    const { store, blockSize = 512, serial = "", unit } = options;
    assert(/^[ -~]{0,20}$/.test(serial), `a serial of ${serial.length} characters for ${BLOCK_ID_LENGTH}`);
    this.#options = options;
    this.#limits = { ...DEFAULT_BLOCK_LIMITS, ...options.limits };
    this.#readOnly = options.readOnly === true || store.features.readOnly;
    this.#id = Uint8Array.from(serial, (letter) => letter.charCodeAt(0));
    this.queues = this.#limits.queues;
    const geometry = { blockSize, readOnly: this.#readOnly };
    this.config = new BlockConfigSpace(store, geometry, this.#limits);
    this.#target = unit === undefined ? null : new Target();
    const interface_ = this.#target === null ? Feature.version1 : Feature.blockScsi;
    this.features = blockFeatures(store, geometry, this.#limits) | RING | interface_;
    this.#unlisten = this.#hearResizes(store, unit);
  }

  setFeatures(features: bigint): void {
    this.#features = features;
  }

  start(index: number, ring: DeviceRing): void {
    const { store, scheduler, probes = nullProbes, serial = "" } = this.#options;
    const { initiatorPort = localTransportId(`virtio-blk ${serial}`) } = this.#options;
    if (this.#target !== null) this.#nexus ??= new Nexus(this.#target, { initiatorPort, probes });
    const queue = new BlockRequestQueue({
      ring,
      features: this.#features,
      limits: this.#limits,
      scheduler,
      probes,
      store,
      readOnly: this.#readOnly,
      id: this.#id,
      nexus: this.#nexus,
    });
    this.#started.set(index, queue);
  }

  kick(index: number): void {
    this.#started.get(index)?.kick();
  }

  async stop(index: number): Promise<number> {
    const next = (await this.#started.get(index)?.stop()) ?? 0;
    this.#started.delete(index);
    return next;
  }

  reset(): void {
    for (const queue of this.#started.values()) queue.abort();
    void this.#nexus?.close();
    this.#nexus = null;
    this.#features = 0n;
  }

  close(): void {
    this.reset();
    this.#unlisten();
  }

  /** A store tells one user of its size: with a disk on it, that is the disk. */
  #hearResizes(store: ByteStore, unit: LogicalUnit | undefined): () => void {
    const resized = (): void => this.config.resized();
    if (unit === undefined) {
      store.resized = resized;
      return () => {
        store.resized = null;
      };
    }
    this.#target?.add(0, unit);
    return unit.listen((event) => {
      if (event === "capacity-changed") resized();
    });
  }
}
