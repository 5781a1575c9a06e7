// Turns proto/*.proto into the JSON descriptors that the kubelet imports, so that they travel inside a bundle.
import { readFile, writeFile } from "node:fs/promises";
import protobuf from "protobufjs";

const root = new URL("../../../", import.meta.url);

/** Where each contract comes from and where its descriptor goes, relative to the repository. */
export const CONTRACTS = [
  { proto: "proto/cri/runtime-v1.proto", json: "packages/kubelet/src/cri/runtime-v1.json" },
  { proto: "proto/containerd/events-v1.proto", json: "packages/kubelet/src/cri/containerd-events-v1.json" },
  { proto: "proto/grpc/health-v1.proto", json: "packages/kubelet/src/probes/health-v1.json" },
  {
    proto: "proto/kubelet/plugin-registration-v1.proto",
    json: "packages/kubelet/src/plugin-registration/plugin-registration-v1.json",
  },
  { proto: "proto/csi/csi-v1.proto", json: "packages/kubelet/src/volumes/csi/csi-v1.json" },
  {
    proto: "proto/kubelet/deviceplugin-v1beta1.proto",
    json: "packages/kubelet/src/resource-managers/devices/deviceplugin-v1beta1.json",
  },
  {
    proto: "proto/kubelet/podresources-v1.proto",
    json: "packages/kubelet/src/resource-managers/pod-resources/podresources-v1.json",
  },
  {
    proto: "proto/kubelet/podresources-v1alpha1.proto",
    json: "packages/kubelet/src/resource-managers/pod-resources/podresources-v1alpha1.json",
  },
] as const;

/** The descriptor of one .proto file, as protobufjs writes it. */
export async function describeProto(path: string): Promise<unknown> {
  const text = await readFile(new URL(path, root), "utf8");
  return protobuf.parse(text).root.toJSON();
}

export async function readDescriptor(path: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(path, root), "utf8"));
}

if (import.meta.main) {
  for (const { proto, json } of CONTRACTS) {
    await writeFile(new URL(json, root), `${JSON.stringify(await describeProto(proto))}\n`);
  }
}
