// What becomes of containers: probes, hooks, restarts, last words, gates, and images and commands that cannot be had.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pods as podRef } from "@skiff/api/resource-ref.ts";
import type { Pod, Probe } from "@skiff/api/types.ts";
import { DEMO, firstStatus, isDone, isReady, shell, TestPods, WAIT } from "../../test-pods.ts";
import { waitFor } from "../../wait-for.ts";

const pods = await TestPods.start();
const options = { signal: new AbortController().signal };

const conditionOf = (pod: Pod, type: string) => pod.status?.conditions?.find((condition) => condition.type === type);
const restartsOf = (pod: Pod) => firstStatus(pod)?.restartCount ?? 0;

describe("a container", { concurrency: 5 }, () => {
  test("is ready once its probe of any kind says so, and not before", async () => {
    const probes: Record<string, Probe> = {
      http: { httpGet: { path: "/", port: "web" } },
      tcp: { tcpSocket: { port: 80 } },
      exec: { exec: { command: ["test", "-e", "/tmp/ready"] } },
    };
    const ports = [{ name: "web", containerPort: 80 }];
    for (const [kind, probe] of Object.entries(probes)) {
      const readinessProbe = { ...probe, periodSeconds: 1 };
      const serve = shell("until [ -e /tmp/ready ]; do sleep 0.1; done; exec httpd -f -p 80 -h /www", {
        ports,
        readinessProbe,
      });
      await pods.create(`ready-${kind}`, { containers: [serve] });
    }
    const names = Object.keys(probes).map((kind) => `ready-${kind}`);
    await Promise.all(names.map((name) => pods.event(name, /^Unhealthy Readiness probe failed: /)));
    for (const name of names) {
      const pod = await pods.when(name, ({ status }) => status?.phase === "Running");
      assert.deepEqual([firstStatus(pod)?.ready, conditionOf(pod, "Ready")?.reason], [false, "ContainersNotReady"]);
      await pods.exec(name, "touch /tmp/ready");
    }
    for (const name of names) assert.equal(restartsOf(await pods.when(name, isReady)), 0);
  });

  test("is restarted when its liveness probe fails, which only counts once it has started up", async () => {
    const every = { periodSeconds: 1, failureThreshold: 1 };
    const container = {
      name: "c",
      image: DEMO,
      livenessProbe: { httpGet: { path: "/none", port: 80 }, ...every },
      // Not more often: of one pod, only 25 events are told before the rest has to wait.
      startupProbe: { exec: { command: ["test", "-e", "/tmp/started"] }, periodSeconds: 2, failureThreshold: 1000 },
    };
    await pods.create("unhealthy", { containers: [container] });
    await pods.event("unhealthy", /^Unhealthy Startup probe failed: /);
    const before = await pods.when("unhealthy", ({ status }) => status?.phase === "Running");
    assert.deepEqual([firstStatus(before)?.started, restartsOf(before)], [false, 0]);
    await pods.exec("unhealthy", "touch /tmp/started");
    await pods.event("unhealthy", /^Unhealthy Liveness probe failed: HTTP probe failed with statuscode: 404$/);
    await pods.event("unhealthy", /^Killing Container c failed liveness probe, will be restarted$/);
    await pods.when("unhealthy", (pod) => restartsOf(pod) === 1);
  });

  test("has its hooks run after its start and before its end", async () => {
    const folder = join(pods.cluster.state, "hooks");
    const hostPath = { path: folder, type: "DirectoryOrCreate" };
    const write = (word: string) => ({ exec: { command: ["sh", "-c", `echo ${word} >> /log/words`] } });
    await pods.create("hooked", {
      terminationGracePeriodSeconds: 20,
      containers: [
        shell(`trap 'echo end >> /log/words; exit 0' TERM; while :; do sleep 1000 & wait; done`, {
          lifecycle: { postStart: write("started"), preStop: write("stopping") },
          volumeMounts: [{ name: "log", mountPath: "/log" }],
        }),
      ],
      volumes: [{ name: "log", hostPath }],
    });
    await pods.when("hooked", isReady);
    await pods.kubectl.run("delete", "pod", "hooked");
    assert.equal(readFileSync(join(folder, "words"), "utf8"), "started\nstopping\nend\n");
  });

  test("ends when its postStart hook fails, and the event says how", async () => {
    const postStart = { exec: { command: ["sh", "-c", "echo no luck; exit 7"] } };
    await pods.create("bad-hook", { containers: [shell(WAIT, { lifecycle: { postStart } })] });
    await pods.event("bad-hook", /^FailedPostStartHook PostStartHook failed$/);
    await pods.event("bad-hook", /^Killing FailedPostStartHook$/);
    await pods.when("bad-hook", (pod) => firstStatus(pod)?.lastState?.terminated !== undefined);
  });

  test("leaves its last words in a file of its choice, or in its log if it failed without any", async () => {
    const end = async (name: string, script: string, more: object) => {
      await pods.create(name, { restartPolicy: "Never", containers: [shell(script, more)] });
      return firstStatus(await pods.when(name, isDone))?.state?.terminated?.message;
    };
    const fallback = { terminationMessagePolicy: "FallbackToLogsOnError" };
    const [own, none, failed, good] = await Promise.all([
      end("own-words", "echo words > /tmp/last; exit 1", { terminationMessagePath: "/tmp/last" }),
      end("no-words", "echo logged; exit 1", {}),
      end("failed-words", "echo logged; exit 1", fallback),
      end("good-words", "echo logged", fallback),
    ]);
    assert.deepEqual(
      { own, none, failed, good },
      { own: "words\n", none: undefined, failed: "logged\n", good: undefined },
    );
  });

  test("has its last words cut where they are too many, and says so when its memory was not enough", async () => {
    const spell = (letter: string, to: string) => `head -c 5000 /dev/zero | tr '\\0' ${letter}${to}; exit 1`;
    const names = ["a", "b", "c", "d"];
    const containers = names.map((name) => shell(spell(name, " > /dev/termination-log"), { name }));
    const fallback = { terminationMessagePolicy: "FallbackToLogsOnError" };
    const count = "i=1; while [ $i -le 100 ]; do echo $i; i=$((i+1)); done; exit 1";
    const limited = { limits: { memory: "16Mi" } };
    await pods.create("wordy", { restartPolicy: "Never", containers });
    await pods.create("one-line", { restartPolicy: "Never", containers: [shell(spell("x", ""), fallback)] });
    await pods.create("many-lines", { restartPolicy: "Never", containers: [shell(count, fallback)] });
    await pods.create("hungry", {
      containers: [shell("exec dd if=/dev/zero of=/dev/null bs=64M", { resources: limited })],
    });
    const wordy = await pods.when("wordy", isDone);
    const words = wordy.status?.containerStatuses?.map(({ state }) => state?.terminated?.message);
    assert.deepEqual(
      words,
      names.map((name) => name.repeat(3072)),
      "a pod has 12 KiB for all its containers",
    );
    const lastWords = async (name: string) => firstStatus(await pods.when(name, isDone))?.state?.terminated?.message;
    assert.equal(await lastWords("one-line"), "x".repeat(2048));
    assert.equal(await lastWords("many-lines"), `${Array.from({ length: 80 }, (_, line) => line + 21).join("\n")}\n`);
    // The runtime may learn of the lack after the end, and is asked once: then the next end will tell.
    const lacked = (pod: Pod) => {
      const { state, lastState } = firstStatus(pod) ?? {};
      return [state?.terminated, lastState?.terminated].find((ended) => ended?.reason === "OOMKilled");
    };
    assert.equal(lacked(await pods.when("hungry", (pod) => lacked(pod) !== undefined))?.exitCode, 137);
  });

  test("begins its preStop hook with those of its sidecars, and ends before them", async () => {
    const folder = join(pods.cluster.state, "sidecar-hooks");
    const shared = { volumeMounts: [{ name: "log", mountPath: "/log" }] };
    const write = (word: string) => `echo ${word} >> /log/words`;
    const atEnd = (script: string) => `trap '${script}; exit 0' TERM; while :; do sleep 1000 & wait; done`;
    const exec = (script: string) => ({ exec: { command: ["sh", "-c", script] } });
    // It does not end before the sidecar's hook has run, and so in vain where that waits for its end.
    const sawHook = `until grep -q side-hook /log/words; do sleep 0.1; done; ${write("end")}`;
    const sidecar = shell(atEnd(write("side-end")), { name: "side", lifecycle: { preStop: exec(write("side-hook")) } });
    await pods.create("served", {
      terminationGracePeriodSeconds: 15,
      volumes: [{ name: "log", hostPath: { path: folder, type: "DirectoryOrCreate" } }],
      initContainers: [{ ...sidecar, ...shared, restartPolicy: "Always" }],
      containers: [shell(atEnd(sawHook), shared)],
    });
    await pods.when("served", isReady);
    await pods.kubectl.run("delete", "pod", "served");
    assert.equal(readFileSync(join(folder, "words"), "utf8"), "side-hook\nend\nside-end\n");
  });

  test("ends all the same when its preStop hook fails, or takes more than the pod's grace", async () => {
    const hooked = (command: string, terminationGracePeriodSeconds: number) => ({
      terminationGracePeriodSeconds,
      containers: [shell(WAIT, { lifecycle: { preStop: { exec: { command: ["sh", "-c", command] } } } })],
    });
    await pods.create("fails-to-stop", hooked("exit 3", 30));
    await pods.create("stops-for-ever", hooked("sleep 1000", 2));
    for (const name of ["fails-to-stop", "stops-for-ever"]) await pods.when(name, isReady);
    await pods.kubectl.run("delete", "pod", "fails-to-stop", "stops-for-ever", "--timeout=25s");
    await pods.event("fails-to-stop", /^FailedPreStopHook PreStopHook failed$/);
  });

  test("is started again after a failure only, where its pod says so", async () => {
    const container = shell("[ -e /v/x ] && exit 0; touch /v/x; exit 5", {
      volumeMounts: [{ name: "v", mountPath: "/v" }],
    });
    const volumes = [{ name: "v", emptyDir: {} }];
    await pods.create("on-failure", { restartPolicy: "OnFailure", containers: [container], volumes });
    const pod = await pods.when("on-failure", isDone);
    assert.deepEqual([pod.status?.phase, restartsOf(pod)], ["Succeeded", 1]);
    const { lastState, state } = firstStatus(pod) ?? {};
    assert.deepEqual([lastState?.terminated?.exitCode, state?.terminated?.reason], [5, "Completed"]);
  });

  test("is started again by rules of its own, whatever its pod says", async () => {
    const restartPolicyRules = [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }];
    const container = shell("[ -e /v/x ] && exit 7; touch /v/x; exit 42", {
      ...{ restartPolicy: "Never", restartPolicyRules },
      volumeMounts: [{ name: "v", mountPath: "/v" }],
    });
    await pods.create("ruled", {
      restartPolicy: "Never",
      containers: [container],
      volumes: [{ name: "v", emptyDir: {} }],
    });
    const pod = await pods.when("ruled", isDone);
    const { state, lastState } = firstStatus(pod) ?? {};
    assert.deepEqual([pod.status?.phase, restartsOf(pod)], ["Failed", 1]);
    assert.deepEqual([lastState?.terminated?.exitCode, state?.terminated?.exitCode], [42, 7]);
  });

  test("is asked whether it is ready until its end", async () => {
    const exec = (script: string) => ({ exec: { command: ["sh", "-c", script] } });
    const readinessProbe = { ...exec("test ! -e /tmp/leaving"), periodSeconds: 1, failureThreshold: 1 };
    const lifecycle = { preStop: exec("touch /tmp/leaving; until [ -e /tmp/gone ]; do sleep 0.1; done") };
    await pods.create("leaving", {
      terminationGracePeriodSeconds: 60,
      containers: [shell(WAIT, { readinessProbe, lifecycle })],
    });
    await pods.when("leaving", isReady);
    await pods.kubectl.run("delete", "pod", "leaving", "--wait=false");
    const pod = await pods.when("leaving", (found) => conditionOf(found, "Ready")?.status === "False");
    assert.ok(pod.metadata.deletionTimestamp && firstStatus(pod)?.state?.running, "it still runs");
    await pods.exec("leaving", "touch /tmp/gone");
  });

  test("does not make its pod ready while somebody else has not opened its gate", async () => {
    await pods.create("gated", { readinessGates: [{ conditionType: "example.com/gate" }], containers: [shell(WAIT)] });
    const shut = await pods.when(
      "gated",
      (pod) => isReady(pod) && conditionOf(pod, "ContainersReady")?.status === "True",
    );
    const ready = conditionOf(shut, "Ready");
    assert.deepEqual(
      [ready?.status, ready?.reason, ready?.message],
      [
        "False",
        "ReadinessGatesNotReady",
        'corresponding condition of pod readiness gate "example.com/gate" does not exist.',
      ],
    );
    const status = { conditions: [{ type: "example.com/gate", status: "True" }] };
    await pods.client
      .of(podRef)
      .patch("default", "gated", "strategic", { status }, { ...options, subresource: "status" });
    const open = await pods.when("gated", (pod) => conditionOf(pod, "Ready")?.status === "True");
    const types = open.status?.conditions?.map(({ type }) => type).toSorted();
    const usual = ["ContainersReady", "Initialized", "PodReadyToStartContainers", "PodScheduled", "Ready"];
    assert.deepEqual(types, [...usual, "example.com/gate"]);
  });

  test("waits for the init containers, one after the other, each to its good end", async () => {
    const volumeMounts = [{ name: "v", mountPath: "/v" }];
    const step = (name: string, script: string) => shell(script, { name, volumeMounts });
    await pods.create("steps", {
      restartPolicy: "OnFailure",
      initContainers: [
        step("first", "[ -e /v/tried ] || { touch /v/tried; exit 1; }; touch /v/first"),
        step("second", "test -e /v/first && touch /v/second"),
      ],
      containers: [step("c", "ls /v")],
      volumes: [{ name: "v", emptyDir: {} }],
    });
    const { status } = await pods.when("steps", isDone);
    assert.equal(status?.phase, "Succeeded");
    assert.deepEqual(
      status?.initContainerStatuses?.map(({ restartCount }) => restartCount),
      [1, 0],
    );
    assert.equal(await pods.log("steps"), "first\nsecond\ntried\n");
  });
});

describe("a container that cannot run", { concurrency: 4 }, () => {
  test("for want of an image says which rule forbids it", async () => {
    const asking = (name: string, image: string, imagePullPolicy: string) =>
      pods.create(name, { containers: [{ name: "c", image, imagePullPolicy }] });
    await asking("never", "skiff.local/absent:1", "Never");
    await asking("invalid", "BAD::image", "IfNotPresent");
    await asking("present", DEMO, "Never");
    const never = await pods.whenWaiting("never", "ErrImageNeverPull");
    const words = 'Container image "skiff.local/absent:1" is not present with pull policy of Never';
    assert.equal(never.state?.waiting?.message, words);
    await pods.event("never", /^Failed Error: ErrImageNeverPull$/);
    const invalid = await pods.whenWaiting("invalid", "InvalidImageName");
    assert.match(
      invalid.state?.waiting?.message ?? "",
      /couldn't parse image name "BAD::image": invalid reference format/,
    );
    await pods.event("present", /^Pulled Container image "skiff\.local\/demo:1" already present on machine/);
    await pods.when("present", isReady);
  });

  test("for want of a program or a folder ends in the runtime's words", async () => {
    const container = (more: object) => ({ containers: [{ name: "c", image: DEMO, ...more }], restartPolicy: "Never" });
    await pods.create("no-program", container({ command: ["no-such-program"] }));
    await pods.create("no-user", container({ securityContext: { runAsUser: 1234 }, command: ["cat", "/root/none"] }));
    const { status } = await pods.when("no-program", isDone);
    const { reason, exitCode, message } = status?.containerStatuses?.[0]?.state?.terminated ?? {};
    assert.deepEqual([status?.phase, reason, exitCode], ["Failed", "StartError", 128]);
    assert.match(message ?? "", /exec: "no-such-program": executable file not found in \$PATH/);
    const failed = await pods.when("no-user", isDone);
    assert.equal(firstStatus(failed)?.state?.terminated?.reason, "Error");
  });

  test("in the back-off shows it, and starts at once when its pod is made anew", async () => {
    const crash = { containers: [shell("exit 1")] };
    await pods.create("backs-off", crash);
    await pods.whenWaiting("backs-off", "CrashLoopBackOff");
    await pods.event("backs-off", /^BackOff Back-off restarting failed container c in pod backs-off_default\(.*\)$/);
    await pods.kubectl.run("delete", "pod", "backs-off", "--now");
    await pods.create("backs-off", { containers: [shell(WAIT)] });
    await pods.when("backs-off", isReady);
  });

  test("is told apart by the quality of service of its pod", async () => {
    const both = { cpu: "10m", memory: "16Mi" };
    const classes = {
      Guaranteed: { limits: both, requests: both },
      Burstable: { requests: { cpu: "10m" } },
      BestEffort: {},
    };
    for (const [name, resources] of Object.entries(classes)) {
      await pods.create(name.toLowerCase(), {
        containers: [shell(`cat /proc/self/oom_score_adj; ${WAIT}`, { resources })],
      });
    }
    const score = async (name: string) => {
      const pod = await pods.when(name.toLowerCase(), isReady);
      assert.equal(pod.status?.qosClass, name);
      return waitFor("its words", async () => /^(-?\d+)\n$/.exec(await pods.log(name.toLowerCase()))?.[1]);
    };
    // Whom the kernel kills first when the machine runs out of memory. Not all machines let a score be lowered.
    assert.deepEqual([await score("BestEffort"), await score("Burstable")], ["1000", "999"]);
    assert.ok(Number(await score("Guaranteed")) < 999);
  });
});
