// Knows a load on one disk of a guest: random operations, checked against the model of the disk.

import { type ByteStore, type StoreOperation, StoreRequest } from "@pvscsi/scsi";
import { Places, type Random } from "@pvscsi/wire";
import { type DiskModel, SECTOR } from "./disk-model.js";

/** Sectors of one operation. */
const MOST = 300;
const OPERATIONS: readonly StoreOperation[] = [
  "read",
  "read",
  "read",
  "write",
  "write",
  "write",
  "write-zeroes",
  "discard",
  "flush",
];

export interface LoadResult {
  operations: number;
  failures: number;
}

/** Runs `count` operations one after the other; throws when the disk holds anything but what was written. */
export async function runLoad(store: ByteStore, model: DiskModel, random: Random, count: number): Promise<LoadResult> {
  const result = { operations: 0, failures: 0 };
  for (let i = 0; i < count; i++) {
    const operation = OPERATIONS[random.below(OPERATIONS.length)];
    const sectors = 1 + random.below(random.chance(0.2) ? MOST : 16);
    const first = random.below(model.sectors - sectors);
    const write = operation !== "read" && operation !== "flush";
    if (!model.claim(first, sectors, write)) continue;
    const failed = await runOne(store, model, random, operation, first, sectors);
    model.release(first, sectors, write);
    result.operations += 1;
    if (failed) result.failures += 1;
  }
  return result;
}

async function runOne(
  store: ByteStore,
  model: DiskModel,
  random: Random,
  operation: StoreOperation,
  first: number,
  sectors: number,
): Promise<boolean> {
  const bytes = new Uint8Array(sectors * SECTOR);
  if (operation === "write") for (let i = 0; i < bytes.length; i += 7) bytes[i] = random.u32();
  const error = await submit(store, operation, first * SECTOR, bytes, random.chance(0.2));
  if (error !== null) {
    if (operation !== "read" && operation !== "flush") model.doubt(first, sectors);
    return true;
  }
  if (operation === "read") {
    const wrong = model.differs(first, bytes);
    if (wrong >= 0) throw new Error(`sector ${wrong} is not what was written there`);
  } else if (operation !== "flush") {
    model.written(first, bytes);
  }
  return false;
}

function submit(
  store: ByteStore,
  operation: StoreOperation,
  offset: number,
  bytes: Uint8Array,
  fua: boolean,
): Promise<Error | null> {
  const request = new StoreRequest();
  const places = new Places();
  places.add(bytes, 0, bytes.length);
  request.operation = operation;
  request.offset = offset;
  request.length = bytes.length;
  if (operation === "read" || operation === "write") request.places = places;
  request.fua = fua && operation !== "read" && operation !== "flush";
  return new Promise((resolve) => {
    request.completed = (ended) => resolve(ended.error);
    store.submit(request);
  });
}
