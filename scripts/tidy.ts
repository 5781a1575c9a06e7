// Holds the tree to docs/ARCHITECTURE.md and the style: import directions, cycles, lengths, unused exports, stray globals.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseAst } from "rolldown/parseAst";

const ROOT = join(import.meta.dirname, "..");
const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;
const MAX_MEDIAN_LINES = 10;

/** What each package may import from; itself always. The test kit is for tests only. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  api: [],
  "component-base": ["api"],
  client: ["api", "component-base"],
  grpc: ["component-base"],
  apiserver: ["api", "component-base", "grpc"],
  scheduler: ["api", "component-base", "client"],
  "controller-manager": ["api", "component-base", "client"],
  kubelet: ["api", "component-base", "client", "grpc"],
  "kube-proxy": ["api", "component-base", "client"],
  "node-network": ["api", "component-base", "client"],
  cli: ["api", "component-base", "client"],
  testkit: ["api", "component-base", "client", "cli"],
};

/** Expressions that only some files may use, and which those are. */
const GUARDED: readonly { readonly name: string; readonly allowed: RegExp }[] = [
  { name: "console", allowed: /^$/ },
  { name: "setTimeout", allowed: /^packages\/component-base\// },
  { name: "setInterval", allowed: /^packages\/component-base\// },
  { name: "Date.now", allowed: /^packages\/component-base\// },
  { name: "process.env", allowed: /^packages\/component-base\/|\/config\.ts$/ },
  { name: "process.argv", allowed: /^packages\/component-base\/|\/config\.ts$/ },
];

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

interface SourceFile {
  /** Relative to the root. */
  readonly path: string;
  readonly text: string;
  readonly body: SyntaxNode;
  readonly imports: readonly ImportEdge[];
}

interface ImportEdge {
  readonly specifier: string;
  /** The imported file, relative to the root; undefined for packages from outside. */
  readonly target: string | undefined;
  readonly isType: boolean;
  /** `*` for all. */
  readonly names: readonly string[];
  readonly at: number;
}

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

const problems: string[] = [];
tidy();

function tidy(): void {
  const files = [...sourceFiles("packages"), ...sourceFiles("scripts")].map(parse);
  const functionLines = files.flatMap(checkFile);
  checkCycles(files);
  checkUnusedExports(files);
  const middle = median(functionLines);
  if (middle > MAX_MEDIAN_LINES)
    problems.push(`functions have a median of ${middle} lines, more than ${MAX_MEDIAN_LINES}`);
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  const share = commentShare(files);
  process.stdout.write(
    `tidy: ${files.length} files, ${functionLines.length} functions with a median of ${middle} lines, ` +
      `${Math.round(share * 100)} % comment lines, ${problems.length} problems\n`,
  );
  if (problems.length > 0) process.exitCode = 1;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return ["node_modules", "generated", "dist"].includes(entry.name) ? [] : sourceFiles(path);
    }
    return entry.name.endsWith(".ts") && !entry.name.endsWith(".d.ts") ? [path] : [];
  });
}

function parse(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), "utf8");
  const body = parseAst(text, { lang: "ts" }) as unknown as SyntaxNode;
  const imports: ImportEdge[] = [];
  walk(body, (node) => {
    const edge = importOf(node, path);
    if (edge) imports.push(edge);
  });
  return { path, text, body, imports };
}

function importOf(node: SyntaxNode, path: string): ImportEdge | undefined {
  const source = node.source as SyntaxNode | null | undefined;
  if (!source || typeof source.value !== "string") return undefined;
  const specifier = source.value;
  const base = { specifier, target: resolveImport(specifier, path), at: node.start };
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration": {
      const isType = (node.importKind ?? node.exportKind) === "type";
      return { ...base, isType, names: (node.specifiers as SyntaxNode[]).map(importedName) };
    }
    case "ExportAllDeclaration":
    case "ImportExpression":
      return { ...base, isType: false, names: ["*"] };
    default:
      return undefined;
  }
}

function importedName(specifier: SyntaxNode): string {
  const name = (specifier.imported ?? specifier.local) as SyntaxNode & { name: string };
  return specifier.type === "ImportNamespaceSpecifier" ? "*" : name.name;
}

function resolveImport(specifier: string, from: string): string | undefined {
  if (specifier.startsWith(".")) return relative(ROOT, resolve(ROOT, dirname(from), specifier));
  const match = /^@skiff\/([^/]+)\/(.+)$/.exec(specifier);
  if (!match) return undefined;
  if (match[2] === "types.ts") return "packages/api/generated/types.ts";
  return `packages/${match[1]}/src/${match[2]}`;
}

/** Everything that one file alone shows; returns the lengths of its functions. */
function checkFile(file: SourceFile): number[] {
  const lines = file.text.split("\n");
  if (lines.length - 1 > MAX_FILE_LINES) report(file, 0, `${lines.length - 1} lines, more than ${MAX_FILE_LINES}`);
  // A test file's name says what it tests.
  if (!isTest(file.path) && !/^(#!.*\n)?\/\/ \S/.test(file.text))
    report(file, 0, "no `//` sentence of purpose at the top");
  for (const edge of file.imports) checkLayer(file, edge);
  if (file.path.startsWith("packages/") && !file.path.endsWith(".test.ts")) checkGuarded(file);
  return functionLengths(file);
}

function checkLayer(file: SourceFile, edge: ImportEdge): void {
  const own = packageOf(file.path);
  const other = edge.target && packageOf(edge.target);
  if (!own || !other || own === other) return;
  if (edge.specifier.startsWith(".")) report(file, edge.at, `reaches into package ${other} by a relative path`);
  if (other === "testkit" && isTest(file.path)) return;
  if (!LAYERS[own]?.includes(other)) report(file, edge.at, `${own} must not import from ${other}`);
}

function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || path.includes("/testing/");
}

function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1];
}

function checkGuarded(file: SourceFile): void {
  walk(file.body, (node, parent) => {
    const name = guardedName(node, parent);
    const guard = GUARDED.find((entry) => entry.name === name);
    if (guard && !guard.allowed.test(file.path)) report(file, node.start, `${guard.name} has no place here`);
  });
}

function guardedName(node: SyntaxNode, parent: SyntaxNode | undefined): string | undefined {
  if (node.type === "MemberExpression") {
    const { object, property } = node as unknown as { object: { name?: string }; property: { name?: string } };
    return `${object.name}.${property.name}`;
  }
  if (node.type !== "Identifier" || isPropertyName(node, parent)) return undefined;
  return node.name as string;
}

function isPropertyName(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  if (!parent || parent.computed === true) return false;
  return parent.property === node || (parent.key === node && parent.shorthand !== true);
}

/** Long functions are reported; arrow functions of one expression say nothing about length and are not counted. */
function functionLengths(file: SourceFile): number[] {
  const lengths: number[] = [];
  walk(file.body, (node, parent) => {
    const inner = node.body as SyntaxNode | null | undefined;
    if (!FUNCTIONS.has(node.type) || inner?.type !== "BlockStatement" || isSuite(parent)) return;
    const length = lineOf(file.text, node.end) - lineOf(file.text, node.start) + 1;
    lengths.push(length);
    if (length > MAX_FUNCTION_LINES)
      report(file, node.start, `a function of ${length} lines, more than ${MAX_FUNCTION_LINES}`);
  });
  return lengths;
}

/** A call of `describe`, whose function is a list of tests. */
function isSuite(node: SyntaxNode | undefined): boolean {
  return node?.type === "CallExpression" && (node.callee as SyntaxNode).name === "describe";
}

/** Type-only imports are gone at run time and may go round in circles. */
function checkCycles(files: readonly SourceFile[]): void {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const state = new Map<string, "open" | "done">();
  const stack: string[] = [];
  const visit = (path: string): void => {
    state.set(path, "open");
    stack.push(path);
    for (const edge of byPath.get(path)?.imports ?? []) {
      if (edge.isType || !edge.target || !byPath.has(edge.target)) continue;
      const seen = state.get(edge.target);
      if (seen === "open")
        problems.push(`import cycle: ${[...stack.slice(stack.indexOf(edge.target)), edge.target].join(" → ")}`);
      else if (!seen) visit(edge.target);
    }
    stack.pop();
    state.set(path, "done");
  };
  for (const file of files) if (!state.has(file.path)) visit(file.path);
}

/** Values only: an exported function's parameter types need an export even where nobody names them. */
function checkUnusedExports(files: readonly SourceFile[]): void {
  const used = new Map<string, Set<string>>();
  for (const { target, names } of files.flatMap((file) => file.imports)) {
    if (!target) continue;
    const set = used.get(target) ?? new Set();
    for (const name of names) set.add(name);
    used.set(target, set);
  }
  for (const file of files) {
    const names = used.get(file.path) ?? new Set();
    if (names.has("*")) continue;
    for (const [name, at] of exportedValues(file)) {
      if (!names.has(name)) report(file, at, `export ${name} is used nowhere`);
    }
  }
}

function exportedValues(file: SourceFile): [string, number][] {
  return (file.body.body as SyntaxNode[]).flatMap((node): [string, number][] => {
    if (node.type !== "ExportNamedDeclaration") return [];
    const declaration = node.declaration as (SyntaxNode & { id?: { name: string } }) | null;
    switch (declaration?.type) {
      case "FunctionDeclaration":
      case "ClassDeclaration":
        return [[declaration.id?.name ?? "", node.start]];
      case "VariableDeclaration":
        return (declaration.declarations as { id: { name?: string } }[]).flatMap(({ id }) =>
          id.name ? [[id.name, node.start]] : [],
        );
      default:
        return [];
    }
  });
}

function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, parent: SyntaxNode | undefined) => void,
  parent?: SyntaxNode,
): void {
  visit(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child && typeof child === "object" && typeof (child as SyntaxNode).type === "string")
        walk(child as SyntaxNode, visit, node);
    }
  }
}

function report(file: SourceFile, at: number, message: string): void {
  problems.push(`${file.path}:${lineOf(file.text, at)}: ${message}`);
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function commentShare(files: readonly SourceFile[]): number {
  const lines = files.filter((file) => !file.path.endsWith(".test.ts")).flatMap((file) => file.text.split("\n"));
  return lines.filter((line) => /^\s*(\/\/|\/\*|\*)/.test(line)).length / lines.filter((line) => line.trim()).length;
}
