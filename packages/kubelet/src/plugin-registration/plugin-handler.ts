// What the kubelet does with plugins of one type: the contract between the watcher and CSI, device plugins and so on.

/** What a plugin says of itself on its registration socket. */
export interface PluginInfo {
  /** CSIPlugin or DevicePlugin. */
  readonly type: string;
  readonly name: string;
  /** The socket to speak to. */
  readonly endpoint: string;
  readonly supportedVersions: readonly string[];
}

/** Calls may be repeated: a plugin that was restarted registers again under the same name. */
export interface PluginHandler {
  /** Throws where the plugin cannot be taken; the plugin is told why. */
  validate(plugin: PluginInfo): void;
  register(plugin: PluginInfo, signal: AbortSignal): Promise<void>;
  /** The plugin's socket is gone. */
  deregister(name: string, signal: AbortSignal): Promise<void>;
}

/** By type; loaded with the first plugin of that type. */
export type PluginHandlers = Readonly<Record<string, () => Promise<PluginHandler>>>;
