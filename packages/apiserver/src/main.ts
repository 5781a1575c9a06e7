// kube-apiserver: the program.
import { runProgram } from "@skiff/component-base/program.ts";
import { parseConfig } from "./config.ts";
import { runApiServer } from "./server.ts";

await runProgram({ name: "kube-apiserver", configure: parseConfig, run: runApiServer });
