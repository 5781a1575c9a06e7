// What a plugin's registrar serves: says who the plugin is and hears how its registration went.
import { serveGrpc } from "./grpc-server.ts";

export interface PluginInfo {
  readonly type: string;
  readonly name: string;
  /** Empty where the plugin answers on this very socket. */
  readonly endpoint: string;
  readonly supportedVersions: readonly string[];
}

export interface RegistrationOutcome {
  readonly pluginRegistered: boolean;
  readonly error: string;
}

export class RegistrarServer implements AsyncDisposable {
  private readonly outcomes: RegistrationOutcome[] = [];
  private heard = Promise.withResolvers<void>();
  private server: AsyncDisposable | undefined;

  static async start(socket: string, info: PluginInfo): Promise<RegistrarServer> {
    const registrar = new RegistrarServer();
    const proto = "kubelet/plugin-registration-v1.proto";
    registrar.server = await serveGrpc(socket, proto, "pluginregistration.Registration", {
      GetInfo: () => info,
      NotifyRegistrationStatus: (outcome: RegistrationOutcome) => {
        registrar.outcomes.push(outcome);
        registrar.heard.resolve();
        return {};
      },
    });
    return registrar;
  }

  /** The next thing that the kubelet said. */
  async outcome(): Promise<RegistrationOutcome> {
    for (;;) {
      const next = this.outcomes.shift();
      if (next) return next;
      this.heard = Promise.withResolvers();
      await this.heard.promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server?.[Symbol.asyncDispose]();
  }
}
