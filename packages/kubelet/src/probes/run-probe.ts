// Runs one probe once: exec, HTTP, TCP or gRPC, each with upstream's verdicts and words.
import { connect } from "node:net";
import type { Container, Probe } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { isCriTimeout } from "../cri/cri-client.ts";
import { expandAll } from "../env/expand.ts";
import { dialError, httpGet, probePort } from "./http-get.ts";

/** One answer; thresholds are counted elsewhere. */
export interface ProbeResult {
  readonly ok: boolean;
  /** Shown in the event when not ok, or when there is a warning. */
  readonly output: string;
  /** The answer counts as a success that somebody should know of. */
  readonly isWarning?: boolean;
}

/** Whom the probe asks. `podIp` is where HTTP, TCP and gRPC go unless the probe names a host. */
export interface ProbeTarget {
  readonly container: Container;
  readonly containerId: string;
  readonly podIp: string;
}

/** Upstream's limit of what an event may quote. */
const MAX_OUTPUT_BYTES = 10 * 1024;

/** Commands run through the runtime, everything else goes over the network from the node. */
export interface ProbeDeps {
  readonly cri: Pick<CriClient, "execSync">;
  readonly clock: Clock;
}

/** Rejects when the probe could not be made at all, which says nothing about the container. */
export async function runProbe(probe: Probe, target: ProbeTarget, deps: ProbeDeps): Promise<ProbeResult> {
  const timeoutSeconds = probe.timeoutSeconds ?? 1;
  if (probe.exec) return execProbe(probe.exec.command ?? [], timeoutSeconds, target, deps);
  if (probe.httpGet) return httpProbe(probe.httpGet, timeoutSeconds * 1000, target);
  if (probe.tcpSocket) {
    const port = probePort(probe.tcpSocket.port, target.container);
    return tcpProbe(probe.tcpSocket.host || target.podIp, port, timeoutSeconds * 1000, deps.clock);
  }
  if (probe.grpc) {
    // Loaded with the first such probe: gRPC's client takes megabytes.
    const { grpcProbe } = await import("./grpc-probe.ts");
    return grpcProbe(target.podIp, probe.grpc.port, probe.grpc.service ?? "", timeoutSeconds, deps.clock);
  }
  throw new Error(`missing probe handler for container ${target.container.name}`);
}

async function execProbe(
  command: readonly string[],
  timeoutSeconds: number,
  { container, containerId }: ProbeTarget,
  { cri }: ProbeDeps,
): Promise<ProbeResult> {
  // Only variables with plain values can be named in a probe's command, as upstream.
  const env = new Map((container.env ?? []).map(({ name, value }) => [name, value ?? ""]));
  const words = expandAll(command, (name) => env.get(name));
  try {
    const { stdout, stderr, exitCode } = await cri.execSync(containerId, words, timeoutSeconds);
    const output = Buffer.concat([stdout, stderr]).subarray(0, MAX_OUTPUT_BYTES).toString("utf8");
    return { ok: exitCode === 0, output };
  } catch (error) {
    if (!isCriTimeout(error)) throw error;
    return { ok: false, output: `command timed out: "${words.join(" ")}" timed out after ${timeoutSeconds}s` };
  }
}

async function httpProbe(
  action: NonNullable<Probe["httpGet"]>,
  timeoutMs: number,
  { container, podIp }: ProbeTarget,
): Promise<ProbeResult> {
  const port = probePort(action.port, container);
  try {
    const { status, body } = await httpGet({ ...action, host: action.host || podIp, port }, timeoutMs);
    // Only a redirect that leads to another host is not followed.
    if (status >= 300 && status < 400) {
      return { ok: true, isWarning: true, output: `Probe terminated redirects, Response body: ${body}` };
    }
    if (status >= 200 && status < 300) return { ok: true, output: "" };
    return { ok: false, output: `HTTP probe failed with statuscode: ${status}` };
  } catch (error) {
    return { ok: false, output: (error as Error).message };
  }
}

/** That a connection can be made is all that is asked; nothing is sent. */
function tcpProbe(host: string, port: number, timeoutMs: number, clock: Clock): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (result: ProbeResult) => {
      timer[Symbol.dispose]();
      socket.destroy();
      resolve(result);
    };
    const timer = clock.after(timeoutMs, () => {
      finish({ ok: false, output: `dial tcp ${host}:${port}: i/o timeout` });
    });
    socket.once("connect", () => finish({ ok: true, output: "" }));
    socket.once("error", (error) => finish({ ok: false, output: dialError(error, host, port) }));
  });
}
