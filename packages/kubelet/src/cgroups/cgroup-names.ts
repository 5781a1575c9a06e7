// What cgroups are called by either driver: as folders of the kubelet's own making, or as slices of systemd. Pure.
import { basename, join } from "node:path/posix";

/** Who makes the cgroups: the kubelet itself, or systemd on its behalf. */
export type CgroupDriver = "cgroupfs" | "systemd";

/** Paths are from the root of the cgroup file systems. */
export interface CgroupNames {
  /** The child of a cgroup of ours; an empty word means the cgroup itself. */
  child(parent: string, word: string): string;
  /** What `child` made of the word, for a folder found in `parent`; undefined where it is not of that making. */
  word(parent: string, folder: string): string | undefined;
  /** The cgroup as the runtime takes it for a pod's parent. */
  forRuntime(path: string): string;
  /** Where the runtime puts a container, or a sandbox. */
  container(podPath: string, id: string): string;
  /** A cgroup of others, as an administrator writes it. */
  given(name: string): string;
}

export function cgroupNames(driver: CgroupDriver): CgroupNames {
  return driver === "systemd" ? SLICES : FOLDERS;
}

const FOLDERS: CgroupNames = {
  child: (parent, word) => join(parent, word),
  word: (_parent, folder) => folder,
  forRuntime: (path) => path,
  container: (podPath, id) => join(podPath, id),
  given: (name) => join("/", name),
};

const SUFFIX = ".slice";

/** A slice's name holds all above it, with dashes in between: what has dashes of its own gets other ones. */
const SLICES: CgroupNames = {
  child(parent, word) {
    if (word === "") return parent;
    return join(parent, `${stem(parent)}${word.replaceAll("-", "_")}${SUFFIX}`);
  },
  word(parent, folder) {
    const start = stem(parent);
    if (!folder.startsWith(start) || !folder.endsWith(SUFFIX)) return undefined;
    return folder.slice(start.length, -SUFFIX.length).replaceAll("_", "-");
  },
  // The name alone says where it lies.
  forRuntime: (path) => basename(path),
  // containerd's own prefix.
  container: (podPath, id) => join(podPath, `cri-containerd-${id}.scope`),
  given(name) {
    const words = basename(name, SUFFIX).split("-").filter(Boolean);
    return words.reduce((parent, word) => join(parent, `${stem(parent)}${word}${SUFFIX}`), "/");
  },
};

function stem(parent: string): string {
  return parent === "/" ? "" : `${basename(parent, SUFFIX)}-`;
}
