// Knows how to play a back end by hand: it answers whatever it is told, or nothing. Independent of scsiback and of the
// ring code.

import { type InProcessDomain, type MappedPage, VscsiifRequest, VscsiifResponse } from "@pvscsi/xen";
import type { VscsiNodes } from "./vscsi-nodes.js";
import type { XenWorld } from "./xen-world.js";

const RING = { reqProd: 0, reqEvent: 4, rspProd: 8, rspEvent: 12, slots: 64, slotSize: 252, entries: 16 } as const;

export interface TakenRequest {
  readonly rqid: number;
  readonly act: number;
  readonly cmdLen: number;
  readonly cdb: Uint8Array;
  readonly timeout: number;
  readonly channel: number;
  readonly id: number;
  readonly lun: number;
  readonly refRqid: number;
  readonly direction: number;
  readonly segmentCount: number;
  readonly segments: ReadonlyArray<{ readonly gref: number; readonly offset: number; readonly length: number }>;
}

export interface AnswerFields {
  readonly rslt?: number;
  readonly residual?: number;
  readonly sense?: Uint8Array;
  /** Unless told otherwise the sense data's length. */
  readonly senseLen?: number;
}

export class ScriptedBack {
  readonly domain: InProcessDomain;
  readonly nodes: VscsiNodes;
  /** Notifications from the front end. */
  events = 0;
  page: MappedPage | null = null;
  port = 0;
  readonly #world: XenWorld;
  #view: DataView = new DataView(new ArrayBuffer(4096));
  #requests = 0;
  #responses = 0;

  constructor(world: XenWorld, domain: InProcessDomain, nodes: VscsiNodes) {
    this.#world = world;
    this.domain = domain;
    this.nodes = nodes;
  }

  /** Maps the ring and goes to Connected, with all LUNs in Initialised. */
  async connect(luns: number, nodes: { readonly [name: string]: string } = {}): Promise<this> {
    await this.write({ state: "2", ...nodes });
    await this.#world.settle();
    await this.map();
    const states = Array.from({ length: luns }, (_, index) => [`vscsi-devs/dev-${index}/state`, "3"]);
    await this.write({ ...Object.fromEntries(states), state: "4" });
    await this.#world.settle();
    return this;
  }

  async map(): Promise<void> {
    const reference = Number(await this.#world.read(`${this.nodes.front}/ring-ref`));
    const port = Number(await this.#world.read(`${this.nodes.front}/event-channel`));
    this.page = this.domain.map(this.nodes.guest, reference, "read-write") as MappedPage;
    this.port = this.domain.events.bindInterdomain(this.nodes.guest, port) as number;
    this.#view = new DataView(this.page.bytes.buffer, this.page.bytes.byteOffset, 4096);
    this.domain.events.listen(this.port, { run: () => (this.events += 1) });
    this.#requests = this.#responses = 0;
  }

  unmap(): void {
    this.domain.events.close(this.port);
    if (this.page !== null) this.domain.unmap(this.page);
    this.page = null;
  }

  /** Writes its own nodes, one after the other. */
  async write(nodes: { readonly [name: string]: string }): Promise<void> {
    for (const [name, value] of Object.entries(nodes)) {
      await this.#world.done(this.domain.store.write(`${this.nodes.back}/${name}`, value));
    }
  }

  get(word: "reqProd" | "reqEvent" | "rspProd" | "rspEvent"): number {
    return this.#view.getUint32(RING[word], true);
  }

  set(word: "reqProd" | "reqEvent" | "rspProd" | "rspEvent", value: number): void {
    this.#view.setUint32(RING[word], value, true);
  }

  /** The requests that came since the last time. */
  take(): TakenRequest[] {
    const taken: TakenRequest[] = [];
    for (const producer = this.get("reqProd"); this.#requests !== producer; this.#requests++) {
      taken.push(this.#request(this.#requests));
    }
    this.set("reqEvent", this.#requests + 1);
    return taken;
  }

  #request(index: number): TakenRequest {
    const at = RING.slots + RING.slotSize * (index % RING.entries);
    const request = new VscsiifRequest((this.page as MappedPage).bytes.slice(at, at + RING.slotSize));
    const { rqid, act, cmdLen, timeout, channel, id, lun, refRqid, segmentCount, cmnd, dataDirection } = request;
    const segments = Array.from({ length: Math.min(26, segmentCount & 0x7f) }, (_, i) => {
      const { gref, offset, length } = request.segments.at(i);
      return { gref, offset, length };
    });
    const cdb = cmnd.slice();
    return {
      rqid,
      act,
      cmdLen,
      cdb,
      timeout,
      channel,
      id,
      lun,
      refRqid,
      direction: dataDirection,
      segmentCount,
      segments,
    };
  }

  /** Puts a response into the next slot, and shows it unless told not to. */
  answer(rqid: number, { rslt = 0, residual = 0, sense, senseLen }: AnswerFields = {}, push = true): void {
    const at = RING.slots + RING.slotSize * (this.#responses++ % RING.entries);
    const response = new VscsiifResponse((this.page as MappedPage).bytes, at);
    response.rqid = rqid;
    response.rslt = rslt;
    response.residualLen = residual;
    response.senseLen = senseLen ?? sense?.length ?? 0;
    response.senseBuffer = sense ?? new Uint8Array(0);
    if (push) this.push();
  }

  /** The same as Linux' back end does it: what it says nothing of keeps the bytes of the request that lay there. Unseen so far. */
  answerInPlace(rqid: number, { rslt = 0, residual = 0, sense = new Uint8Array(0) }: AnswerFields): void {
    const at = RING.slots + RING.slotSize * (this.#responses++ % RING.entries);
    const response = new VscsiifResponse((this.page as MappedPage).bytes, at);
    response.rqid = rqid;
    response.rslt = rslt;
    response.residualLen = residual;
    response.senseLen = sense.length;
    response.bytes.set(sense, at + VscsiifResponse.offsets.senseBuffer);
  }

  /** Shows the front end all answers, and notifies it. */
  push(producer = this.#responses): void {
    this.set("rspProd", producer);
    this.notify();
  }

  notify(): void {
    this.domain.events.notify(this.port);
  }
}
