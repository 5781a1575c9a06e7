// The file that is a program under test.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { programsFolder } from "./config.ts";

/** `folder` is the program's under packages/. Its bundle where the tests were told of a folder of them, else its source. */
export function programFile(program: string, folder: string): string {
  if (programsFolder) return join(programsFolder, `${program}.mjs`);
  return fileURLToPath(new URL(`../../${folder}/src/main.ts`, import.meta.url));
}
