// kube-controller-manager: the loops that make the cluster's state what its objects ask for.
import { runProgram } from "@skiff/component-base/program.ts";
import { parseConfig } from "./config.ts";
import { runManager } from "./manager.ts";

await runProgram({ name: "kube-controller-manager", configure: parseConfig, run: runManager });
