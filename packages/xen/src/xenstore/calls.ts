// Knows every request: its number, who may send it, and which function answers it. Knows no bytes.

import { XS } from "../abi/xenstore.js";
import { runControl } from "./control.js";
import * as domainCalls from "./domain-calls.js";
import * as nodeCalls from "./node-calls.js";
import type { Refusal } from "./refusal.js";
import type { Request } from "./request.js";
import * as sessionCalls from "./session-calls.js";

/** One request type. */
export interface Call {
  readonly name: string;
  /** Guests are answered EACCES. */
  readonly privileged?: true;
  /** The header's transaction id means nothing. */
  readonly outsideTransactions?: true;
  /** The reply's payload, or why there is none. */
  readonly run: (request: Request) => string | Refusal;
}

/** By message type; a type without an entry is answered ENOSYS. */
export const CALLS: Readonly<Record<number, Call>> = {
  [XS.CONTROL]: { name: "CONTROL", privileged: true, run: runControl },
  [XS.DIRECTORY]: { name: "DIRECTORY", run: nodeCalls.directory },
  [XS.READ]: { name: "READ", run: nodeCalls.read },
  [XS.GET_PERMS]: { name: "GET_PERMS", run: nodeCalls.getPermissions },
  [XS.WATCH]: { name: "WATCH", outsideTransactions: true, run: sessionCalls.watch },
  [XS.UNWATCH]: { name: "UNWATCH", outsideTransactions: true, run: sessionCalls.unwatch },
  [XS.TRANSACTION_START]: { name: "TRANSACTION_START", run: sessionCalls.startTransaction },
  [XS.TRANSACTION_END]: { name: "TRANSACTION_END", run: sessionCalls.endTransaction },
  [XS.INTRODUCE]: { name: "INTRODUCE", privileged: true, run: domainCalls.introduce },
  [XS.RELEASE]: { name: "RELEASE", privileged: true, run: domainCalls.release },
  [XS.GET_DOMAIN_PATH]: { name: "GET_DOMAIN_PATH", run: domainCalls.getDomainPath },
  [XS.WRITE]: { name: "WRITE", run: nodeCalls.write },
  [XS.MKDIR]: { name: "MKDIR", run: nodeCalls.makeDirectory },
  [XS.RM]: { name: "RM", run: nodeCalls.remove },
  [XS.SET_PERMS]: { name: "SET_PERMS", run: nodeCalls.setPermissions },
  [XS.IS_DOMAIN_INTRODUCED]: { name: "IS_DOMAIN_INTRODUCED", privileged: true, run: domainCalls.isIntroduced },
  [XS.RESUME]: { name: "RESUME", privileged: true, run: domainCalls.resume },
  [XS.SET_TARGET]: { name: "SET_TARGET", privileged: true, run: domainCalls.setTarget },
  [XS.RESET_WATCHES]: { name: "RESET_WATCHES", run: sessionCalls.reset },
  [XS.DIRECTORY_PART]: { name: "DIRECTORY_PART", run: nodeCalls.directoryPart },
};
