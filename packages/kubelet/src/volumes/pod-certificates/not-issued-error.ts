// A certificate that a signer has not issued yet: a volume that an earlier kubelet has filled serves on meanwhile.

export class NotIssuedError extends Error {
  constructor() {
    super("credential bundle is not issued yet");
    this.name = "NotIssuedError";
  }
}
