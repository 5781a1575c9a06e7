// `skiff images load`: puts images on every node of a running cluster.
import type { Clock } from "@skiff/component-base/clock.ts";
import { readClusterRecord } from "../cluster-record.ts";
import { loadImage } from "../images/import-images.ts";
import { layoutOf, nodeLayoutOf } from "../layout.ts";
import { Progress } from "../progress.ts";
import { UserError } from "../user-error.ts";

/** The exit code. Rejects at the first image that cannot be had; those before it stay. */
export async function loadImages(
  request: { readonly state: string; readonly what: readonly string[] },
  deps: { clock: Clock },
): Promise<number> {
  const layout = layoutOf(request.state);
  const record = readClusterRecord(layout.record);
  if (!record) throw new UserError(`there is no cluster in ${request.state}`, "start one with up");
  const nodes = record.nodes.map((name) => nodeLayoutOf(layout, name));
  // As the cluster was made: an image unpacked for another snapshotter would be unpacked again at its first use.
  const options = { snapshotter: record.snapshotter, scratch: layout.images, isolated: record.isolated };
  const progress = new Progress(deps.clock);
  for (const what of request.what) {
    await progress.step(`load ${what} onto ${record.nodes.join(", ")}`, async () => {
      const source = await loadImage(nodes, what, options);
      return { file: "from the file", host: "from this machine", registry: "from its registry" }[source];
    });
  }
  progress.end();
  return 0;
}
