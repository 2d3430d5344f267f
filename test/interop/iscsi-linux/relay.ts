// Knows what stands between the guest and the portal: a TCP relay at an address that stays, which cuts connections, turns a bit over,
// and counts the PDUs that go by.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Opcode } from "@pvscsi/iscsi";
import { type Digests, PduStream, type Sighting } from "./pdu-stream.js";

/** Where a bit is turned over, once: in the next PDU of that kind which has such a part. */
export interface Spoiling {
  readonly opcode: number;
  readonly part: "header" | "data";
}

/** PDUs of these kinds are so many that they are counted only. */
const COUNTED: ReadonlySet<number> = new Set([
  ...[Opcode.command, Opcode.response, Opcode.dataIn, Opcode.dataOut, Opcode.readyToTransfer],
  ...[Opcode.nopIn, Opcode.nopOut],
]);

export class Relay {
  readonly port: number;
  /** PDUs that went by, by opcode. */
  readonly counts = new Map<number, number>();
  /** Those that are few, in order. */
  readonly seen: Sighting[] = [];
  /** Most R2Ts of one command that were without their last Data-Out. */
  mostOutstanding = 0;
  /** Connections that the target ended without having heard that its initiator had gone. */
  targetsClosed = 0;
  /** Whether the sessions have agreed on digests. */
  digests: Digests = { header: false, data: false };
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #outstanding = new Map<number, number>();
  #upstream: number | null = null;
  #spoiling: Spoiling | null = null;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (socket) => this.#join(socket));
  }

  static async open(): Promise<Relay> {
    const server = createServer({ noDelay: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Relay(server);
  }

  /** The port of this machine to which connections are led from now on; none are taken where it is null. */
  lead(port: number | null): void {
    this.#upstream = port;
  }

  /** Connections that are there. */
  get connections(): number {
    return this.#pairs.size;
  }

  count(opcode: number): number {
    return this.counts.get(opcode) ?? 0;
  }

  /** Those of one kind that went by since `seen` had so many. */
  seenSince(length: number, opcode: number): Sighting[] {
    return this.seen.slice(length).filter((sighting) => sighting.opcode === opcode);
  }

  spoil(spoiling: Spoiling): void {
    this.#spoiling = spoiling;
  }

  /** Whether what was to be spoiled was. */
  get spoiled(): boolean {
    return this.#spoiling === null;
  }

  /** Ends all connections; the target hears of it unless it is left alone. */
  cut({ targetHears = true } = {}): void {
    for (const [initiator, target] of this.#pairs) {
      if (!targetHears) target.removeAllListeners("close").once("close", () => this.targetsClosed++);
      initiator.destroy();
      if (targetHears) target.destroy();
    }
    if (!targetHears) this.#pairs.clear();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  #join(initiator: Socket): void {
    if (this.#upstream === null) {
      initiator.destroy();
      return;
    }
    const target = connect({ port: this.#upstream, host: "127.0.0.1", noDelay: true });
    const pair = [initiator, target] as const;
    this.#pairs.add(pair);
    this.#pass(initiator, target);
    this.#pass(target, initiator);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        if (this.#pairs.delete(pair)) for (const each of pair) each.destroySoon();
      });
    }
  }

  #pass(from: Socket, to: Socket): void {
    const stream = new PduStream(() => this.digests, {
      header: (sighting) => this.#note(sighting),
      turnsOver: (opcode, part) => this.#turnsOver(opcode, part),
    });
    from.on("data", (bytes: Buffer) => {
      stream.take(bytes);
      if (!to.write(bytes)) from.pause();
    });
    to.on("drain", () => from.resume());
    from.on("end", () => to.end());
  }

  #note(sighting: Sighting): void {
    const { opcode } = sighting;
    this.counts.set(opcode, this.count(opcode) + 1);
    if (!COUNTED.has(opcode)) this.seen.push(sighting);
    else this.#noteTransfer(sighting);
  }

  /** R2Ts and the last Data-Outs that answer them. */
  #noteTransfer({ opcode, header }: Sighting): void {
    const tag = header.readUInt32BE(16);
    const before = this.#outstanding.get(tag) ?? 0;
    if (opcode === Opcode.readyToTransfer) {
      this.#outstanding.set(tag, before + 1);
      this.mostOutstanding = Math.max(this.mostOutstanding, before + 1);
    } else if (opcode === Opcode.response) this.#outstanding.delete(tag);
    else if (opcode === Opcode.dataOut && (header[1] & 0x80) !== 0 && before > 0)
      this.#outstanding.set(tag, before - 1);
  }

  #turnsOver(opcode: number, part: Spoiling["part"]): boolean {
    const wanted = this.#spoiling;
    if (wanted === null || wanted.opcode !== opcode || wanted.part !== part) return false;
    this.#spoiling = null;
    return true;
  }
}
