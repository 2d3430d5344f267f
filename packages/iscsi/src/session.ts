// Knows a session: an initiator port's nexus with a target, and the order of its commands. Knows no connection.

import { iscsiTransportId, Nexus } from "@pvscsi/scsi";
import type { Probes } from "@pvscsi/wire";
import type { Commands } from "./commands.js";
import { type LoginIdentity, sessionKey } from "./login.js";
import type { Destination } from "./target.js";
import { CommandWindow } from "./window.js";

/** What a session is to its portal: whom to ask to leave. */
export interface SessionConnection {
  /** Ends the connection at once. */
  drop(reason: string): void;
  /** Ends the connection when the initiator has been told so. */
  dismiss(reason: string): void;
  /** Asks the initiator to log out, and dismisses it when it has not after a while. */
  askToLeave(reason: string): void;
}

export class Session {
  /** Initiator, ISID, target and portal group: no two have the same. */
  readonly key: string;
  readonly identity: LoginIdentity;
  /** The target's number for it, never 0. */
  readonly tsih: number;
  readonly destination: Destination;
  readonly nexus: Nexus;
  readonly window: CommandWindow;
  readonly connection: SessionConnection;
  /** Set by the connection once it takes commands. */
  commands: Commands | null = null;
  #over: Promise<void> | null = null;

  constructor(
    identity: LoginIdentity & { readonly destination: Destination },
    { tsih, firstCmdSN, depth }: { readonly tsih: number; readonly firstCmdSN: number; readonly depth: number },
    connection: SessionConnection,
    probes: Probes,
  ) {
    this.key = sessionKey(identity);
    this.identity = identity;
    this.tsih = tsih;
    this.destination = identity.destination;
    this.connection = connection;
    // The initiator port's name as SAM has it (RFC 7143 4.4.1): its node's name and ISID.
    const { target, group } = identity.destination;
    this.nexus = new Nexus(target, {
      initiator: `${identity.initiator},i,0x${identity.isid}`,
      initiatorPort: iscsiTransportId(identity.initiator, identity.isid),
      ...(group.targetPort === undefined ? {} : { targetPort: group.targetPort }),
      probes,
      wellKnown: true,
    });
    this.window = new CommandWindow(firstCmdSN, depth);
  }

  /** Ends all its tasks, without an answer; resolves when the last has ended. */
  close(): Promise<void> {
    if (this.#over === null) {
      this.commands?.close();
      this.#over = this.nexus.close();
    }
    return this.#over;
  }
}
