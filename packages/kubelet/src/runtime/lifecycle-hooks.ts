// Runs postStart and preStop hooks: a command in the container, an HTTP request, or a pause.
import type { Container, LifecycleHandler } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { httpGet, isPlainAnswer, probePort } from "../probes/http-get.ts";

/** The longest hook that has no deadline of its own. */
const HTTP_TIMEOUT_MS = 60_000;

/** The container that the hook belongs to. HTTP requests go to the pod unless the hook names a host. */
export interface HookTarget {
  readonly container: Pick<Container, "name" | "ports">;
  readonly containerId: string;
  readonly podIp: string;
  /** Tells of what went otherwise than asked for, as an event. */
  warn(reason: string, message: string): void;
}

/**
 * A postStart hook that fails ends the container; a preStop hook that fails or takes too long is told and passed
 * over.
 */
export class LifecycleHooks {
  private readonly cri: Pick<CriClient, "execSync">;
  private readonly clock: Clock;

  constructor(deps: { cri: Pick<CriClient, "execSync">; clock: Clock }) {
    this.cri = deps.cri;
    this.clock = deps.clock;
  }

  /** Rejects with what went wrong, in the words of the events FailedPostStartHook and FailedPreStopHook. */
  async run(hook: LifecycleHandler, target: HookTarget, signal: AbortSignal): Promise<void> {
    if (hook.exec) return this.exec(hook.exec.command ?? [], target, signal);
    if (hook.sleep) return this.clock.sleep(hook.sleep.seconds * 1000, signal);
    if (hook.httpGet) return this.http(hook.httpGet, target, signal);
    throw new Error("lifecycle hook has no action that this kubelet knows");
  }

  private async exec(command: readonly string[], target: HookTarget, signal: AbortSignal): Promise<void> {
    const running = this.cri.execSync(target.containerId, command, 0);
    const result = await abortable(running, signal);
    if (result.exitCode === 0) return;
    const output = Buffer.concat([result.stdout, result.stderr]).toString("utf8");
    throw new Error(`command '${command.join(" ")}' exited with ${result.exitCode}: ${output}`);
  }

  private async http(
    action: NonNullable<LifecycleHandler["httpGet"]>,
    { container, podIp, warn }: HookTarget,
    signal: AbortSignal,
  ): Promise<void> {
    const port = probePort(action.port, container);
    const request = { ...action, host: action.host || podIp, port, userAgent: "kube-lifecycle/1.36" };
    // That it was answered is all that counts, as upstream: an answer of 500 is one.
    try {
      await httpGet(request, HTTP_TIMEOUT_MS, signal);
    } catch (error) {
      if (!isPlainAnswer(error)) throw error;
      // Kubernetes once took no notice of the scheme, so there are hooks that only work without TLS.
      const httpHeaders = action.httpHeaders?.filter(({ name }) => name.toLowerCase() !== "authorization");
      await httpGet({ ...request, scheme: "HTTP", httpHeaders }, HTTP_TIMEOUT_MS, signal);
      const whom = `${request.host}:${port}`;
      warn(
        "LifecycleHTTPFallback",
        `request to HTTPS lifecycle hook ${whom} got HTTP response, retry with HTTP succeeded`,
      );
    }
  }
}

/** Settles with `work`, or rejects when the signal comes first; the work itself cannot be called back. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    work.catch(() => {});
  }
}
