// The node's resource managers as the configuration asks for them.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { KubeletConfig } from "../config.ts";
import { ResourceManagers } from "./resource-managers.ts";

export interface ResourceManagersParts {
  readonly config: KubeletConfig;
  readonly clock: Clock;
  readonly log: Logger;
  onCapacity(): void;
}

export function makeResourceManagers({ config, clock, log, onCapacity }: ResourceManagersParts): ResourceManagers {
  const options = {
    rootDir: config["root-dir"],
    topologyPolicy: config.settings.topologyManagerPolicy,
    topologyScope: "container" as const,
    numa: { nodes: [0] },
  };
  return new ResourceManagers(options, { clock, log, onCapacity });
}
