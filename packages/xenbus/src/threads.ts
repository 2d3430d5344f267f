// Knows how a domain in one thread reaches its hub in another: Node's message ports, and shared memory for everything
// else.

import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { Probes, Scheduler } from "@pvscsi/wire";
import { Arena, type DomainId } from "@pvscsi/xen";
import { XenbusClient } from "./client.js";
import { FramePipe, PIPE_SIZE } from "./frame-pipe.js";
import type { Hub } from "./hub.js";
import { type ThreadMessage, type ThreadPort, ThreadTransport } from "./thread-transport.js";
import type { JoinedDomain } from "./websocket-client.js";

/** A domain's end of its way to the hub; to be posted to the domain's thread, with `port` in the transfer list. */
export interface ThreadLink {
  readonly port: MessagePort;
  readonly fromHub: SharedArrayBuffer;
  readonly toHub: SharedArrayBuffer;
}

export interface ConnectThreadOptions {
  readonly link: ThreadLink;
  readonly domain: DomainId;
  readonly secret: Uint8Array;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
}

/** Opens a way to a hub whose domains share their memory: whoever logs in there is a domain of the hub's process. */
export function openThreadLink(hub: Hub): ThreadLink {
  const { port1, port2 } = new MessageChannel();
  const [fromHub, toHub] = [new SharedArrayBuffer(PIPE_SIZE), new SharedArrayBuffer(PIPE_SIZE)];
  const transport = transportOver(port1, fromHub, toHub, hub.scheduler);
  const arrival = hub.accept(transport, (domain, arena) => transport.show(domain, arena));
  transport.start({
    receive: (frame) => arrival.receive(frame),
    memory() {},
    ended(reason) {
      arrival.close(reason);
      arrival.gone();
    },
  });
  return { port: port2, fromHub, toHub };
}

/** Joins a hub from another thread of its process. Rejects with the reason when the hub refuses. */
export async function connectThread(options: ConnectThreadOptions): Promise<JoinedDomain> {
  const { link, scheduler } = options;
  const arenas = new Map<DomainId, Arena>();
  const transport = transportOver(link.port, link.toHub, link.fromHub, scheduler);
  const arenaOf = (domain: DomainId) => {
    transport.takeMessages();
    return arenas.get(domain);
  };
  const client = new XenbusClient({ ...options, transport, arenaOf });
  const left = new Promise<void>((resolve) => {
    transport.start({
      receive: (frame) => client.receive(frame),
      memory: (domain, arena) => arenas.set(domain, new Arena(arena)),
      ended(reason) {
        client.transportEnded(reason);
        resolve();
      },
    });
  });
  return { domain: await client.joined, ended: client.ended, left };
}

function transportOver(
  port: MessagePort,
  outgoing: SharedArrayBuffer,
  incoming: SharedArrayBuffer,
  scheduler: Scheduler,
): ThreadTransport {
  const ends: ThreadPort = {
    post: (message) => port.postMessage(message),
    take: () => receiveMessageOnPort(port)?.message,
    close: () => port.close(),
  };
  const transport = new ThreadTransport({
    port: ends,
    outgoing: new FramePipe(outgoing),
    incoming: new FramePipe(incoming),
    scheduler,
  });
  port.on("message", (message: ThreadMessage) => {
    transport.heard(message);
    transport.run();
  });
  port.once("close", () => transport.closed());
  return transport;
}
