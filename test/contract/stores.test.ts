// The stores of the SCSI core keep the contract of `ByteStore`, and so does each decorator, completing at once, later,
// and out of order.

import {
  type ByteStore,
  encrypting,
  type Fault,
  faulty,
  MemoryStore,
  parseFault,
  type StoreRequest,
  slow,
  tracing,
} from "@pvscsi/scsi";
import { ProbeHub, Simulation, seededRandom } from "@pvscsi/wire";
import { ChangingCipher } from "../support/changing-cipher.js";
import { byteStoreContract, type OpenedStore, STORE_SIZE } from "./byte-store.js";

const memory = (): MemoryStore => new MemoryStore(STORE_SIZE);

/** A store around memory on simulated time, which the suite moves on. */
function timed(wrap: (time: Simulation) => ByteStore): OpenedStore {
  const time = new Simulation(seededRandom(1));
  return { store: wrap(time), pump: () => void time.step() };
}

/** Hands requests on in an order drawn from a seed. */
function shuffled(store: ByteStore, time: Simulation): ByteStore {
  return new Proxy(store, {
    get: (target, key) => {
      if (key === "submit") return (request: StoreRequest) => time.soon({ run: () => target.submit(request) });
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const delays = ["read:delay=3ms", "write@8-100:delay=1ms", "any:delay=2ms"].map(
  (text) => parseFault(text, 512) as Fault,
);

byteStoreContract("memory, at once", () => ({ store: memory() }));
byteStoreContract("memory, out of order", () => timed((time) => shuffled(memory(), time)));
byteStoreContract("slow, later", () => timed((time) => slow(memory(), 5, time)));
byteStoreContract("encrypted, at once", () => ({
  store: encrypting(memory(), new ChangingCipher(), 512),
  unit: 512,
}));
byteStoreContract("encrypted, out of order", () => ({
  ...timed((time) => encrypting(shuffled(memory(), time), new ChangingCipher(), 512)),
  unit: 512,
}));
byteStoreContract("delaying faults, out of order", () => timed((time) => faulty(memory(), delays, time)));
byteStoreContract("faults that strike elsewhere, at once", () =>
  timed((time) => faulty(memory(), [parseFault("read@4096:medium-error", 512) as Fault], time)),
);
byteStoreContract("tracing, listened to", () => {
  const probes = new ProbeHub();
  probes.listen(() => {});
  return timed((time) => tracing(slow(memory(), 1, time), probes));
});
