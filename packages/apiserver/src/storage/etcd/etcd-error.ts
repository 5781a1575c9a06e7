// How a call to etcd fails.

/** `code` is gRPC's status: etcd's own, or one of those below. */
export class EtcdError extends Error {
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "EtcdError";
    this.code = code;
  }
}

/** The call took too long. */
export const DEADLINE_EXCEEDED = 4;
/** The connection is to blame; whether etcd did what it was asked for is not known. */
export const UNAVAILABLE = 14;
