// The node's own logins to registries: what its credential-provider plug-ins say of an image.
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { parseImageReference } from "../image-reference.ts";
import { type Login, matchingLogins, type PullLogin } from "../pull-secrets.ts";
import { ExecProvider } from "./exec-provider.ts";
import type { AccountSource } from "./pod-account.ts";
import { readProviderConfigs } from "./provider-config.ts";

/** Both flags that must come together: the file, or folder, and where the programs lie. */
export interface ProvidersOptions {
  readonly config: string;
  readonly binDir: string;
}

export interface ProvidersDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly accounts: AccountSource;
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
  static async open(options: ProvidersOptions, deps: ProvidersDeps): Promise<CredentialProviders> {
    const { providers: configs, hash } = await readProviderConfigs(options.config, options.binDir);
    const { clock, accounts } = deps;
    const { runs, configInfo } = providerMetrics(deps.metrics);
    configInfo.set(1, { hash });
    const log = deps.log.child({ part: "credential-providers" });
    const providers = configs.map(
      (config) => new ExecProvider({ ...options, ...config }, { clock, accounts, log, runs }),
    );
    return new CredentialProviders(providers, log);
  }

  /** In the order of trying. A plug-in that fails is passed over, as upstream: the pull's own error then tells the user. */
  async credentialsFor(image: string, pod: Pod, signal: AbortSignal): Promise<PullLogin[]> {
    const { registry, repository } = parseImageReference(image);
    const name = `${registry}/${repository}`;
    const found: Login[] = [];
    for (const provider of this.providers) {
      try {
        found.push(...(await provider.loginsFor(name, pod, signal)));
      } catch (error) {
        signal.throwIfAborted();
        this.log.error({ err: error, provider: provider.name, image: name }, "credential provider failed");
      }
    }
    return matchingLogins(name, found);
  }
}

function providerMetrics(metrics: MetricsRegistry) {
  return {
    runs: {
      seconds: metrics.histogram(
        "kubelet_credential_provider_plugin_duration",
        "Seconds that a run of a credential-provider plug-in took.",
      ),
      errors: metrics.counter(
        "kubelet_credential_provider_plugin_errors_total",
        "Runs of a credential-provider plug-in that failed.",
      ),
    },
    configInfo: metrics.gauge(
      "kubelet_credential_provider_config_info",
      "1, with the hash of the credential-provider configuration in force as a label.",
    ),
  };
}
