// Fields of KubeletConfiguration that change nothing here: each takes what upstream's default is, so that a file which names
// every field, as upstream's own defaulting writes it, is taken, and one that asks for more is refused.
import { parseDuration } from "@skiff/component-base/flags.ts";
import { asObject, asText, type Field, formatDuration, only, quantity, word } from "./field-types.ts";

/** Parts of the whole table. */
export const FIXED_FIELDS = {
  // Node's own choice, which starts at TLS 1.2 as upstream's does.
  tlsCipherSuites: noneOf(),
  tlsMinVersion: word("", "VersionTLS12"),
  registryPullQPS: only(5),
  registryBurst: only(10),
  eventRecordQPS: only(50),
  eventBurst: only(100),
  kubeAPIQPS: only(50),
  kubeAPIBurst: only(100),
  // Both servers' sides know JSON, and that is what is spoken.
  contentType: word("application/vnd.kubernetes.protobuf", "application/json"),
  streamingConnectionIdleTimeout: onlyDuration(4 * 3_600_000),
  maxOpenFiles: only(1_000_000),
  qosReserved: nothingIn(),
  runOnce: only(false),
  cpuCFSQuota: only(true),
  cpuCFSQuotaPeriod: onlyDuration(100),
  protectKernelDefaults: only(false),
  kernelMemcgNotification: only(false),
  memoryThrottlingFactor: only(0.9),
  makeIPTablesUtilChains: only(true),
  iptablesMasqueradeBit: only(14),
  iptablesDropBit: only(15),
  volumePluginDir: only("/usr/libexec/kubernetes/kubelet-plugins/volume/exec/"),
  showHiddenMetricsForVersion: only(""),
  enableContentionProfiling: only(false),
  enableProfilingHandler: only(true),
  enableDebugFlagsHandler: only(true),
  enableSystemLogHandler: only(true),
  enableSystemLogQuery: only(false),
  // Lines are JSON whichever it says, and each is written at once.
  "logging.format": word("text", "json"),
  "logging.flushFrequency": anything<string | number>("5s"),
  "logging.options.text.splitStream": only(false),
  "logging.options.text.infoBufferSize": quantity("0"),
  "logging.options.json.splitStream": only(false),
  "logging.options.json.infoBufferSize": quantity("0"),
} as const;

function onlyDuration(ms: number): Field<number> {
  return {
    default: ms,
    decode(value) {
      if (parseDuration(asText(value)) !== ms)
        throw new Error(`only ${formatDuration(ms)} is supported by this kubelet`);
      return ms;
    },
    encode: formatDuration,
  };
}

function noneOf(): Field<readonly string[] | undefined> {
  return {
    default: undefined,
    decode(value) {
      if (!Array.isArray(value) || value.length > 0) throw new Error("a choice of one's own is not supported");
      return undefined;
    },
    encode: (value) => value,
  };
}

function nothingIn(): Field<undefined> {
  return {
    default: undefined,
    decode(value) {
      if (Object.keys(asObject(value)).length > 0) throw new Error("nothing in it is supported by this kubelet");
      return undefined;
    },
    encode: (value) => value,
  };
}

function anything<T>(fallback: T): Field<T> {
  return { default: fallback, decode: (value) => value as T, encode: (value) => value };
}
