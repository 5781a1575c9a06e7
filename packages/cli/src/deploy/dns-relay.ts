// Lets pods ask Docker's DNS server, which answers only on the loopback of the node's container: a relay at the node's address.
import type { RemoteInfo, Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Endpoint } from "../forward.ts";
import { forwardTcp } from "../forward.ts";

/** As long as resolvers wait before they ask again. */
const TIMEOUT_MS = 5000;
/** Questions without an answer yet; more are dropped, and their askers ask again. */
const MAX_OPEN = 256;

/** What pods are told of the node's resolver. */
export interface ResolverSettings {
  /** The resolv.conf for pods. */
  readonly text: string;
  /** The loopback server to relay to; absent where pods can ask the servers themselves. */
  readonly server?: string;
}

/** Puts `own` in the place of a server that listens on loopback. */
export function resolverForPods(resolvConf: string, own: string): ResolverSettings {
  const server = /^nameserver\s+(127\.\S+)/m.exec(resolvConf)?.[1];
  if (!server) return { text: resolvConf };
  const others = resolvConf.split("\n").filter((line) => !line.startsWith("#") && !/^nameserver\s+127\./.test(line));
  return { text: [`nameserver ${own}`, ...others].join("\n"), server };
}

/** Runs until the signal aborts; UDP and TCP. Rejects when the address cannot be had. */
export async function relayDns(
  from: Endpoint,
  to: Endpoint,
  deps: { readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([relayUdp(from, to, deps.clock, signal), forwardTcp(from, to, signal, deps.log)]);
}

async function relayUdp(from: Endpoint, to: Endpoint, clock: Clock, signal: AbortSignal): Promise<void> {
  const socket = createSocket("udp4");
  let open = 0;
  socket.on("message", (question, asker) => {
    if (open >= MAX_OPEN) return;
    open += 1;
    void answerOne(socket, question, asker, to, clock, signal).finally(() => {
      open -= 1;
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(from.port, from.host, resolve);
  });
  // A packet that cannot be sent back is the asker's loss, not the relay's end.
  socket.on("error", () => {});
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  socket.close();
}

/** Never rejects: a question without an answer is asked again by whoever wants to know. */
async function answerOne(
  socket: Socket,
  question: Buffer,
  asker: RemoteInfo,
  to: Endpoint,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const upstream = createSocket("udp4");
  const done = new AbortController();
  upstream.once("error", () => done.abort());
  upstream.once("message", (answer) => {
    if (!signal.aborted) socket.send(answer, asker.port, asker.address);
    done.abort();
  });
  upstream.send(question, to.port, to.host);
  await clock.sleep(TIMEOUT_MS, AbortSignal.any([signal, done.signal])).catch(() => {});
  upstream.close();
}
