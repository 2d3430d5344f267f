// Knows how a device takes a chain into a record of its own, and that a record goes back when nothing becomes of it.

import { Pool } from "@pvscsi/wire";
import type { Chain } from "./chain.js";
import type { SplitDeviceQueue } from "./split-device-queue.js";

/** Records of one kind of request; each is for one chain at a time. */
export class ExchangePool<Exchange extends { pooled: boolean; readonly chain: Chain }> extends Pool<Exchange> {
  /**
   * Takes the next chain of a queue, which `parse` reads and checks; null when there is none. What `parse` throws is
   * thrown, and the chain is nobody's then.
   */
  takeFrom(queue: SplitDeviceQueue, parse: (exchange: Exchange) => void): Exchange | null {
    const exchange = this.take();
    let kept = false;
    try {
      if (!queue.take(exchange.chain)) return null;
      parse(exchange);
      kept = true;
      return exchange;
    } finally {
      if (!kept) this.giveBack(exchange);
    }
  }
}
