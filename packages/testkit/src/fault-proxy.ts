// A TCP proxy that can cut or stall what passes through it, to test what happens when a connection fails.

import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

/** Listens on a free port of loopback until disposed. */
export class FaultProxy implements AsyncDisposable {
  private readonly server: Server;
  private readonly target: { readonly host: string; readonly port: number };
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private isStalled = false;
  private isRefusing = false;

  private constructor(target: { host: string; port: number }) {
    this.target = target;
    this.server = createServer((client) => this.accept(client));
  }

  static async start(target: { host: string; port: number }): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.server.once("error", reject);
      proxy.server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Ends all connections at once, as a crash of the machine in between would. */
  cut(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** New connections are closed at once until `accept` is true again. */
  refuse(isRefusing: boolean): void {
    this.isRefusing = isRefusing;
  }

  /** Connections stay open, but nothing passes, in either direction. */
  stall(): void {
    this.isStalled = true;
    for (const pair of this.pairs) for (const socket of pair) socket.pause();
  }

  resume(): void {
    this.isStalled = false;
    for (const pair of this.pairs) for (const socket of pair) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(client: Socket): void {
    if (this.isRefusing) return void client.resetAndDestroy();
    const server = connect(this.target);
    const pair = [client, server] as const;
    this.pairs.add(pair);
    this.join(client, server);
    this.join(server, client);
    const forget = () => this.pairs.delete(pair);
    client.once("close", forget);
    server.once("close", forget);
    if (this.isStalled) for (const socket of pair) socket.pause();
  }

  // Not pipe(), which would resume a paused socket by itself.
  private join(from: Socket, to: Socket): void {
    from.on("data", (chunk) => {
      if (to.write(chunk)) return;
      from.pause();
      to.once("drain", () => this.isStalled || from.resume());
    });
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => to.end());
  }
}
