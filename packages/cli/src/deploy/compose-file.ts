// Renders docker-compose.yml from the table of programs. Read by docker-compose 1.29 and by docker compose 2 alike.
import { stringify } from "yaml";
import type { ProgramSpec } from "../programs.ts";
import { PROGRAM_ENVIRONMENT, programCommand, programNamed } from "../programs.ts";
import type { ComposeContainer, ComposeSettings } from "./compose-cluster.ts";
import { CONTAINERS, CREDENTIALS, composePlace, isWorker, WORKERS } from "./compose-cluster.ts";
import { probeWords } from "./probe-target.ts";

/** Compose fills these in from the environment or an .env file. */
const SUBNET = variable("SKIFF_SUBNET", "10.250.60");
const SETTINGS: ComposeSettings = { subnet: SUBNET, networkMode: variable("SKIFF_NETWORK_MODE", "routes") };
const STATE = variable("SKIFF_STATE", "./.skiff");
const API_PORT = variable("SKIFF_API_PORT", "6443");
const IMAGE = variable("SKIFF_IMAGE", "skiff.local/skiff:dev");

const HEADER = `# Skiff in containers: docker compose up -d, then export KUBECONFIG=$PWD/.skiff/kubeconfig. See docs/deploy.md.
# Made from the table of programs by: node packages/cli/scripts/generate-deploy.ts. Change the table, not this file.
`;

type Service = Record<string, unknown>;

/** The file's text, the same for the same table. A test holds the one in the repository to it. */
export function composeFile(): string {
  const services = { init: initService(), ...Object.fromEntries(CONTAINERS.map((one) => [one.name, serviceOf(one)])) };
  const networks = { default: { ipam: { config: [{ subnet: `${SUBNET}.0/24` }] } } };
  const volumes = Object.fromEntries(["etcd", ...WORKERS].map((name) => [name, {}]));
  return HEADER + stringify({ services, networks, volumes }, { lineWidth: 0, aliasDuplicateObjects: false });
}

// Makes what is missing of the certificates, and ends.
function initService(): Service {
  return {
    image: IMAGE,
    build: { context: ".", dockerfile: "deploy/docker/Dockerfile" },
    // No registry has this image: without the words, compose 2 would ask one before it builds.
    pull_policy: "never",
    command: ["skiff", "compose-init", "--state=/state", `--subnet=${SUBNET}`, `--api-port=${API_PORT}`],
    network_mode: "none",
    volumes: [`${STATE}:/state`],
  };
}

function serviceOf(container: ComposeContainer): Service {
  const programs = container.programs.map(programNamed);
  return {
    image: IMAGE,
    pull_policy: "never",
    command: commandOf(container, programs),
    ...(programs.some(({ bundle }) => bundle) ? { environment: PROGRAM_ENVIRONMENT } : {}),
    ...networkOf(container),
    ...(container.name === "kube-apiserver" ? { ports: [`127.0.0.1:${API_PORT}:6443`] } : {}),
    volumes: [`${STATE}/compose/${container.name}:${CREDENTIALS}:ro`, ...dataOf(container)],
    ...privilegesOf(container, programs),
    depends_on: dependenciesOf(container, programs),
    healthcheck: { test: healthTestOf(container, programs), interval: "3s", timeout: "5s", retries: 10 },
    restart: "unless-stopped",
    ...(isWorker(container) ? { stop_grace_period: "30s" } : {}),
  };
}

function commandOf(container: ComposeContainer, programs: readonly ProgramSpec[]): string[] {
  if (isWorker(container)) {
    return ["skiff", "compose-node", container.name, `--subnet=${SUBNET}`, `--mode=${SETTINGS.networkMode}`];
  }
  const place = composePlace(container, SETTINGS);
  return programs.flatMap((program) =>
    programCommand(program, place, { nodeBinary: "node", bundles: "/opt/skiff/dist" }),
  );
}

function networkOf({ name, host, networkOf: owner }: ComposeContainer): Service {
  if (owner) return { network_mode: `service:${owner}` };
  return { hostname: name, networks: { default: { ipv4_address: `${SUBNET}.${host}` } } };
}

/** Volumes outlive the containers: etcd's data, and a node's images and pods. */
function dataOf(container: ComposeContainer): string[] {
  if (isWorker(container)) return [`${container.name}:/var`];
  return container.name === "etcd" ? ["etcd:/var/lib/skiff"] : [];
}

function privilegesOf(container: ComposeContainer, programs: readonly ProgramSpec[]): Service {
  // A node mounts, makes namespaces and loads rules; a kubelet in a container cannot do with less.
  if (isWorker(container)) return { privileged: true, tmpfs: ["/run", "/tmp"] };
  const network = programs.some((program) => program.privileges === "network");
  return {
    read_only: true,
    tmpfs: ["/tmp"],
    cap_drop: ["ALL"],
    ...(network ? { cap_add: ["NET_ADMIN"] } : {}),
    security_opt: ["no-new-privileges:true"],
  };
}

/** What runs in the same container is waited for by its own supervisor. */
function dependenciesOf(container: ComposeContainer, programs: readonly ProgramSpec[]): Service {
  const before = programs.flatMap((program) => program.after).filter((name) => !container.programs.includes(name));
  return {
    init: { condition: "service_completed_successfully" },
    ...Object.fromEntries(before.map((name) => [name, { condition: "service_healthy" }])),
  };
}

// When the container whose network another one shares is started anew, that other one stays behind in the old network: it
// turns unhealthy, ends itself, and comes back in the new one.
function healthTestOf(container: ComposeContainer, programs: readonly ProgramSpec[]): string[] {
  if (container.networkOf) return ["CMD-SHELL", "skiff probe http://127.0.0.1:10261/healthz || kill 1"];
  const place = composePlace(container, SETTINGS);
  const probes = programs.flatMap((program) => program.health?.(place) ?? []);
  return ["CMD", "skiff", "probe", ...probes.flatMap(probeWords)];
}

function variable(name: string, fallback: string): string {
  return `\${${name}:-${fallback}}`;
}
