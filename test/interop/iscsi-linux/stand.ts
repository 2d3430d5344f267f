// Knows what all rows stand on: a portal that may end and come again, a relay before it at an address that stays, and a guest that
// comes by that address.

import { expect } from "chai";
import { type PortalWishes, ServedPortal } from "../iscsi/portal.js";
import { makeFile } from "../qemu/files.js";
import type { Images } from "../qemu/images.js";
import type { SuiteContext } from "../suite.js";
import { HOST, Initiator } from "./initiator.js";
import { Relay } from "./relay.js";

/** MiB of LUN 0, which is a file, and of LUN 1, which is memory. */
export const FILE_SIZE = 96;
export const MEMORY_SIZE = 64;

export class Stand {
  readonly context: SuiteContext;
  readonly relay: Relay;
  readonly initiator: Initiator;
  /** What is behind LUN 0. */
  readonly file: string;
  #portal: ServedPortal;

  private constructor(context: SuiteContext, relay: Relay, initiator: Initiator, file: string, portal: ServedPortal) {
    this.context = context;
    this.relay = relay;
    this.initiator = initiator;
    this.file = file;
    this.#portal = portal;
  }

  static async open(context: SuiteContext, images: Images): Promise<Stand> {
    const relay = await Relay.open();
    const file = await makeFile(context, FILE_SIZE);
    const portal = await servePortal(context, relay, file);
    const initiator = await Initiator.boot(context, images, { port: relay.port, target: portal.target });
    return new Stand(context, relay, initiator, file, portal);
  }

  get portal(): ServedPortal {
    return this.#portal;
  }

  /** Where it listens, of this machine's ports. */
  get port(): number {
    return portOf(this.#portal);
  }

  /** Starts the portal again, which has ended, over the same file; it listens elsewhere, and the relay leads there. */
  async serveAgain(wishes: PortalWishes = {}): Promise<void> {
    this.#portal = await servePortal(this.context, this.relay, this.file, wishes);
  }

  /** Ends the portal where it stands, and starts it again. */
  async killPortal(): Promise<void> {
    process.kill(this.#portal.pid, "SIGKILL");
    this.relay.lead(null);
    await this.serveAgain();
  }

  /** Ends the portal, which must have nothing to say of its initiators. */
  async endPortal(): Promise<string> {
    expect(await this.#portal.end(), "what the portal said").to.deep.equal([]);
    return "status 0, nothing said";
  }

  /** Ends the guest and the relay; the portal has ended. */
  async close(): Promise<void> {
    await this.initiator.guest.end();
    this.relay.close();
  }
}

async function servePortal(
  context: SuiteContext,
  relay: Relay,
  file: string,
  wishes: PortalWishes = {},
): Promise<ServedPortal> {
  const luns = [`${file},thin`, `mem:${MEMORY_SIZE}MiB,thin`];
  const portal = await ServedPortal.start(context, luns, { advertise: `${HOST}:${relay.port}`, ...wishes });
  relay.lead(portOf(portal));
  return portal;
}

function portOf({ address }: ServedPortal): number {
  return Number(address.split(":").at(-1));
}
