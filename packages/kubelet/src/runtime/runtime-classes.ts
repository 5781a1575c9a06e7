// Finds the runtime's handler for a pod's RuntimeClass.
import { isApiError } from "@skiff/api/errors.ts";
import { runtimeClasses } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";

/**
 * A RuntimeClass names a handler in the runtime's configuration, such as one that runs each pod in a machine of its
 * own.
 */
export class RuntimeClasses {
  private readonly client: Pick<RestClient, "of">;
  /** By class. A class's handler never changes. */
  private readonly handlers = new Map<string, string>();

  constructor(client: Pick<RestClient, "of">) {
    this.client = client;
  }

  /** Empty for the runtime's own choice; rejects where there is no such class. */
  async handlerOf(pod: Pod, signal: AbortSignal): Promise<string> {
    const name = pod.spec?.runtimeClassName;
    if (!name) return "";
    try {
      const { handler } = await this.client.of(runtimeClasses).get("", name, { signal });
      this.handlers.set(name, handler);
      return handler;
    } catch (error) {
      if (isApiError(error, "NotFound")) {
        this.handlers.delete(name);
        throw error;
      }
      const known = this.handlers.get(name);
      // Pods must start again while the API is away.
      if (known === undefined)
        throw new Error(`failed to lookup RuntimeClass ${name}: ${(error as Error).message}`, { cause: error });
      return known;
    }
  }
}
