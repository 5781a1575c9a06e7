// The node's own logins to registries: what its credential-provider plug-ins say of an image.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { AuthConfig } from "../../cri/types.ts";
import { parseImageReference } from "../image-reference.ts";
import { type Login, matchingLogins } from "../pull-secrets.ts";
import { ExecProvider } from "./exec-provider.ts";
import { readProviderConfigs } from "./provider-config.ts";

/** Both flags that must come together: the file, or folder, and where the programs lie. */
export interface ProvidersOptions {
  readonly config: string;
  readonly binDir: string;
}

/**
 * Clouds hand out registry logins that last for hours, so they are asked for at each pull rather than kept in
 * Secrets.
 */
export class CredentialProviders {
  private readonly providers: readonly ExecProvider[];
  private readonly log: Logger;

  private constructor(providers: readonly ExecProvider[], log: Logger) {
    this.providers = providers;
    this.log = log;
  }

  /** Throws an Error where the configuration or a plug-in is not as it must be. */
  static async open(options: ProvidersOptions, deps: { clock: Clock; log: Logger }): Promise<CredentialProviders> {
    const configs = await readProviderConfigs(options.config, options.binDir);
    const providers = configs.map((config) => new ExecProvider({ ...options, ...config }, deps.clock));
    return new CredentialProviders(providers, deps.log.child({ part: "credential-providers" }));
  }

  /** In the order of trying. A plug-in that fails is passed over, as upstream: the pull's own error then tells the user. */
  async credentialsFor(image: string, signal: AbortSignal): Promise<AuthConfig[]> {
    const { registry, repository } = parseImageReference(image);
    const name = `${registry}/${repository}`;
    const found: Login[] = [];
    for (const provider of this.providers) {
      try {
        found.push(...(await provider.loginsFor(name, signal)));
      } catch (error) {
        signal.throwIfAborted();
        this.log.error({ err: error, provider: provider.name, image: name }, "credential provider failed");
      }
    }
    return matchingLogins(name, found);
  }
}
