// Ranges of user ids: given once, found again, refused with reasons.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { RuntimeStatus } from "../cri/types.ts";
import { PodPaths } from "../pod-paths.ts";
import { samplePod } from "../testing/sample-pods.ts";
import { defaultPool, firstFree, poolOf, readRange, writeRange } from "./id-pool.ts";
import { HOST_USERS, inUserNamespace } from "./in-user-namespace.ts";
import { parseSubIds } from "./kubelet-ids.ts";
import { PodUserNamespaces } from "./pod-user-namespaces.ts";

const RANGE = 65_536;
let root = "";
before(async () => {
  root = await mkdtemp(join(tmpdir(), "skiff-userns-"));
});
after(() => rm(root, { recursive: true }));

test("the default pool spares the host's users and ends with the kernel's ids", () => {
  assert.deepEqual(defaultPool(RANGE), { first: RANGE, length: RANGE, count: RANGE - 1 });
  const wide = defaultPool(3 * RANGE);
  assert.ok(wide.first + wide.count * wide.length <= 2 ** 32);
});

test("firstFree goes round in the pool, and around ranges of another length", () => {
  const pool = { first: RANGE, length: RANGE, count: 4 };
  const at = (place: number, length = RANGE) => ({ hostId: (place + 1) * RANGE, containerId: 0, length });
  assert.deepEqual(firstFree(pool, [], 2), at(2));
  assert.deepEqual(firstFree(pool, [at(3)], 3), at(0));
  assert.deepEqual(firstFree(pool, [at(0, 3 * RANGE)], 0), at(3));
  assert.throws(() => firstFree(pool, [at(0, 4 * RANGE)], 1), /could not find an empty slot/);
});

test("poolOf takes what getsubids says, or tells what is wrong with it", () => {
  const pool = (first: number, count: number) => poolOf({ first, count }, RANGE, 2);
  assert.deepEqual(pool(2 * RANGE, 2 * RANGE), { first: 2 * RANGE, length: RANGE, count: 2 });
  assert.throws(() => pool(100_000, RANGE), /assigned ID 100000 is not a multiple of 65536/);
  assert.throws(() => pool(0, RANGE), /assigned ID 0 must be greater or equal to 65536/);
  assert.throws(() => pool(RANGE, RANGE + 1), /assigned IDs length 65537 is not a multiple of 65536/);
  assert.throws(() => pool(RANGE, RANGE), /assigned IDs are not enough to support 2 pods/);
  assert.deepEqual(parseSubIds("0: kubelet 65536 2147483648\n"), { first: RANGE, count: 2_147_483_648 });
  assert.throws(() => parseSubIds("0: kubelet 1 2\n1: kubelet 3 4\n"), /must contain only one line/);
  assert.throws(() => parseSubIds("kubelet 65536 x"), /invalid line/);
  assert.throws(() => parseSubIds("0: kubelet 65536 x"), /error parsing line/);
});

test("readRange takes no file that would hand out the host's users", () => {
  const range = { hostId: 3 * RANGE, containerId: 0, length: RANGE };
  assert.deepEqual(readRange(writeRange(range)), range);
  const broken = (more: object) => () => readRange(writeRange({ ...range, ...more }));
  assert.throws(broken({ hostId: 0 }), /host id 0 must not be given/);
  assert.throws(broken({ containerId: 1 }), /UID 0 must be mapped/);
  assert.throws(broken({ length: 1 }), /wrong user namespace length 1/);
  const other = { ...range, hostId: 4 * RANGE };
  const differing = JSON.stringify({ uidMappings: [range], gidMappings: [other] });
  assert.throws(() => readRange(differing), /GID and UID mapping should be identical/);
  assert.throws(() => readRange("{"), /invalid user namespace mappings file/);
  assert.throws(() => readRange("{}"), /no more than one mapping allowed/);
});

function namespaces(runtimeHandlers: RuntimeStatus["runtimeHandlers"], random = () => 0) {
  const status = async () => ({ status: null, features: null, runtimeHandlers });
  const pool = async () => defaultPool(RANGE);
  return new PodUserNamespaces({ cri: { status }, paths: new PodPaths(root, root), pool, random });
}

const ABLE = [{ name: "", features: { recursiveReadOnlyMounts: true, userNamespaces: true } }];

async function pod(uid: string) {
  await mkdir(join(root, "pods", uid), { recursive: true });
  return samplePod({ hostUsers: false }, { uid });
}

test("no two pods have the same range, asked for at once or by another kubelet, until a folder is gone", async () => {
  const pods = await Promise.all(["a", "b", "c"].map(pod));
  const first = namespaces(ABLE);
  const made = await Promise.all(pods.map((one) => first.create(one, "")));
  const hosts = made.map(({ uids }) => uids[0]?.hostId ?? 0);
  assert.deepEqual(hosts, [RANGE, 2 * RANGE, 3 * RANGE]);
  assert.deepEqual(made[0]?.gids, made[0]?.uids);
  const [, b] = pods;
  assert.ok(b);
  const later = namespaces(ABLE);
  assert.deepEqual(await later.create(b, ""), made[1]);
  assert.deepEqual(await later.get(b), made[1]);
  await rm(join(root, "pods", "a"), { recursive: true });
  assert.equal((await later.create(await pod("d"), "")).uids[0]?.hostId, RANGE);
  assert.deepEqual(JSON.parse(await readFile(join(root, "pods", "d", "userns"), "utf8")).gidMappings, made[0]?.gids);
  // Of a pod that is not on this node's disk nothing is made up.
  await assert.rejects(later.get(samplePod({}, { uid: "unknown" })), /user namespace of pod unknown is not known/);
});

test("a range that cannot be read keeps new pods from having it by chance", async () => {
  await pod("broken");
  await writeFile(join(root, "pods", "broken", "userns"), "{}");
  await assert.rejects(namespaces(ABLE).create(await pod("new"), ""), /user namespace of pod broken: invalid/);
  await rm(join(root, "pods", "broken"), { recursive: true });
});

test("a runtime or handler without user namespaces is refused in upstream's words", async () => {
  const one = await pod("refused");
  const refusal = "can't set `spec.hostUsers: false`,";
  const message = (handlers: RuntimeStatus["runtimeHandlers"], handler: string) =>
    namespaces(handlers)
      .create(one, handler)
      .then(
        () => "",
        (error: Error) => error.message,
      );
  const none = [{ name: "", features: null }];
  assert.equal(await message(none, ""), `${refusal} runtime does not support user namespaces`);
  const unknown = `${refusal} RuntimeClass handler "kata" does not support user namespaces: the handler "kata" is not known`;
  assert.equal(await message(ABLE, "kata"), unknown);
});

test("inUserNamespace maps the owners of every mount", () => {
  const mount = { containerPath: "/a", hostPath: "/b", readonly: false, propagation: "PROPAGATION_PRIVATE" } as const;
  const namespaceOptions = { network: "POD", pid: "CONTAINER", ipc: "POD" } as const;
  const config = { mounts: [mount], linux: { securityContext: { namespaceOptions } } };
  const range = { hostId: RANGE, containerId: 0, length: RANGE };
  const users = { mode: "POD", uids: [range], gids: [range] } as const;
  const mapped = inUserNamespace(config, users);
  assert.deepEqual(mapped.mounts, [{ ...mount, uidMappings: [range], gidMappings: [range] }]);
  assert.deepEqual(mapped.linux.securityContext.namespaceOptions, { ...namespaceOptions, usernsOptions: users });
  assert.deepEqual(inUserNamespace(config, HOST_USERS).mounts, [mount]);
});
