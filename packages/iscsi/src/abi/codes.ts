// Knows the codes and flags inside iSCSI's PDUs, by the names that RFC 7143 clause 11 gives them.

/** In the second byte of most PDUs: nothing more of this sequence follows. */
export const FINAL = 0x80;
/** Of login: to the next stage, in FINAL's place. */
export const TRANSIT = 0x80;
/** Of login and text: the keys go on in the next PDU. */
export const CONTINUE = 0x40;
/** Of a Data-In: it carries the status as well. */
export const STATUS = 0x01;

export const CommandFlag = {
  read: 0x40,
  write: 0x20,
} as const;

/** Of a SCSI Command's flags, and what they say (11.3.1); the first is untagged. */
export const ATTRIBUTE_MASK = 0x07;
export const ATTRIBUTES = ["simple", "simple", "ordered", "head-of-queue", "aca"] as const;

/** Of a SCSI Response and of a Data-In with status. */
export const ResidualFlag = {
  overflow: 0x04,
  underflow: 0x02,
} as const;

/** Stages of a login (11.12.3). */
export const Stage = {
  security: 0,
  operational: 1,
  fullFeature: 3,
} as const;

/** Class and detail (11.13.5). */
export const LoginStatus = {
  success: 0x0000,
  movedTemporarily: 0x0101,
  movedPermanently: 0x0102,
  initiatorError: 0x0200,
  authenticationFailure: 0x0201,
  authorizationFailure: 0x0202,
  notFound: 0x0203,
  targetRemoved: 0x0204,
  unsupportedVersion: 0x0205,
  tooManyConnections: 0x0206,
  missingParameter: 0x0207,
  cannotIncludeInSession: 0x0208,
  sessionTypeNotSupported: 0x0209,
  sessionDoesNotExist: 0x020a,
  invalidDuringLogin: 0x020b,
  outOfResources: 0x0302,
} as const;

/** 11.17.1. */
export const RejectReason = {
  dataDigestError: 0x02,
  snackReject: 0x03,
  protocolError: 0x04,
  commandNotSupported: 0x05,
  immediateCommandReject: 0x06,
  taskInProgress: 0x07,
  invalidPduField: 0x09,
  outOfResources: 0x0a,
  waitingForLogout: 0x0c,
} as const;

/** Functions of task management (11.5.1), from the ninth on RFC 7144's. */
export const ManagementFunctionCode = {
  abortTask: 1,
  abortTaskSet: 2,
  clearAca: 3,
  clearTaskSet: 4,
  logicalUnitReset: 5,
  targetWarmReset: 6,
  targetColdReset: 7,
  taskReassign: 8,
  queryTask: 9,
  queryTaskSet: 10,
  nexusReset: 11,
  queryAsynchronousEvent: 12,
} as const;

/** 11.6.1, and RFC 7144 for success. */
export const ManagementResponseCode = {
  functionComplete: 0,
  taskDoesNotExist: 1,
  lunDoesNotExist: 2,
  reassignNotSupported: 4,
  functionNotSupported: 5,
  functionSucceeded: 7,
  functionRejected: 255,
} as const;

/** 11.14.1. */
export const LogoutReason = {
  closeSession: 0,
  closeConnection: 1,
  removeForRecovery: 2,
} as const;

/** 11.15.1. */
export const LogoutResponseCode = {
  closed: 0,
  cidNotFound: 1,
  recoveryNotSupported: 2,
  cleanupFailed: 3,
} as const;

/** 11.9.1. */
export const AsynchronousEvent = {
  scsi: 0,
  logoutRequested: 1,
  connectionDropped: 2,
  sessionDropped: 3,
  negotiationRequested: 4,
} as const;

/** Types of additional header segments (11.2.2.1). */
export const AhsType = {
  extendedCdb: 1,
  bidirectionalReadLength: 2,
} as const;
