// Why the node's resource managers do not take a pod in, in upstream's words.

/** A refusal rather than a failure: `reason` becomes the reason of the pod's Failed status. */
export class AllocationError extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** What ought not to happen after the scheduler's word: the resources are not there. */
export function unexpected(why: string): AllocationError {
  return new AllocationError("UnexpectedAdmissionError", `Allocate failed due to ${why}, which is unexpected`);
}

/** The topology policy wants the resources on fewer NUMA nodes than they can be had from. */
export function notAligned(): AllocationError {
  return new AllocationError("TopologyAffinityError", "Resources cannot be allocated with Topology locality");
}
