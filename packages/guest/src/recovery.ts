// Knows Linux's ladder for commands that do not come back: abort, device reset, offline. It runs once in a while, so
// it is written with promises. Knows no driver and no command but TEST UNIT READY.

import { AdapterManagement, COMMANDS, Command, type HostAdapter, HostByte, SenseKey, Status } from "@pvscsi/scsi";
import type { Clock, Runnable } from "@pvscsi/wire";
import type { ScsiDevice } from "./device.js";
import { senseOf } from "./disposition.js";
import type { Request } from "./request.js";
import type { ErrorHandler, RequestQueue } from "./request-queue.js";

/** Before an abort is sent: the answer may just be on its way (Linux: HZ / 100). */
const BEFORE_ABORT = 10;
/** For an answer to a task management function or a test (Linux's eh_timeout). */
const ANSWER = 10_000;

/** The error handler of one host. */
export class Recovery implements ErrorHandler {
  readonly #queue: RequestQueue;
  readonly #adapter: HostAdapter;
  readonly #clock: Clock;
  #failed: Request[] = [];
  #working = false;

  constructor(queue: RequestQueue, clock: Clock) {
    this.#queue = queue;
    this.#adapter = queue.adapter;
    this.#clock = clock;
  }

  timedOut(request: Request): void {
    request.state = "aborting";
    void this.#abort(request);
  }

  failed(request: Request): void {
    this.#failed.push(request);
    this.#queue.hold();
    this.settled();
  }

  /** Devices are reset only once every command has come back or failed: the others may still succeed. */
  settled(): void {
    if (this.#working || this.#failed.length === 0 || this.#queue.underWay > 0) return;
    this.#working = true;
    void this.#recover();
  }

  async #abort(request: Request): Promise<void> {
    await this.#wait(BEFORE_ABORT);
    const aborted = request.held && (await this.#manage("abort", request.device, request.command));
    if (!request.held && request.command.hostByte !== HostByte.abort) {
      // It came back by itself; what it says holds.
      this.#queue.settle(request);
    } else if (aborted || !request.held) {
      this.#queue.conclude(request, "retry");
    } else {
      request.state = "failed";
      this.failed(request);
    }
    this.settled();
  }

  /** Device by device: all its failed commands are tried again, or it goes offline and they fail. */
  async #recover(): Promise<void> {
    while (this.#failed.length > 0) {
      const { device } = this.#failed[0];
      const recovered = device !== null && (await this.#resetDevice(device));
      const requests = this.#failed.filter((request) => request.device === device);
      this.#failed = this.#failed.filter((request) => request.device !== device);
      if (!recovered && device !== null) takeOffline(device, requests);
      for (const request of requests) this.#queue.conclude(request, recovered ? "retry" : "fail");
    }
    this.#working = false;
    this.#queue.release();
  }

  async #resetDevice(device: ScsiDevice): Promise<boolean> {
    if (!(await this.#manage("device-reset", device, null))) return false;
    // The reset itself leaves a unit attention; a second one would be news.
    return (await this.#testUnitReady(device)) || (await this.#testUnitReady(device));
  }

  /** True when the function was complete in time. An answer that comes later is for a record nobody looks at. */
  #manage(name: AdapterManagement["function"], device: ScsiDevice | null, victim: Command | null): Promise<boolean> {
    const management = new AdapterManagement();
    management.function = name;
    management.victim = victim;
    copyAddress(management, device ?? management);
    return this.#answer((answered) => {
      management.completed = ({ succeeded }) => answered(succeeded);
      this.#adapter.manage(management);
    });
  }

  /** True when the device answers as a working one does. A command that is not answered is left to the adapter. */
  #testUnitReady(device: ScsiDevice): Promise<boolean> {
    const command = new Command();
    copyAddress(command, device);
    command.cdbLength = COMMANDS.testUnitReady.length;
    command.timeout = ANSWER;
    return this.#answer((answered) => {
      command.completed = (done) => answered(works(done));
      this.#adapter.queue(command);
    });
  }

  /** What `begin` answers with, or false when it is late. */
  #answer(begin: (answered: (value: boolean) => void) => void): Promise<boolean> {
    return new Promise((resolve) => {
      const late: Runnable = { run: () => resolve(false) };
      const timer = this.#clock.after(ANSWER, late);
      begin((value) => {
        this.#clock.cancel(timer);
        resolve(value);
      });
    });
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(milliseconds, { run: resolve });
    });
  }
}

function copyAddress(
  to: { channel: number; target: number; lun: number },
  from: { readonly channel: number; readonly target: number; readonly lun: number },
): void {
  to.channel = from.channel;
  to.target = from.target;
  to.lun = from.lun;
}

/** Good, or a complaint that only says the device is there: what it is about, the next command will hear. */
function works(command: Command): boolean {
  if (command.hostByte !== HostByte.ok) return false;
  if (command.status === Status.good) return true;
  const sense = senseOf(command);
  return sense !== null && sense.key !== SenseKey.unitAttention && sense.key !== SenseKey.abortedCommand;
}

function takeOffline(device: ScsiDevice, requests: readonly Request[]): void {
  if (device.state === "running") device.state = "offline";
  for (const _ of requests) device.print("Device offlined - not ready after error recovery");
}
