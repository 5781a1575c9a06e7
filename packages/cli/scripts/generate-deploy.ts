// Writes docker-compose.yml and the systemd units anew from the table of programs: node packages/cli/scripts/generate-deploy.ts
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { generatedFiles } from "../src/deploy/generated-files.ts";

const ROOT = join(import.meta.dirname, "../../..");

for (const [path, text] of generatedFiles()) writeFileSync(join(ROOT, path), text);
