// Knows the headers of iSCSI's PDUs byte by byte (RFC 7143 clause 11), one table each. What their codes mean is in
// codes.ts. All numbers are big endian.

import { bytes, type Cursor, pad, type StructClass, struct, u8, u16be, u24be, u32be } from "@pvscsi/wire";

/** Bytes of a basic header segment. */
export const HEADER_SIZE = 48;

/** The low six bits of the first byte. */
export const Opcode = {
  nopOut: 0x00,
  command: 0x01,
  management: 0x02,
  login: 0x03,
  text: 0x04,
  dataOut: 0x05,
  logout: 0x06,
  snack: 0x10,
  nopIn: 0x20,
  response: 0x21,
  managementResponse: 0x22,
  loginResponse: 0x23,
  textResponse: 0x24,
  dataIn: 0x25,
  logoutResponse: 0x26,
  readyToTransfer: 0x31,
  asynchronous: 0x32,
  reject: 0x3f,
} as const;
export const OPCODE_MASK = 0x3f;
/** In a request's first byte: delivered at once, outside of the order of CmdSN. */
export const IMMEDIATE = 0x40;

/** A task tag that is none. */
export const NO_TAG = 0xffff_ffff;

const LENGTHS = {
  ahsLength: u8(4), // four-byte words of additional header segments
  dataLength: u24be(5), // bytes of the data segment, without padding
} as const;

const NUMBERS = {
  statSN: u32be(24),
  expCmdSN: u32be(28),
  maxCmdSN: u32be(32),
} as const;

/** What all requests have in the same place. */
export const Request = struct("iscsi_request", HEADER_SIZE, {
  opcode: u8(0), // Opcode, and IMMEDIATE
  flags: u8(1),
  specific: bytes(2, 2),
  ...LENGTHS,
  lun: bytes(8, 8),
  itt: u32be(16),
  ttt: u32be(20),
  cmdSN: u32be(24),
  expStatSN: u32be(28),
  rest: bytes(32, 16),
});

/** What all answers have in the same place. */
export const Answer = struct("iscsi_answer", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1),
  specific: bytes(2, 2),
  ...LENGTHS,
  lun: bytes(8, 8),
  itt: u32be(16),
  ttt: u32be(20),
  ...NUMBERS,
  rest: bytes(36, 12),
});

export const ScsiCommand = struct("iscsi_scsi_command", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1), // CommandFlag, and the task attribute
  reserved: pad(2, 2),
  ...LENGTHS,
  lun: bytes(8, 8),
  itt: u32be(16),
  expectedLength: u32be(20),
  cmdSN: u32be(24),
  expStatSN: u32be(28),
  cdb: bytes(32, 16),
});

export const ScsiResponse = struct("iscsi_scsi_response", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1), // FINAL, and ResidualFlag
  response: u8(2),
  status: u8(3),
  ...LENGTHS,
  reserved: pad(8, 8),
  itt: u32be(16),
  snackTag: u32be(20),
  ...NUMBERS,
  expDataSN: u32be(36),
  bidirectionalResidual: u32be(40),
  residual: u32be(44),
});

export const ManagementRequest = struct("iscsi_management_request", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1), // FINAL, and the function
  reserved: pad(2, 2),
  ...LENGTHS,
  lun: bytes(8, 8),
  itt: u32be(16),
  referencedTag: u32be(20),
  cmdSN: u32be(24),
  expStatSN: u32be(28),
  refCmdSN: u32be(32),
  expDataSN: u32be(36),
  reserved2: pad(40, 8),
});

export const ManagementAnswer = struct("iscsi_management_response", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1),
  response: u8(2),
  reserved: pad(3, 1),
  ...LENGTHS,
  information: bytes(8, 3), // RFC 7144: additional response information
  reserved2: pad(11, 5),
  itt: u32be(16),
  reserved3: pad(20, 4),
  ...NUMBERS,
  reserved4: pad(36, 12),
});

export const DataOut = struct("iscsi_data_out", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1),
  reserved: pad(2, 2),
  ...LENGTHS,
  lun: bytes(8, 8),
  itt: u32be(16),
  ttt: u32be(20),
  reserved2: pad(24, 4),
  expStatSN: u32be(28),
  reserved3: pad(32, 4),
  dataSN: u32be(36),
  bufferOffset: u32be(40),
  reserved4: pad(44, 4),
});

export const DataIn = struct("iscsi_data_in", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1), // FINAL, STATUS, and ResidualFlag
  reserved: pad(2, 1),
  status: u8(3),
  ...LENGTHS,
  lun: bytes(8, 8),
  itt: u32be(16),
  ttt: u32be(20),
  ...NUMBERS,
  dataSN: u32be(36),
  bufferOffset: u32be(40),
  residual: u32be(44),
});

export const ReadyToTransfer = struct("iscsi_r2t", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1),
  reserved: pad(2, 2),
  ...LENGTHS,
  lun: bytes(8, 8),
  itt: u32be(16),
  ttt: u32be(20),
  ...NUMBERS,
  r2tSN: u32be(36),
  bufferOffset: u32be(40),
  desiredLength: u32be(44),
});

export const AsynchronousMessage = struct("iscsi_async", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1),
  reserved: pad(2, 2),
  ...LENGTHS,
  lun: bytes(8, 8),
  itt: u32be(16),
  reserved2: pad(20, 4),
  ...NUMBERS,
  event: u8(36),
  vendorCode: u8(37),
  parameter1: u16be(38),
  parameter2: u16be(40),
  parameter3: u16be(42),
  reserved3: pad(44, 4),
});

export const LoginRequest = struct("iscsi_login_request", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1), // TRANSIT, CONTINUE, and two stages
  versionMax: u8(2),
  versionMin: u8(3),
  ...LENGTHS,
  isid: bytes(8, 6),
  tsih: u16be(14),
  itt: u32be(16),
  cid: u16be(20),
  reserved: pad(22, 2),
  cmdSN: u32be(24),
  expStatSN: u32be(28),
  reserved2: pad(32, 16),
});

export const LoginResponse = struct("iscsi_login_response", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1),
  versionMax: u8(2),
  versionActive: u8(3),
  ...LENGTHS,
  isid: bytes(8, 6),
  tsih: u16be(14),
  itt: u32be(16),
  reserved: pad(20, 4),
  ...NUMBERS,
  status: u16be(36), // class and detail
  reserved2: pad(38, 10),
});

export const LogoutRequest = struct("iscsi_logout_request", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1), // FINAL, and the reason
  reserved: pad(2, 2),
  ...LENGTHS,
  reserved2: pad(8, 8),
  itt: u32be(16),
  cid: u16be(20),
  reserved3: pad(22, 2),
  cmdSN: u32be(24),
  expStatSN: u32be(28),
  reserved4: pad(32, 16),
});

export const LogoutResponse = struct("iscsi_logout_response", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1),
  response: u8(2),
  reserved: pad(3, 1),
  ...LENGTHS,
  reserved2: pad(8, 8),
  itt: u32be(16),
  reserved3: pad(20, 4),
  ...NUMBERS,
  reserved4: pad(36, 4),
  time2Wait: u16be(40),
  time2Retain: u16be(42),
  reserved5: pad(44, 4),
});

export const Reject = struct("iscsi_reject", HEADER_SIZE, {
  opcode: u8(0),
  flags: u8(1),
  reason: u8(2),
  reserved: pad(3, 1),
  ...LENGTHS,
  reserved2: pad(8, 8),
  itt: u32be(16),
  reserved3: pad(20, 4),
  ...NUMBERS,
  dataSN: u32be(36),
  reserved4: pad(40, 8),
});

/** One kind of PDU. */
export interface PduRow {
  /** As the RFC calls it. */
  readonly name: string;
  readonly struct: StructClass<Cursor>;
  /** Of a request: whether CmdSN orders it. */
  readonly ordered: boolean;
}

const row = (name: string, of: StructClass<Cursor>, ordered = false): PduRow => ({ name, struct: of, ordered });

/** The PDUs by opcode. */
export const PDUS: { readonly [opcode: number]: PduRow } = {
  [Opcode.nopOut]: row("NOP-Out", Request, true),
  [Opcode.command]: row("SCSI Command", ScsiCommand, true),
  [Opcode.management]: row("Task Management Function Request", ManagementRequest, true),
  [Opcode.login]: row("Login Request", LoginRequest),
  [Opcode.text]: row("Text Request", Request, true),
  [Opcode.dataOut]: row("SCSI Data-Out", DataOut),
  [Opcode.logout]: row("Logout Request", LogoutRequest, true),
  [Opcode.snack]: row("SNACK Request", Request),
  [Opcode.nopIn]: row("NOP-In", Answer),
  [Opcode.response]: row("SCSI Response", ScsiResponse),
  [Opcode.managementResponse]: row("Task Management Function Response", ManagementAnswer),
  [Opcode.loginResponse]: row("Login Response", LoginResponse),
  [Opcode.textResponse]: row("Text Response", Answer),
  [Opcode.dataIn]: row("SCSI Data-In", DataIn),
  [Opcode.logoutResponse]: row("Logout Response", LogoutResponse),
  [Opcode.readyToTransfer]: row("Ready To Transfer", ReadyToTransfer),
  [Opcode.asynchronous]: row("Asynchronous Message", AsynchronousMessage),
  [Opcode.reject]: row("Reject", Reject),
};
