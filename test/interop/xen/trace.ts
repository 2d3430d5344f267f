// Knows xenstored's own log, and which of its lines are what one end of a device changed: to be compared with what Linux' driver of
// that end did on the same occasions. Transactions are left out of both: dom0's kernel has one connection for both ends, and the log does not
// tell their transactions apart.

import { expect } from "chai";
import { type Actor, goldenTrace } from "../../support/golden-trace.js";
import { BACK, FRONT } from "./device.js";
import type { Dom0 } from "./dom0.js";

const LOG = "/run/xenstored.log";
const COMPARED = ["WRITE", "MKDIR", "RM", "SET_PERMS", "WATCH", "UNWATCH"];
const DOM0 = "/local/domain/0/";
/** Their values are another run's. */
const NUMBERS = /\/(ring-ref|event-channel)$/;

/** A driver of one half of the device: who it was in the golden run, its half's nodes, and what it watches. */
export interface End {
  readonly actor: Actor;
  readonly own: string;
  readonly watched: string;
}

export const BACK_END: End = { actor: "dom0k", own: BACK, watched: `${FRONT}/state` };
export const FRONT_END: End = { actor: "domUk", own: FRONT, watched: `${BACK}/state` };

/** `IN CONNECTION DATE TIME OPERATION (ARGUMENTS )`. */
interface Message {
  readonly connection: string;
  readonly operation: string;
  readonly path: string;
  readonly value: string;
}

export async function startTrace(dom0: Dom0): Promise<void> {
  await dom0.run(`xenstore-control logfile ${LOG} && xenstore-control log on`);
}

/** What that end of the device changed since the start, a line each. */
export async function stopTrace(dom0: Dom0, end: End): Promise<string[]> {
  const messages = readLog(await dom0.run(`xenstore-control log off && cat ${LOG}`));
  const watch = ({ operation, path }: Message) => operation === "WATCH" && path === end.watched;
  const connection = messages.find(watch)?.connection ?? expect.fail(`nobody watches ${end.watched}`);
  return messages.filter((message) => message.connection === connection && isOf(end, message)).map(shown);
}

/** What Linux' driver of that end changed in the golden run, as if its guest had been dom0. */
export function goldenChanges(end: End): string[] {
  const lines = goldenTrace().filter(({ actor, operation }) => actor === end.actor && COMPARED.includes(operation));
  return lines.map(({ operation, path, value }) => {
    const local = absolute(path).replace("vscsi/1/", "vscsi/0/").replace("/domain/1/", "/domain/0/");
    return shown({ connection: "", operation, path: local, value });
  });
}

function readLog(text: string): Message[] {
  const messages = text.matchAll(/^IN (0x\w+) \d+ \S+ (\w+) \((\S*) ?(.*?) ?\)?$/gm);
  return [...messages].map(([, connection, operation, path, value]) => ({
    connection,
    operation,
    path: absolute(path),
    value,
  }));
}

/** Linux' driver of the other end may have the same connection. */
function isOf({ own, watched }: End, { operation, path }: Message): boolean {
  if (!COMPARED.includes(operation)) return false;
  return operation.endsWith("WATCH") ? path === watched : path.startsWith(own);
}

/** Each run has tokens of its own. */
function shown({ operation, path, value }: Message): string {
  const another = operation.endsWith("WATCH") || NUMBERS.test(path);
  return `${operation} ${path} ${another ? "*" : value}`.trimEnd();
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${DOM0}${path}`;
}
