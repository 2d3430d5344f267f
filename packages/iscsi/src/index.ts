export * from "./abi/codes.js";
export * from "./abi/pdu.js";
export { CHAP_DIGESTS, chapResponse } from "./chap.js";
export * from "./connection.js";
export { crc32c } from "./crc32c.js";
export type { Exchange } from "./exchange.js";
export { IscsiInitiator, openIscsiInitiator, startIscsiInitiator } from "./initiator/adapter.js";
export {
  type Dial,
  type Dialled,
  dialTcp,
  formatPortal,
  ISCSI_PORT,
  type PortalAddress,
  parsePortal,
} from "./initiator/dial.js";
export { type DiscoveredTarget, discoverTargets, type TargetPortal } from "./initiator/discovery.js";
export { LoginRefused } from "./initiator/login.js";
export {
  DEFAULT_TIMEOUTS,
  type DigestWish,
  type InitiatorOptions,
  type InitiatorProof,
  type InitiatorTimeouts,
  type LoginOptions,
  proofOfText,
  type TextAccount,
} from "./initiator/options.js";
export type { SessionMessage } from "./initiator/session.js";
export { KEYS, type KeyName, type KeyRow, type KeyRule } from "./keys.js";
export { agree } from "./negotiation.js";
export * from "./portal.js";
export * from "./server.js";
export type { Session } from "./session.js";
export {
  type Admission,
  type Authentication,
  type ChapAccount,
  type IscsiPortalGroup,
  type IscsiTarget,
  normalName,
  openGroup,
} from "./target.js";
export { formatText, type KeyValue, parseText } from "./text.js";
