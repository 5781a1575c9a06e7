// A refusal of the kubelet's own API: a status and a plain sentence, as upstream answers.
/** The message is the body, with a newline behind it. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HttpError";
    this.status = status;
  }
}

/** Upstream's words, of a kubelet that lets nobody look into containers. */
export const DEBUGGING_REFUSED = "Debug endpoints are disabled.";
