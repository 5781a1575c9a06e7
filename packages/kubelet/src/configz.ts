// What /configz answers.
import type { KubeletConfig } from "./config.ts";
import { encodeSettings } from "./configuration/read-configuration.ts";

/** The running configuration, file and flags together, as KubeletConfiguration. */
export function configzOf(config: KubeletConfig): object {
  return encodeSettings(config.settings);
}
