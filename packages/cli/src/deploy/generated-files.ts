// Every file below deploy/ and beside it that is made from the table of programs.
import { composeFile } from "./compose-file.ts";
import { systemdFiles } from "./systemd-units.ts";

/** Path below the repository's top → text. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["docker-compose.yml", composeFile()],
    ...[...systemdFiles()].map(([name, text]) => [`deploy/systemd/${name}`, text] as const),
  ]);
}
