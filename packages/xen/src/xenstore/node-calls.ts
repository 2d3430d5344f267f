// Knows the requests about nodes: their payloads and replies. What they do to nodes is in nodes.ts.

import { XENSTORE_PAYLOAD_MAX } from "../abi/xenstore.js";
import { isDomainId } from "./domains.js";
import { joinStrings, splitStrings } from "./framing.js";
import { Access, accessOf, type Permissions, parsePermissions, printPermission } from "./permissions.js";
import { Refusal, refuse } from "./refusal.js";
import { DONE, leadingNumber, type Request } from "./request.js";
import type { StoreNode } from "./tree.js";

export function read(request: Request): string | Refusal {
  const node = readable(request);
  return node instanceof Refusal ? node : node.value;
}

export function directory(request: Request): string | Refusal {
  const node = readable(request);
  return node instanceof Refusal ? node : joinStrings(node.children);
}

/**
 * path|offset|: the generation, then as many names from byte `offset` of the list on as fit; the last part ends in one
 * more NUL.
 */
export function directoryPart(request: Request): string | Refusal {
  const strings = splitStrings(request.payload);
  if (strings.length !== 2) return refuse("EINVAL");
  const path = request.path(strings[0]);
  const node = path instanceof Refusal ? path : request.nodes.find(path, Access.read);
  if (node instanceof Refusal) return node;
  const names = joinStrings(node.children);
  const offset = leadingNumber(strings[1]);
  const generation = `${node.generation}\0`;
  if (offset < 0 || offset >= names.length) return `${generation}\0`;
  const most = XENSTORE_PAYLOAD_MAX - generation.length - 1;
  let end = offset;
  while (end < names.length) {
    const next = names.indexOf("\0", end) + 1;
    if (next - offset > most) break;
    end = next;
  }
  return generation + names.slice(offset, end) + (end === names.length ? "\0" : "");
}

export function getPermissions(request: Request): string | Refusal {
  const node = readable(request);
  return node instanceof Refusal ? node : joinStrings(node.permissions.map(printPermission));
}

/** path|value, the value without a NUL of its own. */
export function write(request: Request): string | Refusal {
  const end = request.payload.indexOf("\0");
  if (end < 0) return refuse("EINVAL");
  const path = request.path(request.payload.slice(0, end));
  return path instanceof Refusal ? path : (request.nodes.write(path, request.payload.slice(end + 1)) ?? DONE);
}

export function makeDirectory(request: Request): string | Refusal {
  const path = request.onlyPath;
  return path instanceof Refusal ? path : (request.nodes.makeDirectory(path) ?? DONE);
}

export function remove(request: Request): string | Refusal {
  const path = request.onlyPath;
  return path instanceof Refusal ? path : (request.nodes.remove(path) ?? DONE);
}

/** path|permission|...: at least one permission; the first names the owner. */
export function setPermissions(request: Request): string | Refusal {
  const [name, ...texts] = splitStrings(request.payload);
  const { peer, store } = request;
  if (texts.length === 0) return refuse("EINVAL");
  if (!peer.privileged && texts.length > store.quotas.permissions) return refuse("ENOSPC");
  const permissions = parsePermissions(texts);
  if (permissions === null) return refuse("EINVAL");
  if (!isDomainId(permissions[0].domain)) return refuse("ENOENT");
  if (name.startsWith("@")) return setListeners(request, name, permissions);
  const path = request.path(name);
  return path instanceof Refusal ? path : (request.nodes.setPermissions(path, permissions) ?? DONE);
}

/** Who may hear of @introduceDomain and @releaseDomain. */
function setListeners({ peer, store }: Request, name: string, permissions: Permissions): string | Refusal {
  const current = store.domains.listeners(name);
  if (current === null) return refuse("EINVAL");
  const needed = Access.write | Access.owner;
  if ((accessOf(current, peer) & needed) !== needed) return refuse("EACCES");
  store.domains.setListeners(name, permissions);
  return DONE;
}

function readable(request: Request): StoreNode | Refusal {
  const path = request.onlyPath;
  return path instanceof Refusal ? path : request.nodes.find(path, Access.read);
}
