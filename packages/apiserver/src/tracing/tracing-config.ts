// The file behind --tracing-config-file: a TracingConfiguration of apiserver.config.k8s.io.
import { isPlainObject } from "@skiff/api/plain-object.ts";
import { parse } from "yaml";

export interface TracingConfig {
  /** `host:port` of an OTLP collector that speaks gRPC without TLS. */
  readonly endpoint: string;
  readonly samplesPerMillion: number;
}

const DEFAULT_ENDPOINT = "localhost:4317";
const MILLION = 1_000_000;
const VERSIONS: ReadonlySet<unknown> = new Set(
  ["v1", "v1beta1", "v1alpha1"].map((v) => `apiserver.config.k8s.io/${v}`),
);
const FIELDS: ReadonlySet<string> = new Set(["apiVersion", "kind", "endpoint", "samplingRatePerMillion"]);

/** Throws with what is wrong. */
export function parseTracingConfig(text: string): TracingConfig {
  const document: unknown = parse(text);
  if (!isPlainObject(document)) throw new Error("no TracingConfiguration in it");
  const { apiVersion, kind, endpoint, samplingRatePerMillion: rate } = document;
  if (kind !== "TracingConfiguration" || !VERSIONS.has(apiVersion)) {
    throw new Error(
      `${String(apiVersion)} ${String(kind)} is not a TracingConfiguration of apiserver.config.k8s.io/v1`,
    );
  }
  for (const field of Object.keys(document)) if (!FIELDS.has(field)) throw new Error(`unknown field "${field}"`);
  return { endpoint: checkEndpoint(endpoint ?? DEFAULT_ENDPOINT), samplesPerMillion: checkRate(rate ?? 0) };
}

function checkRate(rate: unknown): number {
  if (typeof rate !== "number" || !Number.isInteger(rate)) throw new Error("samplingRatePerMillion is not a number");
  if (rate < 0) throw new Error("samplingRatePerMillion: sampling rate must be positive");
  if (rate > MILLION) {
    throw new Error("samplingRatePerMillion: sampling rate per million must be less than or equal to one million");
  }
  return rate;
}

function checkEndpoint(endpoint: unknown): string {
  const text = typeof endpoint === "string" ? endpoint.replace(/^dns:\/\/\//, "") : "";
  if (!/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/.test(text)) {
    throw new Error(`invalid endpoint "${String(endpoint)}": host:port is wanted`);
  }
  return text;
}
