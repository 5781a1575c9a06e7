// What carries the proxy's decisions out; the proxier knows nothing of the kernel.
import type { ServicePort } from "../service-ports.ts";

export interface ProxyBackend {
  /** As `--proxy-mode` and /proxyMode have it. */
  readonly name: string;
  /** Makes the kernel hold exactly what `ports` ask for, all at once or not at all; throws when it does not. `full` distrusts what earlier syncs are known to have written. */
  sync(ports: readonly ServicePort[], full: boolean, signal: AbortSignal): Promise<void>;
  /** Whether somebody else removed our rules since the last sync. */
  wasFlushed(signal: AbortSignal): Promise<boolean>;
}
