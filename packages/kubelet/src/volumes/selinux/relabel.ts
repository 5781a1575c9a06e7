// Which volumes the runtime gives the container's SELinux label, file by file. Pure.
import type { Volume } from "@skiff/api/types.ts";

/**
 * What the kubelet made for the pod, and volumes of its own whose file system has labels (`hasLabels`), as upstream: never
 * the host's own files, nor those of a file server. A volume that was mounted with a label has none to give.
 */
export function isRelabelled(volume: Volume | undefined, path: string, hasLabels: boolean): boolean {
  if (!volume) return false;
  if (volume.configMap ?? volume.secret ?? volume.downwardAPI ?? volume.projected ?? volume.emptyDir) return true;
  if (volume.persistentVolumeClaim?.readOnly || volume.csi?.readOnly) return false;
  // A claim may turn out to be a folder of the host or of a server: those lie elsewhere.
  return OWN.some((plugin) => path.includes(`/volumes/${plugin}/`)) && hasLabels;
}

const OWN = ["kubernetes.io~csi", "kubernetes.io~local-volume"];
