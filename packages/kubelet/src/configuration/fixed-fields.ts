// Fields of KubeletConfiguration that change nothing here: each takes what upstream's default is, so that a file which names
// every field, as upstream's own defaulting writes it, is taken, and one that asks for more is refused.
import { parseDuration } from "@skiff/component-base/flags.ts";
import { asObject, asText, type Field, formatDuration, only, quantity, word } from "./field-types.ts";

/** Parts of the whole table. */
export const FIXED_FIELDS = {
  // Both servers' sides know JSON, and that is what is spoken.
  contentType: word("application/vnd.kubernetes.protobuf", "application/json"),
  qosReserved: nothingIn(),
  tracing: nothingIn(),
  memoryReservationPolicy: word("None"),
  runOnce: only(false),
  cpuCFSQuotaPeriod: onlyDuration(100),
  kernelMemcgNotification: only(false),
  volumePluginDir: only("/usr/libexec/kubernetes/kubelet-plugins/volume/exec/"),
  showHiddenMetricsForVersion: only(""),
  enableContentionProfiling: only(false),
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
