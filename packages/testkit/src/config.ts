// What a person may set for the tests by the environment.

/** SKIFF_TEST_PATIENCE stretches every wait of the tests, for machines on which everything takes several times as long. */
export const patience = readPatience(process.env.SKIFF_TEST_PATIENCE);

/** SKIFF_TEST_PROGRAMS is a folder of bundles, such as dist, which tests run in place of the sources: they start faster. */
export const programsFolder = process.env.SKIFF_TEST_PROGRAMS;

function readPatience(text = "1"): number {
  const factor = Number(text);
  if (!(factor >= 1)) throw new Error(`SKIFF_TEST_PATIENCE is a factor of 1 or more, not ${text}`);
  return factor;
}
