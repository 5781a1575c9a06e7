// How large an image is, in upstream's words for metrics.

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** From which size on. */
const CLASSES: readonly (readonly [bytes: number, name: string])[] = [
  [100 * GIB, "GT100GB"],
  [60 * GIB, "60GB-100GB"],
  [40 * GIB, "40GB-60GB"],
  [30 * GIB, "30GB-40GB"],
  [20 * GIB, "20GB-30GB"],
  [10 * GIB, "10GB-20GB"],
  [5 * GIB, "5GB-10GB"],
  [GIB, "1GB-5GB"],
  [500 * MIB, "500MB-1GB"],
  [100 * MIB, "100MB-500MB"],
  [10 * MIB, "10MB-100MB"],
  [1, "0-10MB"],
];

/** `N/A` where the runtime does not say how large it is. */
export function sizeClass(bytes: number): string {
  return CLASSES.find(([from]) => bytes >= from)?.[1] ?? "N/A";
}
