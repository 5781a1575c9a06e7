// The dumps under /debug/api_priority_and_fairness: levels, queues and the requests that wait, as tables of text.
import type { PathHandler } from "../http/endpoint.ts";
import type { FlowController } from "./flow-controller.ts";

const ROOT = "/debug/api_priority_and_fairness";
const TEXT = "text/plain; charset=utf-8";

export function createFlowDumps(controller: FlowController): PathHandler[] {
  const dump = (name: string, rows: () => readonly (readonly string[])[]): PathHandler => ({
    path: `${ROOT}/${name}`,
    handle: async () => ({ code: 200, contentType: TEXT, bytes: table(rows()) }),
  });
  return [
    dump("dump_priority_levels", () => levelRows(controller)),
    dump("dump_queues", () => queueRows(controller)),
    dump("dump_requests", () => requestRows(controller)),
  ];
}

function levelRows(controller: FlowController): string[][] {
  const head = ["PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests"];
  const counts = ["DispatchedRequests", "RejectedRequests", "TimedoutRequests", "CancelledRequests"];
  const rows = controller.levels.map((level) => {
    const flows = controller.schemas.filter((flow) => flow.level === level);
    const sum = (read: (flow: (typeof flows)[number]) => number) => flows.reduce((all, flow) => all + read(flow), 0);
    const running = sum((flow) => flow.running.readOnly + flow.running.mutating);
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
      const seats = waiters.reduce((sum, waiter) => sum + waiter.seats, 0);
      const counts = [index, waiters.length, running, seatsInUse].map(String);
      return [level.name, ...counts, `${(nextStart / 1000).toFixed(8)}ss`, String(seats)];
    }),
  );
  return [[...head, "InitialSeatsSum"], ...rows];
}

function requestRows(controller: FlowController): string[][] {
  const head = ["PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher"];
  const rows = controller.levels.flatMap((level) =>
    level.fair.list().flatMap(({ index, waiters }) =>
      waiters.map(({ schema, distinguisher, arrivedMs, seats }, at) => {
        const arrived = new Date(arrivedMs).toISOString();
        return [level.name, schema, String(index), String(at), distinguisher, arrived, String(seats)];
      }),
    ),
  );
  return [[...head, "ArriveTime", "InitialSeats"], ...rows];
}

/** Columns end in a comma and are as wide as their widest cell, as upstream's are. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(8, ...rows.map((row) => (row[at]?.length ?? 0) + 2)));
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === row.length - 1 ? cell : `${cell},`.padEnd(widths[at] ?? 0))).join("");
  return `${rows.map(line).join("\n")}\n`;
}
