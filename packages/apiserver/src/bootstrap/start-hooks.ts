// What the server does once it serves, by upstream's names: each is a health check until it is done.
import type { HealthCheck } from "@skiff/component-base/health-checks.ts";

export type StartHook =
  | "start-service-ip-repair-controllers"
  | "rbac/bootstrap-roles"
  | "scheduling/bootstrap-system-priority-classes"
  | "priority-and-fairness-config-consumer"
  | "priority-and-fairness-config-producer"
  | "bootstrap-controller"
  | "start-system-namespaces-controller"
  | "start-cluster-authentication-info-controller"
  | "start-kubernetes-service-cidr-controller";

export class StartHooks {
  private readonly pending: Set<StartHook>;
  readonly checks: readonly HealthCheck[];

  /** In the order in which they are told. */
  constructor(names: readonly StartHook[]) {
    this.pending = new Set(names);
    this.checks = names.map((name) => ({
      name: `poststarthook/${name}`,
      check: () => {
        if (this.pending.has(name)) throw new Error("not finished");
      },
    }));
  }

  /** A hook that is done stays so, whatever happens to what it made. */
  done(name: StartHook): void {
    this.pending.delete(name);
  }
}
