// NodeName: a pod that names its node goes nowhere else.

import type { FilterPlugin } from "../framework/plugin.ts";
import { FITS, refuseForGood } from "../framework/plugin.ts";

export const nodeName = {
  name: "NodeName",
  hints: [{ event: "Node/Add", isWorthATry: ({ pod }, { node }) => pod.spec.nodeName === node?.metadata.name }],
  filter({ pod }, { name }) {
    if (!pod.spec.nodeName || pod.spec.nodeName === name) return FITS;
    return refuseForGood("node(s) didn't match the requested node name");
  },
} satisfies FilterPlugin;
