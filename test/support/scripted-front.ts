// Knows how to play a front end by hand: it writes whatever it is told into ring, grants and nodes, and shows what came
// back. Independent of scsifront and of the ring code.

import { type Domain, type Page, VscsiifRequest, VscsiifResponse } from "@pvscsi/xen";
import type { Toolstack, VscsiNodes } from "./vscsi-nodes.js";

const RING = { reqProd: 0, reqEvent: 4, rspProd: 8, rspEvent: 12, slots: 64, slotSize: 252, entries: 16 } as const;

/** Where it plays, e.g. in a `XenWorld`. */
export interface FrontWorld extends Pick<Toolstack, "done"> {
  /** Lets others do what they have to do. */
  settle(): Promise<void>;
}

/** What a request says; the rest is 0. Segments are [gref, offset, length]. */
export interface RequestFields {
  readonly rqid?: number;
  readonly act?: number;
  readonly cdb?: readonly number[];
  readonly cmdLen?: number;
  readonly channel?: number;
  readonly id?: number;
  readonly lun?: number;
  readonly refRqid?: number;
  readonly direction?: number;
  readonly segmentCount?: number;
  readonly segments?: ReadonlyArray<readonly [gref: number, offset: number, length: number]>;
}

export interface ResponseFields {
  readonly rqid: number;
  readonly rslt: number;
  readonly residual: number;
  readonly senseLen: number;
  /** All 96 bytes of the sense buffer. */
  readonly sense: Uint8Array;
  /** Whether every byte is 0 that has no meaning here: `act`, sense behind its length, and the reserved end. */
  readonly clean: boolean;
}

/** A granted page. */
export interface Granted {
  readonly page: Page;
  readonly gref: number;
}

export class ScriptedFront {
  readonly domain: Domain;
  readonly nodes: VscsiNodes;
  readonly ring: Granted;
  readonly port: number;
  /** Notifications from the back end. */
  events = 0;
  readonly #world: FrontWorld;
  readonly #view: DataView;
  readonly #granted: Granted[] = [];
  #requests = 0;
  #responses = 0;
  #rqid = 0x100;

  constructor(world: FrontWorld, domain: Domain, nodes: VscsiNodes) {
    this.#world = world;
    this.domain = domain;
    this.nodes = nodes;
    this.ring = this.grant("read-write");
    this.port = domain.events.allocateUnbound(nodes.backend) as number;
    domain.events.listen(this.port, { run: () => (this.events += 1) });
    this.#view = new DataView(this.ring.page.bytes.buffer, this.ring.page.bytes.byteOffset, 4096);
    this.set("reqEvent", 1);
    this.set("rspEvent", 1);
  }

  /** Writes ring-ref, event-channel and state 3, unless told to write something else. */
  async connect(nodes: { readonly [name: string]: string } = {}): Promise<this> {
    const values = { "ring-ref": String(this.ring.gref), "event-channel": String(this.port), state: "3", ...nodes };
    for (const [name, value] of Object.entries(values)) await this.write(name, value);
    await this.#world.settle();
    return this;
  }

  /** Writes one of its own nodes. */
  async write(name: string, value: string): Promise<void> {
    await this.#world.done(this.domain.store.write(`${this.nodes.front}/${name}`, value));
  }

  grant(access: "read-only" | "read-write"): Granted {
    const [page] = this.domain.allocatePages(1, this.nodes.backend);
    const granted = { page, gref: this.domain.grants.grant(this.nodes.backend, page, access) };
    this.#granted.push(granted);
    return granted;
  }

  get(word: "reqProd" | "reqEvent" | "rspProd" | "rspEvent"): number {
    return this.#view.getUint32(RING[word], true);
  }

  set(word: "reqProd" | "reqEvent" | "rspProd" | "rspEvent", value: number): void {
    this.#view.setUint32(RING[word], value, true);
  }

  /** Writes a request into the next slot, unseen so far; returns its rqid. */
  put(fields: RequestFields): number {
    const { cdb = [0, 0, 0, 0, 0, 0], segments = [] } = fields;
    const at = this.#nextSlot();
    this.ring.page.bytes.fill(0, at, at + RING.slotSize);
    const request = new VscsiifRequest(this.ring.page.bytes, at);
    request.rqid = fields.rqid ?? this.#rqid++;
    request.act = fields.act ?? 1;
    request.cmdLen = fields.cmdLen ?? cdb.length;
    request.cmnd = Uint8Array.from(cdb);
    request.timeout = 30;
    request.channel = fields.channel ?? 0;
    request.id = fields.id ?? 0;
    request.lun = fields.lun ?? 0;
    request.refRqid = fields.refRqid ?? 0;
    request.dataDirection = fields.direction ?? 3;
    request.segmentCount = fields.segmentCount ?? segments.length;
    for (const [index, [gref, offset, length]] of segments.slice(0, 26).entries()) {
      const segment = request.segments.at(index);
      segment.gref = gref;
      segment.offset = offset;
      segment.length = length;
    }
    return request.rqid;
  }

  /** Puts all 252 bytes of a request into the next slot, unseen so far. */
  putBytes(request: Uint8Array): void {
    this.ring.page.bytes.set(request, this.#nextSlot());
  }

  #nextSlot(): number {
    return RING.slots + RING.slotSize * (this.#requests++ % RING.entries);
  }

  /** Shows the back end all that was put, and notifies it. */
  push(): void {
    this.set("reqProd", this.#requests);
    this.notify();
  }

  notify(): void {
    this.domain.events.notify(this.port);
  }

  /** Puts, pushes, lets the world run, and returns the responses that came. */
  async send(...requests: RequestFields[]): Promise<ResponseFields[]> {
    for (const request of requests) this.put(request);
    this.push();
    await this.#world.settle();
    return this.take();
  }

  /** The responses that came since the last time. */
  take(): ResponseFields[] {
    const taken: ResponseFields[] = [];
    for (const producer = this.get("rspProd"); this.#responses !== producer; this.#responses++) {
      taken.push(this.#response(this.#responses));
    }
    this.set("rspEvent", this.#responses + 1);
    return taken;
  }

  #response(index: number): ResponseFields {
    const at = RING.slots + RING.slotSize * (index % RING.entries);
    const bytes = this.ring.page.bytes.slice(at, at + RING.slotSize);
    const { rqid, act, rslt, residualLen, senseLen, senseBuffer } = new VscsiifResponse(bytes);
    const meaningless = [act, ...senseBuffer.subarray(senseLen), ...bytes.subarray(VscsiifResponse.offsets.reserved)];
    return {
      rqid,
      rslt,
      residual: residualLen,
      senseLen,
      sense: senseBuffer.slice(),
      clean: meaningless.every((byte) => byte === 0),
    };
  }

  /** Takes back all grants and the port; throws when the back end still has a page mapped. */
  leave(): void {
    this.domain.events.close(this.port);
    for (const { gref, page } of this.#granted) {
      if (!this.domain.grants.revoke(gref)) throw new Error(`grant ${gref} is still in use`);
      this.domain.freePages([page]);
    }
    this.#granted.length = 0;
  }
}
