// What carries the proxy's decisions out; the proxier knows nothing of the kernel.
import type { ServicePort } from "../service-ports.ts";

export interface ProxyBackend {
  readonly name: string;
  /** Makes the kernel hold exactly what `ports` ask for. `full` distrusts what earlier syncs are known to have written. */
  sync(ports: readonly ServicePort[], full: boolean, signal: AbortSignal): Promise<void>;
  /** Whether somebody else removed our rules since the last sync. */
  wasFlushed(signal: AbortSignal): Promise<boolean>;
}
