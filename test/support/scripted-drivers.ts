// Knows both drivers of a vscsi device as a test wants them: what they make of each LUN, and where they stand still.
// Independent of the real ones.

import { Coalesced, type XenstoreClient } from "@pvscsi/xen";

/** What becomes of a LUN: both take it, one of them refuses it, or nothing more happens to it. */
export type Verdict = "taken" | "refused-by-backend" | "refused-by-guest" | "stuck-in-guest";

export class ScriptedDrivers {
  /** By v-dev; `taken` where nothing is said. */
  readonly verdicts = new Map<string, Verdict>();
  /** Nobody reacts to anything. */
  asleep = false;
  /** Reasons that the backend gives. */
  reason: string | null = "2 no such thing";
  /** The controller goes to Closing instead of Connected. */
  failing = false;
  /** The guest does not run yet: a new controller's back end waits for it, and tells which LUNs it would refuse. */
  paused = false;
  readonly #store: XenstoreClient;
  readonly #root: string;
  readonly #work: Coalesced;

  constructor(store: XenstoreClient, guest: number) {
    this.#store = store;
    this.#root = `/local/domain/0/backend/vscsi/${guest}`;
    this.#work = new Coalesced(
      () => this.#look(),
      (error) => {
        throw error;
      },
    );
  }

  async start(): Promise<void> {
    await this.#store.watch(this.#root, () => this.#work.ask());
  }

  /** Reacts to what happened while they slept. */
  wake(): void {
    this.asleep = false;
    this.#work.ask();
  }

  async #look(): Promise<void> {
    if (this.asleep) return;
    for (const devid of (await this.#store.list(this.#root)) ?? []) await this.#react(`${this.#root}/${devid}`);
  }

  async #react(back: string): Promise<void> {
    const state = await this.#store.read(`${back}/state`);
    if (state === "5") return this.#store.write(`${back}/state`, "6");
    if (state !== "1" && state !== "7") return;
    if (this.failing) {
      await this.#explain(back);
      return this.#store.write(`${back}/state`, "5");
    }
    if (this.paused) return this.#offer(back);
    const front = (await this.#store.read(`${back}/frontend`)) ?? "";
    let end = "4";
    for (const name of (await this.#store.list(`${back}/vscsi-devs`)) ?? []) {
      if (await this.#decide(back, front, name)) end = "8";
    }
    await this.#store.write(`${front}/state`, "4");
    await this.#store.write(`${back}/state`, end);
  }

  async #offer(back: string): Promise<void> {
    for (const name of (await this.#store.list(`${back}/vscsi-devs`)) ?? []) {
      const lun = `${back}/vscsi-devs/${name}`;
      const verdict = this.verdicts.get((await this.#store.read(`${lun}/v-dev`)) ?? "");
      if (verdict === "refused-by-backend") await this.#explain(lun);
    }
    await this.#store.write(`${back}/state`, "2");
  }

  /** True when the handshake does not end. */
  async #decide(back: string, front: string, name: string): Promise<boolean> {
    const lun = `${back}/vscsi-devs/${name}`;
    const ofGuest = `${front}/vscsi-devs/${name}/state`;
    const state = await this.#store.read(`${lun}/state`);
    if (state === "5") {
      await this.#store.write(ofGuest, "6");
      await this.#store.write(`${lun}/state`, "6");
    }
    if (state !== "1") return false;
    const verdict = this.verdicts.get((await this.#store.read(`${lun}/v-dev`)) ?? "") ?? "taken";
    if (verdict === "refused-by-backend") await this.#explain(lun);
    if (verdict === "taken" || verdict === "refused-by-guest") {
      await this.#store.write(ofGuest, verdict === "taken" ? "4" : "6");
    }
    const states = { taken: "4", "refused-by-guest": "4", "refused-by-backend": "6", "stuck-in-guest": "3" };
    await this.#store.write(`${lun}/state`, states[verdict]);
    return verdict === "stuck-in-guest";
  }

  async #explain(path: string): Promise<void> {
    if (this.reason === null) return;
    await this.#store.write(`${path.replace("/local/domain/0/", "/local/domain/0/error/")}/error`, this.reason);
  }
}
