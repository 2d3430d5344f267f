// Knows xen/io/xenbus.h: the states in a device's `state` node, and how their text is read.

/** Values of enum xenbus_state under the names every Xen log shows. */
export const XenbusState = {
  Unknown: 0,
  Initialising: 1,
  InitWait: 2,
  Initialised: 3,
  Connected: 4,
  Closing: 5,
  Closed: 6,
  Reconfiguring: 7,
  Reconfigured: 8,
} as const;

export type XenbusState = (typeof XenbusState)[keyof typeof XenbusState];

const NAMES: readonly string[] = Object.keys(XenbusState);

/** `Connected` of 4; the number itself where there is no such state. */
export function xenbusStateName(state: number): string {
  return NAMES[state] ?? String(state);
}

/**
 * The state in a node's text, read as Linux does (%u): leading blanks and whatever follows the digits are ignored.
 * No node, no digits or no such state is Unknown: the text is the other side's to write.
 */
export function parseXenbusState(text: string | null): XenbusState {
  const value = Number(/^\s*\+?(\d+)/.exec(text ?? "")?.[1] ?? "0");
  return value < NAMES.length ? (value as XenbusState) : XenbusState.Unknown;
}
