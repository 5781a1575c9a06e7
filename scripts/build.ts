// Bundles every program into dist/<program>.mjs, so that it starts fast; does nothing while the sources are unchanged.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { dirname, join, relative } from "node:path";
import type { Plugin } from "rolldown";
import { rolldown } from "rolldown";

const ROOT = join(import.meta.dirname, "..");
const DIST = join(ROOT, "dist");
const STAMP = join(DIST, ".stamp");

/** Program names and the folders under packages/ that they are made from. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "kube-apiserver": "apiserver",
  "kube-scheduler": "scheduler",
  "kube-controller-manager": "controller-manager",
  kubelet: "kubelet",
  "kube-proxy": "kube-proxy",
  "node-network": "node-network",
  skiff: "cli",
};

// Some CommonJS dependencies ask for built-in modules with require().
const BANNER = `import { createRequire as __createRequire } from "node:module";
const require = __createRequire(import.meta.url);`;

await build();

async function build(): Promise<void> {
  const wanted = Object.entries(PROGRAMS)
    .filter(([, folder]) => existsSync(join(ROOT, "packages", folder, "src", "main.ts")))
    .map(([program, folder]) => ({
      program,
      entry: join(ROOT, "packages", folder, "src", "main.ts"),
    }));
  const stamp = fingerprint();
  const isFresh = wanted.every(({ program }) => existsSync(join(DIST, `${program}.mjs`)));
  if (isFresh && existsSync(STAMP) && readFileSync(STAMP, "utf8") === stamp) return;
  mkdirSync(DIST, { recursive: true });
  const outcomes = await Promise.allSettled(wanted.map(({ program, entry }) => bundle(program, entry)));
  const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as Error] : []));
  for (const { message } of failures) process.stderr.write(`${message}\n`);
  if (failures.length === 0) writeFileSync(STAMP, stamp);
  else process.exitCode = 1;
}

async function bundle(program: string, entry: string): Promise<void> {
  const bundled = await rolldown({
    input: entry,
    platform: "node",
    plugins: [keepFilePaths(), lightHttp(), textOfJson(), nameCommit()],
    logLevel: "warn",
    onLog: (level, log, next) => {
      // Dependencies' own oddities, all harmless: eval in protobufjs, circular imports, and the like.
      if (level === "warn" && !log.message.includes("UNRESOLVED_IMPORT")) return;
      next(level, log);
    },
  });
  const { output } = await bundled.generate({
    format: "esm",
    sourcemap: false,
    codeSplitting: false,
    banner: BANNER,
    // Node keeps a program's source in memory, and a table of its lines once a stack was printed. Names stay, for stacks.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  writeFileSync(join(DIST, `${program}.mjs`), escapeNonAscii(output[0].code));
  await bundled.close();
}

// A source file finds data beside it by its own URL. The bundle lies in dist/, so the URL of the source is put in its
// place, relative to the bundle: the checkout may be moved or copied into an image as a whole.
function keepFilePaths(): Plugin {
  return {
    name: "keep-file-paths",
    transform(code, id) {
      if (!id.includes("/packages/") || id.includes("/node_modules/")) return null;
      if (!code.includes("import.meta.")) return null;
      const url = `new URL(${JSON.stringify(relative(DIST, id))}, import.meta.url).href`;
      const folder = `new URL(${JSON.stringify(relative(DIST, dirname(id)))}, import.meta.url).pathname`;
      return code
        .replaceAll("import.meta.dirname", `(${folder.replaceAll("import.meta", "import$meta")})`)
        .replaceAll("import.meta.url", `(${url.replaceAll("import.meta", "import$meta")})`)
        .replaceAll("import$meta", "import.meta");
    },
  };
}

// What `kubectl version` shows of the sources. Without git, or outside a checkout, the constants stay as they are.
function nameCommit(): Plugin {
  const git = (...words: string[]) =>
    spawnSync("git", ["-C", ROOT, ...words], { encoding: "utf8", env: { ...process.env, TZ: "UTC" } });
  const [commit, date] = (
    git("log", "-1", "--format=%H %cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ").stdout ?? ""
  ).split(/\s/);
  const state = git("status", "--porcelain", "--untracked-files=no").stdout ? "dirty" : "clean";
  return {
    name: "name-commit",
    transform(code, id) {
      if (!commit || !id.endsWith("/component-base/src/version.ts")) return null;
      return code
        .replace(/(GIT_COMMIT = )"[^"]*"/, `$1"${commit}"`)
        .replace(/(GIT_TREE_STATE = )"[^"]*"/, `$1"${state}"`)
        .replace(/(BUILD_DATE = )"[^"]*"/, `$1"${date}"`);
    },
  };
}

// `import … from "node:http"` reads every export of it, among them getters for WebSocket and its events, which load a second
// HTTP client into Node: 14 MB and 50 ms in each program. Asked for as an object, only what is used is read.
function lightHttp(): Plugin {
  const id = "\0light-http";
  const plain = Object.entries(Object.getOwnPropertyDescriptors(http)).filter(([, { get }]) => get === undefined);
  const code = `const http = process.getBuiltinModule("node:http");
export const { ${plain.map(([name]) => name).join(", ")} } = http;
export default http;`;
  return {
    name: "light-http",
    resolveId: (source, _importer, { kind }) => (source === "node:http" && kind !== "require-call" ? id : null),
    load: (wanted) => (wanted === id ? code : null),
  };
}

// As an object literal, data would be compiled code, spread over many lines, and made at the start whether it is used or not.
function textOfJson(): Plugin {
  return {
    name: "text-of-json",
    load(id) {
      if (!id.endsWith(".json") || id.includes("/node_modules/")) return null;
      const text = JSON.stringify(JSON.parse(readFileSync(id, "utf8")));
      return { code: `export default JSON.parse(${JSON.stringify(text)});`, moduleType: "js" };
    },
  };
}

// A source with any character beyond Latin-1 is kept by V8 in two bytes per character: some 4 MB in each program.
function escapeNonAscii(code: string): string {
  return code.replaceAll(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

// Sizes and times say that a file changed as surely as its bytes, and are read in a few milliseconds.
function fingerprint(): string {
  const hash = createHash("sha256").update(process.version);
  for (const file of ["pnpm-lock.yaml", "scripts/build.ts"]) addFile(hash, join(ROOT, file));
  for (const name of readdirSync(join(ROOT, "packages"))) {
    for (const folder of ["src", "generated"]) addFolder(hash, join(ROOT, "packages", name, folder));
  }
  addFolder(hash, join(ROOT, "proto"));
  return hash.digest("hex");
}

function addFolder(hash: ReturnType<typeof createHash>, folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) addFolder(hash, path);
    else if (!entry.name.endsWith(".test.ts")) addFile(hash, path);
  }
}

function addFile(hash: ReturnType<typeof createHash>, path: string): void {
  const { size, mtimeMs } = statSync(path);
  hash.update(`${path} ${size} ${mtimeMs}\n`);
}
