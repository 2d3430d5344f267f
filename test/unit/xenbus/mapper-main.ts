// A thread that maps what another domain grants it, as often as it can, and looks at each page while it has it mapped.

import { parentPort, workerData } from "node:worker_threads";
import { nullProbes, TurnScheduler } from "@pvscsi/wire";
import { connectThread, type ThreadLink } from "@pvscsi/xenbus";

/** Words that both threads see. */
export const MapperWord = { stop: 0, mapped: 1, wrong: 2, refused: 3 } as const;
/** What a page holds while it is granted, and what it holds otherwise. */
export const GRANTED = 0x5a;
export const TAKEN_BACK = 0xa5;

export interface MapperData {
  readonly link: ThreadLink;
  readonly secret: Uint8Array;
  readonly domain: number;
  readonly from: number;
  /** References below this one are tried. */
  readonly references: number;
  readonly words: Int32Array;
}

const FIRST_REFERENCE = 8;
/** Bytes that are looked at, spread over the page, and how often. */
const STEP = 509;
const LOOKS = 4;

if (parentPort !== null) {
  const { link, secret, domain: id, from, references, words } = workerData as MapperData;
  const scheduler = new TurnScheduler((callback) => setImmediate(callback));
  const { domain } = await connectThread({ link, domain: id, secret, scheduler, probes: nullProbes });
  parentPort.postMessage("joined");
  for (let turn = 0; Atomics.load(words, MapperWord.stop) === 0; turn++) {
    const page = domain.grants.map(from, FIRST_REFERENCE + (turn % references), "read-only");
    if (typeof page === "number") {
      Atomics.add(words, MapperWord.refused, 1);
      continue;
    }
    let right = true;
    for (let look = 0; look < LOOKS; look++) {
      for (let at = look; at < page.bytes.length; at += STEP) right &&= page.bytes[at] === GRANTED;
    }
    Atomics.add(words, right ? MapperWord.mapped : MapperWord.wrong, 1);
    domain.grants.unmap(page);
  }
  await domain.close();
  parentPort.close();
}
