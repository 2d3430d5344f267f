// Knows a discovery session: asking a portal for its targets and where each is reached (RFC 7143 4.3, 13.8; SendTargets, appendix C).

import { ProtocolError, type Timer } from "@pvscsi/wire";
import { FINAL, LogoutReason } from "../abi/codes.js";
import { IMMEDIATE, NO_TAG, OPCODE_MASK, Opcode, PDUS } from "../abi/pdu.js";
import { formatText, type KeyValue, parseText, TextAssembly } from "../text.js";
import { InitiatorConnection } from "./connection.js";
import { dialTcp, type PortalAddress, parsePortal } from "./dial.js";
import type { IncomingAnswer } from "./incoming-answer.js";
import { InitiatorLogin } from "./login.js";
import { DEFAULT_TIMEOUTS, type LoginOptions, randomIsid } from "./options.js";

/** Where a target is reached, and by which portal group. */
export interface TargetPortal extends PortalAddress {
  readonly tag: number;
}

export interface DiscoveredTarget {
  readonly name: string;
  /** The portal that was asked, where the target names none. */
  readonly portals: readonly TargetPortal[];
}

const MAX_TEXT = 1 << 20;
const DEFAULT_TAG = 1;

/** Asks a portal for all targets that it has for us. Rejects as `openIscsiInitiator` does, and where no answer comes in the time of a login. */
export function discoverTargets(options: LoginOptions): Promise<DiscoveredTarget[]> {
  return new Promise((resolve, reject) => {
    new Discovery(options, resolve, reject);
  });
}

class Discovery {
  readonly #options: LoginOptions;
  readonly #connection: InitiatorConnection;
  readonly #text = new TextAssembly(MAX_TEXT);
  readonly #resolve: (targets: DiscoveredTarget[]) => void;
  readonly #timer: Timer;
  #reject: (error: Error) => void;
  #tag = 1;

  constructor(options: LoginOptions, resolve: (targets: DiscoveredTarget[]) => void, reject: (error: Error) => void) {
    const { portal, initiator, proof, headerDigest, dataDigest, unguessable, clock, scheduler } = options;
    const { login: loginTimeout } = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    const late = (): void => this.#connection.drop(new Error("the portal does not tell its targets"));
    this.#timer = clock.after(3 * loginTimeout, { run: late });
    this.#connection = new InitiatorConnection({
      portal,
      dial: options.dial ?? dialTcp,
      clock,
      scheduler,
      login: new InitiatorLogin({
        initiator,
        target: null,
        proof: proof ?? null,
        headerDigest: headerDigest ?? "None",
        dataDigest: dataDigest ?? "None",
        unsolicited: false,
        unguessable,
      }),
      isid: randomIsid(unguessable),
      loginTimeout,
      owner: {
        opened: () => this.#ask([{ key: "SendTargets", value: "All" }], NO_TAG),
        header: (pdu) => this.#connection.data.receive(pdu),
        whole: (pdu) => this.#take(pdu),
        ended: (error) => {
          clock.cancel(this.#timer);
          this.#reject(error);
        },
      },
    });
  }

  #ask(pairs: readonly KeyValue[], ttt: number): void {
    const { writer } = this.#connection;
    const pdu = writer.begin(Opcode.text | IMMEDIATE, FINAL);
    pdu.request.itt = this.#tag;
    pdu.request.ttt = ttt;
    writer.sendBytes(pdu, formatText(pairs), false);
  }

  #take(pdu: IncomingAnswer): void {
    const { writer, data } = this.#connection;
    const { answer } = pdu;
    const opcode = answer.opcode & OPCODE_MASK;
    if (!writer.count(answer.statSN)) throw new ProtocolError(`StatSN ${answer.statSN} is not next`);
    if (opcode === Opcode.logoutResponse) return this.#connection.drop(new Error("logged out"));
    if (opcode !== Opcode.textResponse || answer.itt !== this.#tag) {
      throw new ProtocolError(`the portal has sent ${PDUS[opcode]?.name ?? "what is no PDU"}`);
    }
    this.#text.add(data.copy());
    if ((answer.flags & FINAL) === 0) return this.#ask([], answer.ttt);
    const targets = targetsOf(parseText(this.#text.take()), this.#options.portal);
    // What was told counts, however the session ends.
    this.#reject = () => this.#resolve(targets);
    this.#logOut();
  }

  #logOut(): void {
    const { writer } = this.#connection;
    const pdu = writer.begin(Opcode.logout | IMMEDIATE, FINAL | LogoutReason.closeSession);
    this.#tag += 1;
    pdu.request.itt = this.#tag;
    writer.send(pdu, null, false);
  }
}

/** Throws ProtocolError where an address stands before any target, or is none. */
function targetsOf(pairs: readonly KeyValue[], asked: PortalAddress): DiscoveredTarget[] {
  const targets: { readonly name: string; readonly portals: TargetPortal[] }[] = [];
  for (const { key, value } of pairs) {
    if (key === "TargetName") targets.push({ name: value, portals: [] });
    if (key !== "TargetAddress") continue;
    const portal = parsePortal(value);
    const tag = /,(\d{1,5})$/.exec(value)?.[1];
    const target = targets.at(-1);
    if (portal === null || target === undefined) throw new ProtocolError(`TargetAddress=${value}`);
    target.portals.push({ ...portal, tag: tag === undefined ? DEFAULT_TAG : Number(tag) });
  }
  for (const { portals } of targets) if (portals.length === 0) portals.push({ ...asked, tag: DEFAULT_TAG });
  return targets;
}
