// A claim and a volume of a CSI driver, bound to each other by hand as an administrator would.
import type { PersistentVolumeClaim } from "@skiff/api/types.ts";
import type { KubectlRunner } from "../kubectl.ts";

/** Both are called `name`, and so is the volume in the driver. */
export async function bindVolume(kubectl: KubectlRunner, driver: string, name: string): Promise<void> {
  const shared = { accessModes: ["ReadWriteOnce"], storageClassName: "by-hand" };
  const size = { storage: "1Gi" };
  const claim = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name },
    spec: { ...shared, volumeName: name, resources: { requests: size } },
  };
  await kubectl.runWith(JSON.stringify(claim), "create", "-f", "-");
  const { metadata } = await kubectl.json<PersistentVolumeClaim>("get", "pvc", name);
  const { uid, namespace } = metadata;
  const volume = {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name },
    spec: {
      ...shared,
      capacity: size,
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", name, namespace, uid },
      csi: { driver, volumeHandle: name },
    },
  };
  await kubectl.runWith(JSON.stringify(volume), "create", "-f", "-");
  const status = { status: { phase: "Bound", capacity: size, accessModes: shared.accessModes } };
  await kubectl.run("patch", "pvc", name, "--subresource=status", "--type=merge", "-p", JSON.stringify(status));
}
