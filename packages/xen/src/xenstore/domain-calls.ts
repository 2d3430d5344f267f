// Knows the requests about domains: their payloads and replies.

import { INTRODUCED, isDomainId } from "./domains.js";
import { splitStrings } from "./framing.js";
import { homeOf } from "./paths.js";
import { Refusal, refuse } from "./refusal.js";
import { DONE, leadingNumber, type Request } from "./request.js";
import { announceDomain, releaseDomain, resetDomain } from "./store.js";

/** domain|frame|port|: announced the first time only; after that a guest's connections are as new. */
export function introduce({ store, payload }: Request): string | Refusal {
  const strings = splitStrings(payload);
  if (strings.length < 3) return refuse("EINVAL");
  const domain = leadingNumber(strings[0]);
  if (!isDomainId(domain) || leadingNumber(strings[2]) <= 0) return refuse("EINVAL");
  store.credits.join(domain);
  if (store.domains.introduce(domain)) announceDomain(store, INTRODUCED);
  else if (domain !== 0) resetDomain(store, domain);
  return DONE;
}

export function release(request: Request): string | Refusal {
  const domain = knownGuest(request);
  if (domain instanceof Refusal) return domain;
  releaseDomain(request.store, domain);
  return DONE;
}

/** After a suspend that was called off: 4.17 only forgets that the domain had shut down. */
export function resume(request: Request): string | Refusal {
  const domain = knownGuest(request);
  return domain instanceof Refusal ? domain : DONE;
}

export function isIntroduced({ store, argument }: Request): string | Refusal {
  if (argument === null) return refuse("EINVAL");
  return store.domains.has(leadingNumber(argument)) ? "T\0" : "F\0";
}

export function getDomainPath({ argument }: Request): string | Refusal {
  if (argument === null) return refuse("EINVAL");
  return `${homeOf(leadingNumber(argument) >>> 0)}\0`;
}

/** domain|target|: `domain` may from now on do what `target` may. */
export function setTarget({ store, payload }: Request): string | Refusal {
  const strings = splitStrings(payload);
  if (strings.length < 2) return refuse("EINVAL");
  const domain = leadingNumber(strings[0]);
  const target = leadingNumber(strings[1]);
  if (!store.domains.has(domain) || !store.domains.has(target)) return refuse("ENOENT");
  store.domains.setTarget(domain, target);
  return DONE;
}

/** An introduced domain other than 0. */
function knownGuest({ store, argument }: Request): number | Refusal {
  const domain = argument === null ? 0 : leadingNumber(argument);
  if (domain === 0) return refuse("EINVAL");
  return store.domains.has(domain) ? domain : refuse("ENOENT");
}
