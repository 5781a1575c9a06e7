// Flags, and which controllers they choose.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "./config.ts";
import type { ControllerDefinition } from "./controllers/controller-definition.ts";
import { CONTROLLERS } from "./controllers/index.ts";
import { selectControllers } from "./controllers/select-controllers.ts";

const names = (wanted: string[]) => selectControllers(CONTROLLERS, wanted).map(({ name }) => name);

test("parseConfig takes upstream's defaults", () => {
  const config = parseConfig(["--kubeconfig=x"]);
  assert.deepEqual([config.serving.securePort, config.serving.port], [10257, 10252]);
  assert.deepEqual([config.nodeHealth.monitorPeriodMs, config.nodeHealth.gracePeriodMs], [5000, 50_000]);
  assert.deepEqual(
    [config.maxEndpointsPerSlice, config.terminatedPodGcThreshold, config.nodeRanges.maskSizeV4],
    [100, 12_500, 24],
  );
});

test("parseConfig names the flag that is wrong", () => {
  const refuses = (argv: string[], message: RegExp) => assert.throws(() => parseConfig(argv), message);
  refuses([], /--kubeconfig is required/);
  refuses(["--kubeconfig=x", "--allocate-node-cidrs"], /--cluster-cidr is required/);
  refuses(["--kubeconfig=x", "--cluster-cidr=10.0.0.0"], /--cluster-cidr: "10.0.0.0" is no CIDR/);
  refuses(["--kubeconfig=x", "--cluster-cidr=10.0.0.0/16,10.1.0.0/16"], /at most one range per IP version/);
  refuses(["--kubeconfig=x", "--max-endpoints-per-slice=1001"], /--max-endpoints-per-slice/);
  refuses(["--kubeconfig=x", "--concurrent-gc-syncs=0"], /--concurrent-gc-syncs must be at least 1/);
  refuses(["--kubeconfig=x", "--nonsense"], /unknown flag: --nonsense/);
});

test("selectControllers takes all, one, all but one, and old names", () => {
  assert.equal(names(["*"]).length, CONTROLLERS.length);
  assert.deepEqual(names(["deployment", "replicaset-controller"]), ["deployment-controller", "replicaset-controller"]);
  const without = names(["*", "-garbagecollector"]);
  assert.equal(without.length, CONTROLLERS.length - 1);
  assert.ok(!without.includes("garbage-collector-controller"));
  assert.throws(() => names(["*", "-nonsense"]), /"nonsense" is not in the list of known controllers/);
});

test("selectControllers stops at a duplicate name", () => {
  const [first] = CONTROLLERS as readonly [ControllerDefinition];
  assert.throws(
    () => selectControllers([...CONTROLLERS, { ...first, name: "new" }], ["*"]),
    /two controllers are named serviceaccount/,
  );
});
