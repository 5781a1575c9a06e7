// kube-scheduler's flags as one validated configuration.
import { hostname } from "node:os";
import { commonFlags, flag, parseFlags, UsageError } from "@skiff/component-base/flags.ts";

const flags = {
  ...commonFlags,
  kubeconfig: flag.string("", "path to the kubeconfig with the apiserver's address and our credentials"),
  "bind-address": flag.string("0.0.0.0", "address of the HTTPS port"),
  "secure-port": flag.int(10259, "port of HTTPS health, metrics and explanations; 0: off"),
  port: flag.int(10251, "port of HTTP health and metrics on loopback; 0: off"),
  "tls-cert-file": flag.string("", "certificate of the HTTPS port (PEM)"),
  "tls-private-key-file": flag.string("", "its private key (PEM)"),
  "client-ca-file": flag.string("", "CA of the client certificates that the HTTPS port trusts (PEM)"),
  "leader-elect": flag.bool(true, "schedule only while holding the lease"),
  "leader-elect-lease-duration": flag.duration(15_000, "how long others wait after the leader's last renewal"),
  "leader-elect-renew-deadline": flag.duration(10_000, "how long the leader goes on without a renewal"),
  "leader-elect-retry-period": flag.duration(2000, "time between tries to get or renew the lease"),
  "leader-elect-resource-name": flag.string("kube-scheduler", "name of the lease"),
  "leader-elect-resource-namespace": flag.string("kube-system", "namespace of the lease"),
};

export interface SchedulerConfig {
  readonly v: number;
  readonly kubeconfig: string;
  /** Undefined: off. */
  readonly secure: SecureServing | undefined;
  /** Port on loopback; 0: off. */
  readonly port: number;
  /** Undefined: schedule without asking. */
  readonly leaderElection: LeaderElectionConfig | undefined;
}

export interface SecureServing {
  readonly host: string;
  readonly port: number;
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
}

export interface LeaderElectionConfig {
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Host name; the program adds what makes it unique. */
  readonly host: string;
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

type FlagValues = ReturnType<typeof readFlags>;

const readFlags = (argv: readonly string[]) => parseFlags("kube-scheduler", argv, flags);

/** Throws UsageError that names the flag. */
export function parseConfig(argv: readonly string[]): SchedulerConfig {
  const values = readFlags(argv);
  if (!values.kubeconfig) throw new UsageError("--kubeconfig is required");
  for (const name of ["secure-port", "port"] as const) {
    if (values[name] < 0 || values[name] > 65_535) throw new UsageError(`--${name} must be within 0 to 65535`);
  }
  return Object.freeze({
    v: values.v,
    kubeconfig: values.kubeconfig,
    secure: values["secure-port"] === 0 ? undefined : secureServing(values),
    port: values.port,
    leaderElection: values["leader-elect"] ? leaderElection(values) : undefined,
  });
}

function secureServing(values: FlagValues): SecureServing {
  for (const name of ["tls-cert-file", "tls-private-key-file", "client-ca-file"] as const) {
    if (!values[name]) throw new UsageError(`--${name} is required unless --secure-port is 0`);
  }
  return {
    host: values["bind-address"],
    port: values["secure-port"],
    certFile: values["tls-cert-file"],
    keyFile: values["tls-private-key-file"],
    clientCaFile: values["client-ca-file"],
  };
}

function leaderElection(values: FlagValues): LeaderElectionConfig {
  // The elector checks the same; here the message can name the flags.
  const leaseDurationMs = values["leader-elect-lease-duration"];
  const renewDeadlineMs = values["leader-elect-renew-deadline"];
  const retryPeriodMs = values["leader-elect-retry-period"];
  if (leaseDurationMs <= renewDeadlineMs) {
    throw new UsageError("--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline");
  }
  if (renewDeadlineMs <= 1.2 * retryPeriodMs) {
    throw new UsageError("--leader-elect-renew-deadline must be greater than 1.2 × --leader-elect-retry-period");
  }
  const lease = { namespace: values["leader-elect-resource-namespace"], name: values["leader-elect-resource-name"] };
  return { lease, host: hostname(), leaseDurationMs, renewDeadlineMs, retryPeriodMs };
}
