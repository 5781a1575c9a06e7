// Decides what must happen next for one pod: compares its spec with what the runtime holds. Pure.
import type { Container, Pod } from "@skiff/api/types.ts";
import { containerHash } from "./runtime/labels.ts";
import type { RuntimeContainer, RuntimePod } from "./runtime/runtime-pod.ts";
import { latestContainer } from "./runtime/runtime-pod.ts";

/** `unknown` is a startup probe's verdict before its first result: it neither kills nor counts as started. */
export type ProbeVerdict = "success" | "failure" | "unknown";

/** What the probes last said of a container by id; undefined before the first result. */
export interface ProbeVerdicts {
  liveness(containerId: string): ProbeVerdict | undefined;
  startup(containerId: string): ProbeVerdict | undefined;
}

/** Whether a running container is started anew to get the resources that its pod was granted. */
export type MustRestart = (pod: Pod, container: Container) => boolean;

/** Why a container is stopped. It decides which grace applies, as a probe may have one of its own for its failure. */
export type KillReason = "LivenessProbe" | "StartupProbe" | "SpecChanged" | "Resize" | "Unknown" | "Terminating";

/** One container to stop, and why. */
export interface ContainerKill {
  readonly container: RuntimeContainer;
  readonly reason: KillReason;
  /** Goes into the Killing event. */
  readonly message: string;
}

/** One step towards the pod's spec. Kills come first, then the sandbox, then the starts in their order. */
export interface PodActions {
  readonly killPod: boolean;
  readonly createSandbox: boolean;
  /** The sandbox to use, when none is created; or the one that is replaced. */
  readonly sandboxId: string;
  readonly attempt: number;
  readonly ephemeral: readonly Container[];
  readonly init: readonly Container[];
  readonly containers: readonly Container[];
  readonly kill: readonly ContainerKill[];
}

/** The next actions for a pod that shall run. A pod that is being deleted is the business of pod-workers. */
export function computePodActions(
  pod: Pod,
  runtime: RuntimePod,
  probes: ProbeVerdicts,
  mustRestart: MustRestart = () => false,
): PodActions {
  const sandbox = sandboxDecision(pod, runtime);
  if (sandbox.create) return actionsForNewSandbox(pod, runtime, sandbox);
  const step = new StepBuilder(sandbox, mustRestart);
  // `kubectl debug` adds one to a running pod. It runs once; its exit is never followed by a restart.
  step.ephemeral.push(
    ...((pod.spec?.ephemeralContainers ?? []) as Container[]).filter((c) => !latestContainer(runtime, c.name)),
  );
  const initialized = planInitContainers(pod, runtime, probes, step);
  if (step.killPod || !initialized) return step.build();
  const kept = planContainers(pod, runtime, probes, step);
  if (kept === 0 && step.containers.length === 0) {
    // Nothing is left to run: sidecars must not keep the pod alive.
    step.killPod = true;
    step.init.length = 0;
  }
  return step.build();
}

interface SandboxDecision {
  readonly create: boolean;
  readonly attempt: number;
  readonly id: string;
}

/**
 * A sandbox is replaced where it is not ready, has lost its address, or is not alone. The attempt is part of the
 * runtime's name for it, so that old and new can lie beside each other.
 */
function sandboxDecision(pod: Pod, runtime: RuntimePod): SandboxDecision {
  const [newest] = runtime.sandboxes;
  if (!newest) return { create: true, attempt: 0, id: "" };
  const next = { create: true, attempt: newest.attempt + 1, id: newest.id };
  if (runtime.sandboxes.filter((sandbox) => sandbox.ready).length > 1 || !newest.ready) return next;
  const hostNetwork = pod.spec?.hostNetwork ?? false;
  if (hostNetwork !== (newest.networkMode === "NODE")) return { ...next, id: "" };
  if (!hostNetwork && newest.ips.length === 0) return next;
  return { create: false, attempt: newest.attempt, id: newest.id };
}

class StepBuilder {
  killPod = false;
  readonly ephemeral: Container[] = [];
  readonly init: Container[] = [];
  readonly containers: Container[] = [];
  readonly kill = new Map<string, ContainerKill>();
  private readonly sandbox: SandboxDecision;
  readonly mustRestart: MustRestart;

  constructor(sandbox: SandboxDecision, mustRestart: MustRestart) {
    this.sandbox = sandbox;
    this.mustRestart = mustRestart;
  }

  stop(container: RuntimeContainer, reason: KillReason, message: string): void {
    this.kill.set(container.id, { container, reason, message });
  }

  /** With the pod as a whole going, single kills have no meaning left. */
  build(createSandbox = false): PodActions {
    return {
      killPod: this.killPod,
      createSandbox,
      sandboxId: this.sandbox.id,
      attempt: this.sandbox.attempt,
      ephemeral: this.ephemeral,
      init: this.init,
      containers: this.containers,
      kill: this.killPod ? [] : [...this.kill.values()],
    };
  }
}

function actionsForNewSandbox(pod: Pod, runtime: RuntimePod, sandbox: SandboxDecision): PodActions {
  const step = new StepBuilder(sandbox, () => false);
  step.killPod = true;
  const spec = pod.spec;
  // A pod that must not restart and ran before gets no second sandbox.
  const ranBefore = sandbox.attempt !== 0 && runtime.containers.length > 0;
  if (spec?.restartPolicy === "Never" && ranBefore && !hasRestartRules(pod)) return step.build();
  const wanted = (spec?.containers ?? []).filter((c) =>
    shouldRestart(pod, c, exitedOnly(latestContainer(runtime, c.name))),
  );
  if (wanted.length === 0) return step.build();
  // A new sandbox means a new network namespace, so init containers run again, as the documentation of init
  // containers says.
  const [firstInit] = spec?.initContainers ?? [];
  if (firstInit) step.init.push(firstInit);
  else step.containers.push(...wanted);
  return step.build(true);
}

/** In a dead sandbox nothing runs, whatever the container's last known state says. */
function exitedOnly(container: RuntimeContainer | undefined): RuntimeContainer | undefined {
  return container?.state === "exited" ? container : undefined;
}

function hasRestartRules(pod: Pod): boolean {
  return (pod.spec?.containers ?? []).some((container) => container.restartPolicy || container.restartPolicyRules);
}

/** A sidecar: an init container that keeps running beside the others. */
export function isSidecar(container: Pick<Container, "restartPolicy">): boolean {
  return container.restartPolicy === "Always";
}

/** Whether a container of this state is (re)started under the pod's and its own restart policy. */
export function shouldRestart(pod: Pod, container: Container, last: RuntimeContainer | undefined): boolean {
  if (pod.metadata.deletionTimestamp) return false;
  if (!last || last.state === "created" || last.state === "unknown") return true;
  if (last.state === "running") return false;
  return restartsAfter(pod, container, last.exitCode);
}

/** Whether its policies have a container run again that ended so. */
export function restartsAfter(pod: Pod, container: Container, exitCode: number): boolean {
  // Rules by exit code go before the container's own policy, and that before the pod's; the first that matches
  // decides.
  const rule = container.restartPolicyRules?.find((candidate) => ruleMatches(candidate, exitCode));
  if (rule) return rule.action === "Restart";
  const policy = container.restartPolicy ?? pod.spec?.restartPolicy ?? "Always";
  if (policy === "Never") return false;
  return policy === "Always" || exitCode !== 0;
}

function ruleMatches(rule: NonNullable<Container["restartPolicyRules"]>[number], exitCode: number): boolean {
  const values = rule.exitCodes?.values ?? [];
  if (rule.exitCodes?.operator === "In") return values.includes(exitCode);
  return rule.exitCodes?.operator === "NotIn" && !values.includes(exitCode);
}

/** Plans the init containers and says whether the regular ones may run. */
function planInitContainers(pod: Pod, runtime: RuntimePod, probes: ProbeVerdicts, step: StepBuilder): boolean {
  const inits = pod.spec?.initContainers ?? [];
  if (inits.length === 0) return true;
  // Once a regular container exists, init containers never run again in this sandbox, but sidecars are kept alive.
  const sandboxId = runtime.sandboxes[0]?.id ?? "";
  const past = (pod.spec?.containers ?? []).some((container) => latestIn(runtime, container.name, sandboxId));
  const starts: Container[] = [];
  let initialized = past;
  let reached = past;
  // From the last to the first: the last one that exists tells how far the pod has got, and those before it were done
  // then.
  for (let index = inits.length - 1; index >= 0; index--) {
    const container = inits[index] as Container;
    const last = latestIn(runtime, container.name, sandboxId);
    if (!last) {
      if (reached && isSidecar(container)) starts.push(container);
      continue;
    }
    if (reached && !isSidecar(container)) continue;
    const verdict = judgeInitContainer(pod, container, last, probes, step);
    if (verdict === "fail") {
      step.killPod = true;
      return false;
    }
    if (verdict === "start") starts.push(container);
    if (!reached && verdict !== "start" && verdict !== "wait") {
      const next = inits[index + 1];
      if (next) starts.push(next);
      else initialized = true;
    }
    reached = true;
  }
  const [first] = inits;
  if (!reached && first) starts.push(first);
  step.init.push(...starts.reverse());
  return initialized;
}

/** The newest container of that name in the present sandbox: those of an earlier one say nothing about this one. */
function latestIn(runtime: RuntimePod, name: string, sandboxId: string): RuntimeContainer | undefined {
  const last = latestContainer(runtime, name);
  return last?.sandboxId === sandboxId ? last : undefined;
}

/** `done` lets the next one start, `wait` keeps it waiting, `fail` ends the pod. */
type InitVerdict = "done" | "wait" | "start" | "fail";

function judgeInitContainer(
  pod: Pod,
  container: Container,
  last: RuntimeContainer,
  probes: ProbeVerdicts,
  step: StepBuilder,
): InitVerdict {
  const sidecar = isSidecar(container);
  if (last.state === "unknown") {
    step.stop(last, "Unknown", `Init container is in "unknown" state, try killing it before restart`);
    return "start";
  }
  // Made but never started, as by a kubelet that was killed between the two calls.
  if (last.state === "created") return "start";
  if (last.state === "running") return sidecar ? judgeRunningSidecar(pod, container, last, probes, step) : "wait";
  if (sidecar) return "start";
  if (last.exitCode === 0) return "done";
  return shouldRestart(pod, container, last) ? "start" : "fail";
}

function judgeRunningSidecar(
  pod: Pod,
  container: Container,
  last: RuntimeContainer,
  probes: ProbeVerdicts,
  step: StepBuilder,
): InitVerdict {
  // Until a sidecar has passed its startup probe, the containers after it do not start.
  if (container.startupProbe) {
    const started = probes.startup(last.id);
    if (started === "failure") {
      step.stop(last, "StartupProbe", `Init container ${container.name} failed startup probe`);
      return "start";
    }
    if (started !== "success") return "wait";
  }
  if (container.livenessProbe && probes.liveness(last.id) === "failure") {
    step.stop(last, "LivenessProbe", `Init container ${container.name} failed liveness probe`);
    return "start";
  }
  if (step.mustRestart(pod, container)) {
    step.stop(last, "Resize", `Init container ${container.name} resize requires restart`);
    return "start";
  }
  return "done";
}

/** Plans the regular containers and returns how many stay as they are. */
function planContainers(pod: Pod, runtime: RuntimePod, probes: ProbeVerdicts, step: StepBuilder): number {
  let kept = 0;
  for (const container of pod.spec?.containers ?? []) {
    const last = latestContainer(runtime, container.name);
    if (last?.state !== "running") {
      if (!shouldRestart(pod, container, last)) continue;
      step.containers.push(container);
      if (last?.state === "unknown") {
        step.stop(last, "Unknown", `Container is in "unknown" state, try killing it before restart`);
      }
      continue;
    }
    const wrong = whyKill(container, last, probes);
    if (!wrong && step.mustRestart(pod, container)) {
      step.containers.push(container);
      step.stop(last, "Resize", `Container ${container.name} resize requires restart`);
      continue;
    }
    if (!wrong) {
      kept++;
      continue;
    }
    // Even under restartPolicy Never a changed image is run, as it is the spec that changed and not the container
    // that ended.
    const restart = wrong.reason === "SpecChanged" || pod.spec?.restartPolicy !== "Never";
    if (restart) step.containers.push(container);
    step.stop(last, wrong.reason, restart ? `${wrong.message}, will be restarted` : wrong.message);
  }
  return kept;
}

function whyKill(
  container: Container,
  last: RuntimeContainer,
  probes: ProbeVerdicts,
): { reason: KillReason; message: string } | undefined {
  // Upstream's words; the hash covers the name and the image, so a change is a change of image.
  if (last.hash !== containerHash(container)) {
    return { reason: "SpecChanged", message: `Container ${container.name} definition changed` };
  }
  if (container.livenessProbe && probes.liveness(last.id) === "failure") {
    return { reason: "LivenessProbe", message: `Container ${container.name} failed liveness probe` };
  }
  if (container.startupProbe && probes.startup(last.id) === "failure") {
    return { reason: "StartupProbe", message: `Container ${container.name} failed startup probe` };
  }
  return undefined;
}
