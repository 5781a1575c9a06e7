// The kubelet program.
import { runProgram } from "@skiff/component-base/program.ts";
import { parseConfig } from "./config.ts";
import { runKubelet } from "./run-kubelet.ts";

await runProgram({ name: "kubelet", configure: parseConfig, run: runKubelet });
