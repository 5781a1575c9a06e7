// A request that has its seats: how long it ran, and seats that stay taken for what it set off.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { WorkEstimate } from "./estimate-work.ts";
import type { Flow, Place, RequestKind } from "./flow.ts";

/** What a priority level gets back. */
export interface SeatOwner {
  readonly clock: Clock;
  /** The request has been answered, after so many seconds. */
  ended(request: RunningRequest, seconds: number): void;
  /** Its seats are free. */
  released(request: RunningRequest): void;
}

/** What is known of it before it runs. */
export interface AdmittedRequest {
  readonly flow: Flow;
  readonly kind: RequestKind;
  readonly isWatch: boolean;
  readonly estimate: WorkEstimate;
  readonly info: RequestInfo;
  readonly user: UserInfo;
}

export class RunningRequest implements Place {
  readonly request: AdmittedRequest;
  /** Where it waited and how long; -1 if it did not. */
  readonly queueIndex: number;
  readonly waitedMs: number;
  readonly startedMs: number;
  private readonly owner: SeatOwner;

  constructor(owner: SeatOwner, request: AdmittedRequest, queueIndex: number, waitedMs: number) {
    this.owner = owner;
    this.request = request;
    this.queueIndex = queueIndex;
    this.waitedMs = waitedMs;
    this.startedMs = owner.clock.monotonic();
  }

  leave(): void {
    const { owner } = this;
    const { lingerMs } = this.request.estimate;
    owner.ended(this, (owner.clock.monotonic() - this.startedMs) / 1000);
    // The client has its answer; only the seats wait.
    if (lingerMs > 0) owner.clock.after(lingerMs, () => owner.released(this));
    else owner.released(this);
  }
}
