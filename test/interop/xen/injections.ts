// Knows what a hostile front end does to a back end, one thing after the other, and what the back end has to make of it. Each
// begins with a device of its own and takes it away.

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { seededRandom } from "@pvscsi/wire";
import { ScsiifSegment, VscsiifRequest, XenstoreError } from "@pvscsi/xen";
import type { Granted, RequestFields } from "../../support/scripted-front.js";
import { type HostileDevice, openFrontEnd, read10 } from "./hostile-device.js";

const ERROR = 0x70000;
const NO_CONNECT = 0x10000;
/** A reference far behind those that a table has. */
const FAR = 0xffff_ffff;
/** A block whose READ takes seconds: the suite says so to the back end. */
const SLOW = 8;
/** Milliseconds in which the back end has certainly taken a request, and has not answered a slow one. */
const TAKEN = 1000;
/** Milliseconds. */
const SEEN = 15_000;
const FLAPS = 100;
const MUTATIONS = 100;
/** How often a request is changed at most: the back end has run meanwhile, though there is one processor. */
const MOST_TURNS = 100_000;
/** Milliseconds. */
const STORM = 10_000;
const EVENTS_AT_ONCE = 500;

type Segment = readonly [gref: number, offset: number, length: number];

/** Says what was seen. Throws where the back end did what it should not. */
export type Injection = (device: HostileDevice) => Promise<string>;

export const INJECTIONS: { readonly [name: string]: Injection } = {
  idle,
  ids,
  segments,
  lists,
  grants,
  taken,
  mutated,
  producer,
  flapping,
  names,
  rings,
  storm,
  gone,
};

/** For long enough that others see what it has. */
async function idle(): Promise<string> {
  await setTimeout(SEEN);
  return "it reads";
}

async function ids(device: HostileDevice): Promise<string> {
  const pages = [device.front.grant("read-write"), device.front.grant("read-write")];
  const reads = pages.map(
    ({ gref }): RequestFields => ({ rqid: 7, cdb: read10(0), direction: 2, segments: [[gref, 0, 512]] }),
  );
  for (const { page } of pages) page.bytes.fill(0xa5);
  const answers = await device.ask(...reads, { rqid: 0xffff }, { rqid: 0x8000, act: 2, refRqid: 0x8000 });
  const shown = answers.map(({ rqid, rslt }) => `${rqid}:${rslt.toString(16)}`);
  assert.deepEqual(shown.sort(), ["32768:2003", "65535:0", "7:0", "7:0"]);
  assert.deepEqual(
    pages.map(({ page }) => page.bytes[511]),
    [0, 0],
  );
  return shown.join(" ");
}

async function segments(device: HostileDevice): Promise<string> {
  const { gref } = device.front.grant("read-write");
  const wrong: RequestFields[] = [27, 127, 0x9b, 255].map((segmentCount) => ({
    segmentCount,
    segments: [[gref, 0, 512]],
  }));
  wrong.push({ direction: 4 }, { direction: 255 }, { cmdLen: 17 }, { cmdLen: 255 }, { act: 0 }, { act: 255 });
  for (const segment of [
    [gref, 4096, 1],
    [gref, 1, 4096],
    [gref, 0, 65535],
  ] as const)
    wrong.push({ segments: [segment] });
  await refused(device, wrong);
  const [nowhere, none] = await device.ask({ lun: 65535, id: 65535 }, { segmentCount: 0x80 });
  assert.deepEqual([nowhere.rslt, none.rslt], [NO_CONNECT, 0]);
  return `${wrong.length} refused`;
}

async function lists(device: HostileDevice): Promise<string> {
  const { front } = device;
  const [data, list] = [front.grant("read-write"), front.grant("read-only")];
  const good: Segment = [data.gref, 0, 8];
  describe(list, new Array(129).fill(good));
  const lies: Segment[] = [
    [list.gref, 0, 12],
    [list.gref, 0, 1032],
    [list.gref, 4092, 8],
    [FAR, 0, 8],
  ];
  const wrong = lies.map((piece): RequestFields => ({ direction: 2, segmentCount: 0x81, segments: [piece] }));
  await refused(device, wrong);
  const liars: Segment[] = [
    [data.gref, 4096, 0],
    [data.gref, 4000, 97],
    [data.gref, 0, 65535],
    [FAR, 0, 8],
  ];
  for (const liar of liars) {
    describe(list, [good, liar, good]);
    await refused(device, [{ cdb: read10(0), direction: 1, segmentCount: 0x81, segments: [[list.gref, 0, 24]] }]);
  }
  // Whatever stands in a ring, it is answered.
  await device.ask({ direction: 2, segmentCount: 0x81, segments: [[front.ring.gref, 64, 2048]] });
  return `${wrong.length + liars.length} refused`;
}

async function grants(device: HostileDevice): Promise<string> {
  // Before the other, whose reference it would get.
  const { gref } = device.front.grant("read-write");
  const other = await openFrontEnd();
  const [page] = other.allocatePages(1, 0);
  const ended = other.grants.grant(0, page, "read-write");
  other.grants.revoke(ended);
  await other.close();
  const bad = [ended, FAR, 30_000];
  await refused(device, [
    ...bad.map((reference): RequestFields => ({ cdb: read10(0), direction: 2, segments: [[reference, 0, 512]] })),
    ...bad.map(
      (reference): RequestFields => ({
        cdb: read10(0),
        direction: 2,
        segments: [
          [gref, 0, 256],
          [reference, 0, 256],
        ],
      }),
    ),
    ...bad.map((reference): RequestFields => ({ direction: 2, segmentCount: 0x81, segments: [[reference, 0, 8]] })),
  ]);
  return `${3 * bad.length} refused`;
}

/** A page goes back to the kernel while the disk is busy with the command. */
async function taken(device: HostileDevice): Promise<string> {
  const other = await openFrontEnd();
  const [page] = other.allocatePages(1, 0);
  const gref = other.grants.grant(0, page, "read-write");
  device.front.put({ cdb: read10(SLOW), direction: 2, segments: [[gref, 0, 512]] });
  device.front.push();
  await setTimeout(TAKEN);
  assert.equal(device.front.take().length, 0, "answers before the page was taken away");
  other.grants.revoke(gref);
  await other.close();
  const [answer] = await device.answers(1);
  assert.equal(answer.rslt, ERROR);
  return "answered with ERROR";
}

/** Slot and list are written to, over and over, until the answer is there. */
async function mutated(device: HostileDevice): Promise<string> {
  const { front } = device;
  const [data, list] = [front.grant("read-write"), front.grant("read-only")];
  const results = new Map<number, number>();
  let flips = 0;
  for (let i = 0; i < MUTATIONS; i++) {
    describe(list, [[data.gref, 0, 512]]);
    const direct: RequestFields = { cdb: read10(0), direction: 2, segments: [[data.gref, 0, 512]] };
    const rqid = front.put(i % 2 === 0 ? direct : { ...direct, segmentCount: 0x81, segments: [[list.gref, 0, 8]] });
    const request = new VscsiifRequest(front.ring.page.bytes, 64 + 252 * (front.get("reqProd") % 16));
    const { segmentCount } = request;
    const { length } = request.segments.at(0);
    const before = front.get("rspProd");
    front.push();
    for (let turn = 0; front.get("rspProd") === before && turn < MOST_TURNS; turn++, flips++) {
      const odd = turn % 2 === 1;
      describe(list, [odd ? [FAR, 0xffff, 0xffff] : [data.gref, 0, 512]]);
      request.segmentCount = odd ? 0xff : segmentCount;
      request.segments.at(0).length = odd ? 0xffff : length;
      request.lun = odd ? 0xffff : 0;
    }
    const [answer] = await device.answers(1);
    assert.equal(answer.rqid, rqid);
    results.set(answer.rslt, (results.get(answer.rslt) ?? 0) + 1);
  }
  const shown = [...results].map(([rslt, count]) => `${count} of ${rslt.toString(16)}`);
  assert.ok(
    [...results.keys()].every((rslt) => [0, 2, ERROR, NO_CONNECT].includes(rslt)),
    shown.join(", "),
  );
  return `${flips} changes; results: ${shown.join(", ")}`;
}

/** One more than the ring has slots. */
async function producer(device: HostileDevice): Promise<string> {
  const { front } = device;
  front.set("reqProd", front.get("reqProd") + 17);
  front.notify();
  await device.reach("5");
  const reason = await device.reason();
  assert.match(reason, /^71 req_prod \d+ at rsp_prod \d+: the ring has 16 entries$/);
  await device.reconnect();
  return reason;
}

async function flapping(device: HostileDevice): Promise<string> {
  const random = seededRandom(1);
  const { gref } = device.front.grant("read-write");
  let rings = 0;
  for (let i = 0; i < FLAPS; i++) {
    const state = "134567"[random.below(6)];
    if (state === "3") {
      rings += 1;
      await device.comeAgain();
    } else await device.front.write("state", state);
    device.front.put({ cdb: read10(random.below(2) * SLOW), direction: 2, segments: [[gref, 0, 512]] });
    device.front.push();
  }
  await device.reconnect();
  return `${FLAPS} states, ${rings} rings`;
}

async function names(device: HostileDevice): Promise<string> {
  const store = device.tool;
  const devices = `${device.nodes.back}/vscsi-devs`;
  for (const name of ["dev-1/../..", "..", "dev-1//", "dev 1", "dev-1/./state"]) {
    await assert.rejects(store.write(`${devices}/${name}/state`, "1"), (error) => {
      return error instanceof XenstoreError && error.errno === "EINVAL";
    });
  }
  const odd = ["dev-", "dev-x", "dev--1", "dev-99999999999999999999", "@", "-", "x".repeat(200)];
  for (const [i, name] of odd.entries()) {
    const node = { "p-dev": "0:0:0:7", "v-dev": `0:0:0:${i + 1}`, state: "1" };
    for (const [key, value] of Object.entries(node)) await store.write(`${devices}/${name}/${key}`, value);
  }
  await store.write(`${device.nodes.back}/state`, "7");
  await device.front.write("state", "7");
  await device.reach("8");
  const states = await Promise.all(odd.map((name) => store.read(`${devices}/${name}/state`)));
  assert.deepEqual(
    states,
    odd.map(() => "6"),
  );
  await device.front.write("state", "4");
  await device.reach("4");
  return `${odd.length} names refused, 5 are none to xenstored`;
}

/** Rings and ports that are not there. */
async function rings(device: HostileDevice): Promise<string> {
  const reasons: string[] = [];
  for (const values of [
    { "ring-ref": "30000" },
    { "ring-ref": String(FAR) },
    { "event-channel": "0" },
    { "event-channel": "4000" },
  ]) {
    await device.close();
    await device.front.connect(values);
    await device.reach("5");
    reasons.push(await device.reason());
  }
  for (const reason of reasons) assert.match(reason, /^22 (mapping in shared page|binding event channel) \d+/);
  await device.reconnect();
  return reasons.map((reason) => reason.slice("22 ".length)).join("; ");
}

/** Goes on for a while, in which others may be judged. */
async function storm(device: HostileDevice): Promise<string> {
  let events = 0;
  for (const end = performance.now() + STORM; performance.now() < end; await setTimeout(0)) {
    for (let i = 0; i < EVENTS_AT_ONCE; i++) device.front.notify();
    events += EVENTS_AT_ONCE;
  }
  return `${events} events in ${STORM / 1000} s`;
}

/** Ends without a word while a command is under way: ring and data go back to the kernel, which keeps what is mapped. */
async function gone(device: HostileDevice): Promise<string> {
  const { gref } = device.front.grant("read-write");
  device.front.put({ cdb: read10(SLOW), direction: 2, segments: [[gref, 0, 512]] });
  device.front.push();
  await setTimeout(TAKEN);
  await device.vanish();
  return "its pages and ports are given back";
}

async function refused(device: HostileDevice, requests: readonly RequestFields[]): Promise<void> {
  for (const request of requests) {
    const [answer] = await device.ask(request);
    assert.deepEqual([answer.rslt, answer.clean], [ERROR, true], JSON.stringify(request));
  }
}

function describe({ page }: Granted, segments: readonly Segment[]): void {
  const descriptor = new ScsiifSegment(page.bytes);
  for (const [i, [gref, offset, length]] of segments.entries()) {
    descriptor.at(ScsiifSegment.size * i).gref = gref;
    descriptor.offset = offset;
    descriptor.length = length;
  }
}
