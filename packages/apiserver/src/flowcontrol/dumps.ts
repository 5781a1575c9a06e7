// The dumps under /debug/api_priority_and_fairness: levels, queues and the requests that wait, as tables of text.
import type { UserInfo } from "../authn/authenticator.ts";
import type { PathHandler } from "../http/endpoint.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { WorkEstimate } from "./estimate-work.ts";
import { workOf } from "./fair-queues.ts";
import type { FlowController } from "./flow-controller.ts";
import { distinguisherOf } from "./match-flow.ts";

const ROOT = "/debug/api_priority_and_fairness";
const TEXT = "text/plain; charset=utf-8";

export function createFlowDumps(controller: FlowController): PathHandler[] {
  const dump = (name: string, rows: (query: URLSearchParams) => readonly (readonly string[])[]): PathHandler => ({
    path: `${ROOT}/${name}`,
    handle: async ({ query }) => ({ code: 200, contentType: TEXT, bytes: table(rows(query)) }),
  });
  return [
    dump("dump_priority_levels", () => levelRows(controller)),
    dump("dump_queues", () => queueRows(controller)),
    dump("dump_requests", (query) => requestRows(controller, (query.get("includeRequestDetails") ?? "") !== "")),
  ];
}

function levelRows(controller: FlowController): string[][] {
  const head = ["PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests"];
  const counts = ["DispatchedRequests", "RejectedRequests", "TimedoutRequests", "CancelledRequests"];
  const rows = controller.levels.map((level) => {
    const flows = controller.schemas.filter((flow) => flow.level === level);
    const sum = (read: (flow: (typeof flows)[number]) => number) => flows.reduce((all, flow) => all + read(flow), 0);
    const running = level.running.size;
    return [
      level.name,
      String(level.fair.list().filter(({ waiters }) => waiters.length > 0).length),
      String(running === 0 && level.fair.waiting === 0),
      String(controller.isQuiescing(level)),
      String(level.fair.waiting),
      String(running),
      String(sum(({ dispatched }) => dispatched)),
      String(sum(({ rejected }) => rejected["queue-full"] + rejected["concurrency-limit"])),
      String(sum(({ rejected }) => rejected["time-out"])),
      String(sum(({ rejected }) => rejected.cancelled)),
    ];
  });
  return [[...head, ...counts], ...rows];
}

function queueRows(controller: FlowController): string[][] {
  const head = ["PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "SeatsInUse", "NextDispatchR"];
  const rows = controller.levels.flatMap((level) =>
    level.fair.list().map(({ index, waiters, running, seatsInUse, nextStart }) => {
      const sum = (read: (waiter: (typeof waiters)[number]) => number) =>
        waiters.reduce((all, waiter) => all + read(waiter), 0);
      const counts = [index, waiters.length, running, seatsInUse].map(String);
      const seats = [sum(({ estimate }) => estimate.seats), sum((waiter) => waiter.seats)].map(String);
      return [level.name, ...counts, seatSeconds(nextStart), ...seats, seatSeconds(sum(workOf))];
    }),
  );
  return [[...head, "InitialSeatsSum", "MaxSeatsSum", "TotalWorkSum"], ...rows];
}

/** Those that wait, then those that run; -1 stands for the queue and place of who is in none. */
function requestRows(controller: FlowController, withDetails: boolean): string[][] {
  const head = ["PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher"];
  const times = ["ArriveTime", "InitialSeats", "FinalSeats", "AdditionalLatency", "StartTime"];
  const details = ["UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource"];
  const of = ({ info, user }: { readonly info: RequestInfo; readonly user: UserInfo }) =>
    withDetails ? requestDetails(info, user) : [];
  const rows = controller.levels.flatMap((level) => {
    const waiting = level.fair.list().flatMap(({ index, waiters }) =>
      waiters.map((waiter, at) => {
        const { schema, distinguisher, arrivedMs, estimate } = waiter;
        const place = [level.name, schema, String(index), String(at), distinguisher];
        return [...place, timeText(arrivedMs), ...work(estimate), NO_TIME, ...of(waiter)];
      }),
    );
    const [now, monotonic] = [level.clock.now(), level.clock.monotonic()];
    const running = [...level.running].map(({ request, queueIndex, waitedMs, startedMs }) => {
      const { flow, info, user, estimate } = request;
      const distinguisher = distinguisherOf(flow.schema, info, user);
      const started = now - (monotonic - startedMs);
      const place = [level.name, flow.schema.metadata.name, String(queueIndex), "-1", distinguisher];
      return [...place, timeText(started - waitedMs), ...work(estimate), timeText(started), ...of(request)];
    });
    return [...waiting, ...running];
  });
  return [[...head, ...times, ...(withDetails ? details : [])], ...rows];
}

function requestDetails(info: RequestInfo, user: UserInfo): string[] {
  const { verb, path, namespace, name, group, version, resource, subresource } = info;
  return [user.name, verb, path, namespace, name, group ? `${group}/${version}` : version, resource, subresource];
}

function work({ seats, finalSeats, lingerMs }: WorkEstimate): string[] {
  return [String(seats), String(finalSeats), lingerMs > 0 ? `${lingerMs}ms` : "0s"];
}

/** Go's time of nothing. */
const NO_TIME = "0001-01-01T00:00:00Z";

function timeText(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function seatSeconds(seatMilliseconds: number): string {
  return `${(seatMilliseconds / 1000).toFixed(8)}ss`;
}

/** Columns end in a comma and are as wide as their widest cell, as upstream's are. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(8, ...rows.map((row) => (row[at]?.length ?? 0) + 2)));
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === row.length - 1 ? cell : `${cell},`.padEnd(widths[at] ?? 0))).join("");
  return `${rows.map(line).join("\n")}\n`;
}
