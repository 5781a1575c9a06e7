// Keep-alive connections to one server, by the HTTP client of undici and nothing else of it.
import type { Dispatcher, Pool } from "undici";
import request from "undici/lib/api/api-request.js";
import UndiciPool from "undici/lib/dispatcher/pool.js";

export type HttpRequest = Dispatcher.RequestOptions;
export type HttpAnswer = Dispatcher.ResponseData<unknown>;

export class HttpPool {
  private readonly pool: InstanceType<typeof UndiciPool>;

  constructor(origin: string, options: Pool.Options) {
    this.pool = new UndiciPool(origin, options);
  }

  request(options: HttpRequest): Promise<HttpAnswer> {
    // undici's own Pool has `request` mixed in by its entry point, which is not loaded (see undici-lib.d.ts).
    return request.call(this.pool as Pool, options);
  }

  /** Takes nothing new, and ends once what is under way has. */
  async close(): Promise<void> {
    await this.pool.close();
  }

  /** Cuts what is under way. */
  async destroy(): Promise<void> {
    await this.pool.destroy();
  }
}
