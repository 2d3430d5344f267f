// Knows how drivers tell what they do: named probes with a subject, free until somebody listens.

/**
 * Where drivers fire what happens inside them. Guard each firing with `if (probes.listening)`: one branch and no
 * allocation while nobody listens. Names are `part:event`, e.g. `ring:push`, `task:begin`.
 */
export interface Probes {
  readonly listening: boolean;
  /** The subject is lent for the call only: a listener copies what it wants to keep. */
  emit(name: string, subject: unknown): void;
}

export type ProbeListener = (name: string, subject: unknown) => void;

/** Probes that somebody may listen to. */
export class ProbeHub implements Probes {
  #listeners: readonly { readonly hear: ProbeListener }[] = [];
  listening = false;

  emit(name: string, subject: unknown): void {
    for (const listener of this.#listeners) listener.hear(name, subject);
  }

  /** Adds a listener; the returned function takes it off again. */
  listen(hear: ProbeListener): () => void {
    const added = { hear };
    this.#set([...this.#listeners, added]);
    return () => this.#set(this.#listeners.filter((listener) => listener !== added));
  }

  #set(listeners: readonly { readonly hear: ProbeListener }[]): void {
    this.#listeners = listeners;
    this.listening = listeners.length > 0;
  }
}

/** Probes nobody can listen to. */
export const nullProbes: Probes = { listening: false, emit() {} };
