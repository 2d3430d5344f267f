// Knows what is asked of Xen's own xl, and what it leaves to be done. Knows not how it is run.

import type { DomainId } from "@pvscsi/xen";
import type { PlannedController } from "./plan.js";

/** Whether xl still waits for the end of a domain, to start it again perhaps. */
export interface XlWaiting {
  /** Resolves when it does so no more. */
  readonly givenUp: Promise<void>;
}

/** Each throws ToolstackError where xl fails; why, it says itself. */
export interface Xl {
  /** Makes the domain of a configuration file, paused; resolves when it is complete. */
  create(file: string): Promise<XlWaiting>;
  unpause(domain: DomainId): Promise<void>;
  destroy(domain: DomainId): Promise<void>;
}

/** A guest that xl has made, and the controllers that it is to have in whatever domain it is. */
export interface XlGuest extends XlWaiting {
  readonly name: string;
  /** Its first one. */
  readonly domain: DomainId;
  readonly planned: readonly PlannedController[];
}
