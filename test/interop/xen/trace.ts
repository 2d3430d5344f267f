// Knows xenstored's own log, and which of its lines are what a back end changed: to be compared with what Linux' back end did on the
// same occasions. Transactions are left out of both: dom0's kernel has one connection for both ends, and the log does not
// tell their transactions apart.

import { expect } from "chai";
import { goldenTrace } from "../../support/golden-trace.js";
import { BACK, FRONT } from "./device.js";
import type { Dom0 } from "./dom0.js";

const LOG = "/run/xenstored.log";
const COMPARED = ["WRITE", "MKDIR", "RM", "SET_PERMS", "WATCH", "UNWATCH"];
const DOM0 = "/local/domain/0/";

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

/** What the back end of `BACK` changed since the start, a line each. */
export async function stopTrace(dom0: Dom0): Promise<string[]> {
  const messages = readLog(await dom0.run(`xenstore-control log off && cat ${LOG}`));
  const watch = ({ operation, path }: Message) => operation === "WATCH" && path === `${FRONT}/state`;
  const connection = messages.find(watch)?.connection ?? expect.fail("no back end watches the front end's state");
  return messages.filter((message) => message.connection === connection && isOfBack(message)).map(shown);
}

/** What Linux' back end changed in the golden run, as if its guest had been dom0. */
export function goldenChanges(): string[] {
  const lines = goldenTrace().filter(({ actor, operation }) => actor === "dom0k" && COMPARED.includes(operation));
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

/** Linux' front end, on the same connection, writes below its own node and watches the back end's state. */
function isOfBack({ operation, path }: Message): boolean {
  if (!COMPARED.includes(operation)) return false;
  return operation.endsWith("WATCH") ? path === `${FRONT}/state` : path.startsWith(BACK);
}

/** Each run has tokens of its own. */
function shown({ operation, path, value }: Message): string {
  return `${operation} ${path} ${operation.endsWith("WATCH") ? "*" : value}`.trimEnd();
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${DOM0}${path}`;
}
