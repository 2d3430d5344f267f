// Knows the second process of a benchmark: serves what its argument names, answers who has started it, and ends with that.

import type { Answers, ProcessServer, Question, Reply, ServerName } from "./benchmark-process.js";
import { serveBlocks } from "./benchmark-ws-server.js";
import { BenchmarkBackend, socketDoor } from "./benchmark-xenbus.js";

const SERVERS: Readonly<Record<ServerName, () => Promise<ProcessServer>>> = {
  xenbus: () => BenchmarkBackend.open(socketDoor),
  blocks: serveBlocks,
};

const server = SERVERS[process.argv[2] as ServerName]();

const answers: { readonly [Name in Question]: () => Promise<Answers[Name]> } = {
  address: async () => (await server).address,
  settled: async () => (await server).settled,
  counts: async () => (await server).counts(),
  async processor() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};

async function replyTo(question: Question): Promise<Reply> {
  try {
    return { answer: await answers[question]() };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

process.on("message", async (question: Question) => process.send?.(await replyTo(question)));
// Who has started us has ended, or is done.
process.on("disconnect", () => process.exit());
// It may have ended while we were loaded.
if (!process.connected) process.exit();
