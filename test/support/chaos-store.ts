// Knows a store that is slow, fails, and hangs now and then, as chance has it.

import { type ByteStore, StoreError, type StoreRequest } from "@pvscsi/scsi";
import type { Clock, Random, Timer } from "@pvscsi/wire";

export interface Chaos {
  /** Of requests that fail without having done anything. */
  readonly failing: number;
  /** Of requests that take a while. */
  readonly slow: number;
  /** Of requests that never come back unless they are cancelled. */
  readonly hanging: number;
}

/** Milliseconds. */
const LONGEST = 20;

interface Held {
  readonly timer: Timer | null;
}

/** `store` with requests that fail, wait or hang. */
export function chaotic(store: ByteStore, clock: Clock, random: Random, chaos: Chaos): ByteStore & { faults: number } {
  const held = new Map<StoreRequest, Held>();
  const pass = (request: StoreRequest): void => {
    if (random.chance(chaos.failing)) {
      outer.faults += 1;
      return request.end(new StoreError("medium", "chance", { offset: request.offset }));
    }
    store.submit(request);
  };
  const later = (request: StoreRequest): void => {
    const run = (): void => {
      held.delete(request);
      pass(request);
    };
    held.set(request, { timer: clock.after(random.below(LONGEST), { run }) });
  };
  const outer: ByteStore & { faults: number } = {
    faults: 0,
    get size() {
      return store.size;
    },
    features: store.features,
    resized: null,
    submit(request) {
      if (request.operation === "flush") return store.submit(request);
      if (random.chance(chaos.hanging)) {
        outer.faults += 1;
        held.set(request, { timer: null });
      } else if (random.chance(chaos.slow)) later(request);
      else pass(request);
    },
    cancel(request) {
      const found = held.get(request);
      if (found === undefined) return store.cancel(request);
      held.delete(request);
      if (found.timer !== null) clock.cancel(found.timer);
      request.end(new StoreError("cancelled", "cancelled before it began"));
    },
    close: () => store.close(),
  };
  return outer;
}
