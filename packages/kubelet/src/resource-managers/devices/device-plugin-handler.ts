// Device plugins that come in by plugins_registry rather than by device-plugins/kubelet.sock.
import type { PluginHandler } from "../../plugin-registration/plugin-handler.ts";
import type { DeviceManager } from "./device-manager.ts";

/** The plugin's name is its resource, such as `example.com/gpu`. */
export function devicePluginHandler(devices: Pick<DeviceManager, "check" | "connect" | "disconnect">): PluginHandler {
  return {
    validate: ({ name, supportedVersions }) => devices.check(name, supportedVersions),
    register: async ({ name, endpoint }) => devices.connect(name, endpoint),
    deregister: async (name) => devices.disconnect(name),
  };
}
