// Knows what an initiator is told: whom to log in to and as whom, how long it waits for what, in open-iscsi's words.

import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import type { ChapAccount } from "../target.js";
import type { Dial, PortalAddress } from "./dial.js";

/** How an initiator proves who it is. */
export interface InitiatorProof {
  readonly initiator: ChapAccount;
  /** Who the target has to be; it is not asked where this is not said. */
  readonly target?: ChapAccount;
  /** Numbers of `CHAP_DIGESTS`, what is liked best first: MD5 alone ("5") where it is not said, as some targets take 7 for SHA-1. */
  readonly digests?: readonly string[];
}

/** A name and a secret as people write them. */
export interface TextAccount {
  readonly name: string;
  readonly secret: string;
}

const encoder = new TextEncoder();

/** The proof that a URL or a file says in text. */
export function proofOfText(text: { readonly initiator: TextAccount; readonly target?: TextAccount }): InitiatorProof {
  const accountOf = ({ name, secret }: TextAccount): ChapAccount => ({ name, secret: encoder.encode(secret) });
  const { initiator, target } = text;
  return { initiator: accountOf(initiator), ...(target === undefined ? {} : { target: accountOf(target) }) };
}

/** Values of HeaderDigest and DataDigest, what is liked best first. */
export type DigestWish = "None" | "CRC32C" | "CRC32C,None" | "None,CRC32C";

/** Milliseconds. */
export interface InitiatorTimeouts {
  /** node.conn[0].timeo.login_timeout: for connecting and for a login, each. */
  readonly login: number;
  /** node.conn[0].timeo.logout_timeout. */
  readonly logout: number;
  /** node.conn[0].timeo.noop_out_interval: a target that was silent so long is asked whether it is there; 0 never asks. */
  readonly noopInterval: number;
  /** node.conn[0].timeo.noop_out_timeout: it has so long to say so. */
  readonly noopTimeout: number;
  /** node.session.err_timeo.abort_timeout. */
  readonly abort: number;
  /** node.session.err_timeo.lu_reset_timeout, and tgt_reset_timeout. */
  readonly reset: number;
  /** node.session.timeo.replacement_timeout: commands wait so long for a connection that was lost. */
  readonly replacement: number;
}

/** open-iscsi's own. */
export const DEFAULT_TIMEOUTS: InitiatorTimeouts = {
  login: 15_000,
  logout: 15_000,
  noopInterval: 5000,
  noopTimeout: 5000,
  abort: 15_000,
  reset: 30_000,
  replacement: 120_000,
};

/** Who logs in where, whatever for. */
export interface LoginOptions {
  readonly portal: PortalAddress;
  /** Our own name: `iqn.`, `eui.` or `naa.`. */
  readonly initiator: string;
  readonly proof?: InitiatorProof | undefined;
  /** "None" where it is not said. */
  readonly headerDigest?: DigestWish | undefined;
  readonly dataDigest?: DigestWish | undefined;
  readonly timeouts?: Partial<InitiatorTimeouts> | undefined;
  /** TCP where it is not said. */
  readonly dial?: Dial | undefined;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Bytes that nobody can foresee: challenges, and the initiator port's identifier. */
  readonly unguessable: (size: number) => Uint8Array;
  readonly probes?: Probes | undefined;
}

export interface InitiatorOptions extends LoginOptions {
  /** The target's name. */
  readonly target: string;
  /** Six bytes that tell our ports apart at one target (RFC 7143 11.12.5); random ones where it is not said. */
  readonly isid?: Uint8Array | undefined;
  /** Commands under way at once, 1 to 4096: node.session.cmds_max, 128 where it is not said. */
  readonly depth?: number | undefined;
  /** Whether data may be sent unasked with and behind a command (InitialR2T=No and ImmediateData=Yes): true where it is not said. */
  readonly unsolicited?: boolean | undefined;
}

/** An initiator port's identifier in the random format (RFC 7143 11.12.5). */
export function randomIsid(unguessable: (size: number) => Uint8Array): Uint8Array {
  return Uint8Array.of(0x80, ...unguessable(5));
}
