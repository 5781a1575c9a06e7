// componentstatuses: not stored, but asked for anew each time. Deprecated upstream, and read by people all the same.
import { methodNotAllowed, notFound } from "@skiff/api/errors.ts";
import { parseLabelSelector } from "@skiff/api/labels.ts";
import type { ComponentStatus } from "@skiff/api/types.ts";
import type { Answer, RequestContext, ResourceHandler } from "../http/endpoint.ts";
import { negotiate } from "../http/negotiate.ts";
import type { ComponentProbe } from "./probes.ts";

const SUBJECT = { group: "", plural: "componentstatuses" };

export function createComponentStatusHandler(probes: readonly ComponentProbe[]): ResourceHandler {
  return {
    group: "",
    version: "v1",
    resource: SUBJECT.plural,
    subresource: "",
    async handle(context) {
      const { verb, name } = context.info;
      if (verb !== "get" && verb !== "list") throw methodNotAllowed();
      context.warn("v1 ComponentStatus is deprecated in v1.19+");
      return verb === "get" ? await getOne(probes, name, context) : await listAll(probes, name, context);
    },
  };
}

async function getOne(probes: readonly ComponentProbe[], name: string, context: RequestContext): Promise<Answer> {
  const probe = probes.find((known) => known.name === name);
  if (!probe) throw notFound(SUBJECT, name);
  const table = wantsTable(context);
  const status = await statusOf(probe);
  return {
    code: 200,
    object: table ? tableOf([status], table) : { kind: "ComponentStatus", apiVersion: "v1", ...status },
  };
}

/** `name` is that of a field selector. The parts have no labels. */
async function listAll(probes: readonly ComponentProbe[], name: string, context: RequestContext): Promise<Answer> {
  const table = wantsTable(context);
  const selector = parseLabelSelector(context.query.get("labelSelector") ?? "");
  const wanted = probes.filter((probe) => (!name || probe.name === name) && selector.matches({}));
  const items = await Promise.all(wanted.map(statusOf));
  if (table) return { code: 200, object: tableOf(items, table) };
  return { code: 200, object: { kind: "ComponentStatusList", apiVersion: "v1", metadata: {}, items } };
}

/** The version of the Table that the client prefers. Throws 406. */
function wantsTable({ raw, query }: RequestContext): string | undefined {
  return negotiate(raw.headers, query, ["Table"]).view?.version;
}

async function statusOf({ name, probe }: ComponentProbe): Promise<ComponentStatus> {
  const { healthy, message } = await probe();
  const condition = { type: "Healthy", status: healthy ? "True" : "False", message };
  return { metadata: { name }, conditions: [condition] } as ComponentStatus;
}

const COLUMNS = [
  ["Name", "Name of the part"],
  ["Status", "Status of the component conditions"],
  ["Message", "Message of the component conditions"],
  ["Error", "Error of the component conditions"],
] as const;

function tableOf(statuses: readonly ComponentStatus[], version: string): object {
  const apiVersion = `meta.k8s.io/${version}`;
  return {
    kind: "Table",
    apiVersion,
    metadata: {},
    columnDefinitions: COLUMNS.map(([name, description], index) => ({
      name,
      type: "string",
      format: index === 0 ? "name" : "",
      description,
      priority: 0,
    })),
    rows: statuses.map((status) => ({
      cells: cellsOf(status),
      object: { kind: "PartialObjectMetadata", apiVersion, metadata: status.metadata },
    })),
  };
}

function cellsOf({ metadata, conditions }: ComponentStatus): string[] {
  const condition = conditions?.[0];
  const status = condition?.status === "True" ? "Healthy" : "Unhealthy";
  return [metadata.name ?? "", status, condition?.message ?? "", condition?.error ?? ""];
}
