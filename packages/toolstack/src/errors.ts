// Knows how a toolstack operation fails: with libxl's code and a reason for a person.

/** libxl's error codes, as far as they are used here (libxl_types.idl). */
export const LibxlError = {
  FAIL: -3,
  INVAL: -6,
  TIMEDOUT: -9,
  NOT_READY: -11,
  DEVICE_EXISTS: -17,
  DOMAIN_NOTFOUND: -21,
  NOTFOUND: -23,
} as const;

export type LibxlErrorName = keyof typeof LibxlError;

/** An operation failed and has left nothing half done. */
export class ToolstackError extends Error {
  override readonly name = "ToolstackError";
  readonly code: LibxlErrorName;

  constructor(code: LibxlErrorName, message: string) {
    super(message);
    this.code = code;
  }
}
