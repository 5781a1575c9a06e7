// Types of the parts of undici that are imported by path: its entry point also loads fetch, mocks, caches and WebSockets,
// which cost every program 13 MB and 27 ms.
declare module "undici/lib/dispatcher/pool.js" {
  import type { Pool } from "undici";

  const PoolWithoutApi: new (url: string, options: Pool.Options) => Omit<Pool, "request">;
  export default PoolWithoutApi;
}

declare module "undici/lib/api/api-request.js" {
  import type { Pool } from "undici";

  const request: Pool["request"];
  export default request;
}
