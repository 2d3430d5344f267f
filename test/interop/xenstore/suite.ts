// Knows what Xen's own clients are asked to do at our xenstored: what they said at Xen's, word by word; and what no recording
// can say: many at once, watches while others write, and what a domain may do after a chmod.

import { XenstoreError } from "@pvscsi/xen";
import type { JoinedDomain } from "@pvscsi/xenbus";
import { expect } from "chai";
import { goldenText } from "../../support/repository.js";
import { reasonOf, type Suite, type SuiteContext } from "../suite.js";
import type { Clients } from "./clients.js";
import { type Part, parseDialogue } from "./dialogue.js";
import { StoreMachine } from "./machine.js";

/** Clients at once. */
const MANY = 64;
/** Seconds for a watch. */
const PATIENCE = 30;

export const xenstoreSuite: Suite = {
  name: "xenstore",
  judges: "xenstored's socket: Debian's xenstore-ls, -read, -write, -list, -exists, -chmod, -rm and -watch",
  packages: ["xenstore-utils"],
  default: true,
  budgetSeconds: 45,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const machine = await StoreMachine.start(context);
  const { clients } = machine;
  const golden = parseDialogue(goldenText("xenstore-utils-4.17.txt"));
  for (const part of golden) {
    await context.check(`as with xenstored 4.17: ${part.name}`, () => replay(clients, part));
  }
  await context.check("one node too many is noticed", () => notice(clients, golden));
  await context.check("pvscsi xenstore --socket says what xenstore-ls and -read say", () => compareVerb(machine));
  await context.check(`${MANY} clients at once: transactions on one directory`, () => writeTogether(clients));
  await context.check(`${MANY} clients at once: each hears of one write`, () => watchTogether(clients));
  await context.check(`xenstore-watch while ${MANY} others write`, () => watchOthers(clients));
  await context.check("xenstore-chmod, and what another domain may do then", () => judgeRights(machine));
  await context.check("nothing is left behind", () => machine.finish());
}

async function replay(clients: Clients, part: Part): Promise<string> {
  const played = await clients.play(part);
  for (const [i, { typed, answer }] of part.exchanges.entries()) {
    expect(played.exchanges[i].answer, typed).to.equal(answer);
  }
  return `${part.exchanges.length} commands: output, errors and status are equal, byte for byte`;
}

/** Judges the judge. */
async function notice(clients: Clients, golden: readonly Part[]): Promise<string> {
  const last = golden.at(-1) ?? expect.fail("there are no parts");
  await clients.good("xenstore-write /more 1");
  const found = await replay(clients, last).catch(reasonOf);
  await clients.good("xenstore-rm /more");
  expect(found).to.match(/^xenstore-ls -f -p: expected/);
  await replay(clients, last);
  return "xenstore-ls";
}

async function compareVerb(machine: StoreMachine): Promise<string> {
  const { clients } = machine;
  await machine.verb("write", "/verb/a b", "1").catch((error) => expect(reasonOf(error)).to.include("EINVAL"));
  await machine.verb("write", "/verb/a", "two words\n");
  await clients.good("xenstore-write /verb/b 2");
  // xenstore-ls fills lines with dots up to its permissions.
  const theirs = (await clients.good("xenstore-ls -p")).replace(/"[ .]+(\(\S+\))$/gm, '"   $1');
  expect(await machine.verb("ls")).to.equal(theirs);
  expect(await machine.verb("read", "/verb/b")).to.equal(await clients.good("xenstore-read /verb/b"));
  await machine.verb("rm", "/verb");
  expect((await clients.type("xenstore-exists /verb")).status).to.equal(1);
  return `${theirs.split("\n").length - 1} nodes`;
}

/** All change the same directory: who comes too late is told EAGAIN, and its client does it again. */
async function writeTogether(clients: Clients): Promise<string> {
  const numbers = Array.from({ length: MANY }, (_, i) => i);
  await Promise.all(numbers.map((i) => clients.good(`xenstore-write /many/a${i} ${i} /many/b${i} ${i}`)));
  const names = (await clients.good("xenstore-list /many")).trim().split("\n");
  expect(names.sort()).to.deep.equal(numbers.flatMap((i) => [`a${i}`, `b${i}`]).sort());
  const values = await clients.good(`xenstore-read ${numbers.map((i) => `/many/b${i}`).join(" ")}`);
  expect(values).to.equal(numbers.map((i) => `${i}\n`).join(""));
  await clients.good("xenstore-rm /many");
  return `${names.length} nodes, no one lost`;
}

async function watchTogether(clients: Clients): Promise<string> {
  const watches = Array.from({ length: MANY }, () =>
    clients.begin(`timeout ${PATIENCE} xenstore-watch -n 2 /together`),
  );
  for (const watch of watches) expect(await watch.readLine()).to.equal("/together");
  await clients.good("xenstore-write /together/it 1");
  for (const watch of watches) {
    const { status, output } = await watch.finished;
    expect({ status, output }).to.deep.equal({ status: 0, output: "/together\n/together/it\n" });
  }
  await clients.good("xenstore-rm /together");
  return `${MANY} connections, ${MANY * 2} events`;
}

async function watchOthers(clients: Clients): Promise<string> {
  const watch = clients.begin(`timeout ${PATIENCE} xenstore-watch -n ${MANY + 1} /others`);
  expect(await watch.readLine()).to.equal("/others");
  const paths = Array.from({ length: MANY }, (_, i) => `/others/${i}`);
  await Promise.all(paths.map((path) => clients.good(`xenstore-write ${path} 1`)));
  const { status, output } = await watch.finished;
  expect(status).to.equal(0);
  expect(output.trim().split("\n").slice(1).sort()).to.deep.equal([...paths].sort());
  await clients.good("xenstore-rm /others");
  return `${paths.length} writes, each heard of once`;
}

async function judgeRights(machine: StoreMachine): Promise<string> {
  const joined = await machine.join();
  try {
    return await tryRights(machine.clients, joined.domain);
  } finally {
    await machine.part(joined);
    await machine.clients.good("xenstore-rm /rights");
  }
}

/** Letters of its permission, and what the domain may do with it. */
const RIGHTS: readonly (readonly [permissions: string, read: string, write: string])[] = [
  ["n0", "EACCES", "EACCES"],
  ["n0 r=", "done", "EACCES"],
  ["n0 w=", "EACCES", "done"],
  ["n0 b=", "done", "done"],
  ["n0 n= b9", "EACCES", "EACCES"],
  ["n0 r9 w8 b=", "done", "done"],
  ["r0", "done", "EACCES"],
  ["b0 n=", "EACCES", "EACCES"],
  ["n=", "done", "done"],
];

async function tryRights(clients: Clients, { id, store }: JoinedDomain["domain"]): Promise<string> {
  await clients.good("xenstore-write /rights/x first /rights/y/z 1");
  for (const [permissions, read, write] of RIGHTS) {
    const words = permissions.replaceAll("=", String(id));
    await clients.good(`xenstore-chmod /rights/x ${words}`);
    expect(await outcome(store.read("/rights/x")), `reading with ${words}`).to.equal(read);
    expect(await outcome(store.write("/rights/x", words)), `writing with ${words}`).to.equal(write);
    const value = await clients.good("xenstore-read /rights/x");
    if (write === "done") expect(value).to.equal(`${words}\n`);
  }
  const heard: string[] = [];
  await store.watch("/rights/y", (path) => heard.push(path));
  await clients.good("xenstore-write /rights/y/z 2");
  await clients.good(`xenstore-chmod -r /rights/y n0 r${id}`);
  await clients.good("xenstore-write /rights/y/z 3");
  expect(await store.read("/rights/y/z")).to.equal("3");
  expect(await outcome(store.setPermissions("/rights/y", [`n${id}`])), "making itself the owner").to.equal("EACCES");
  // The watch's own event, then those from when it might read.
  expect(heard).to.deep.equal(["/rights/y", "/rights/y", "/rights/y/z", "/rights/y/z"]);
  return `domain ${id}: ${RIGHTS.length} permissions tried, ${heard.length} events heard`;
}

async function outcome(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return "done";
  } catch (error) {
    if (error instanceof XenstoreError) return error.errno;
    throw error;
  }
}
