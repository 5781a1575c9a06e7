// What a controller of this program is: its upstream names, and how it runs.
import type { EventRecorder } from "@skiff/client/event-recorder.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { WorkQueue } from "@skiff/client/work-queue.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { ControllerManagerConfig } from "../config.ts";
import type { SharedInformers } from "./shared-informers.ts";

/** What a controller may use; made anew for each term of leadership. */
export interface ControllerContext {
  readonly config: ControllerManagerConfig;
  /** Speaks as this controller's own ServiceAccount under --use-service-account-credentials. */
  readonly client: RestClient;
  readonly informers: SharedInformers;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** `name` labels its metrics; the controller's own when absent. */
  newQueue(name?: string): WorkQueue<string>;
}

/** One control loop. All that it keeps in memory may be lost at any moment. */
export interface ControllerDefinition {
  /** Upstream's name, as `--controllers` takes it. */
  readonly name: string;
  /** Older names that upstream still takes. */
  readonly aliases: readonly string[];
  /** The `source.component` of its events, and its ServiceAccount in kube-system. */
  readonly component: string;
  readonly serviceAccount: string;
  /** Resolves after the signal aborts, or at once when the configuration leaves nothing to do. */
  run(context: ControllerContext, signal: AbortSignal): Promise<void>;
}
