// Where a container's log and its rotated parts lie, and the link to it by which log shippers find it.
import { lstat, readdir, readlink, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Linux takes 255 bytes; upstream leaves room for a suffix. */
const MAX_LINK_NAME = 251;

/** What a log's path is made from; `logPath` is the file that the runtime writes. */
export interface LoggedContainer {
  readonly id: string;
  readonly name: string;
  readonly logPath: string;
}

/** `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`. */
export function logLinkPath(dir: string, pod: { name: string; namespace: string }, container: LoggedContainer): string {
  const suffix = `_${container.name}-${container.id}`;
  const name = `${`${pod.name}_${pod.namespace}`.slice(0, MAX_LINK_NAME - suffix.length)}${suffix}`;
  return join(dir, `${name}.log`);
}

/** Makes the link; one that is there already is fine. */
export async function linkLog(link: string, logPath: string): Promise<void> {
  await symlink(logPath, link).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

/** The rotated parts of a log, oldest first: their names carry the time. */
export async function rotatedLogs(logPath: string): Promise<string[]> {
  const dir = dirname(logPath);
  const prefix = `${basename(logPath)}.`;
  const names = await readdir(dir).catch(() => []);
  return names
    .filter((name) => name.startsWith(prefix))
    .sort()
    .map((name) => join(dir, name));
}

/** Removes a log with all its rotated parts. */
export async function removeLogs(logPath: string): Promise<void> {
  if (!logPath) return;
  for (const path of [...(await rotatedLogs(logPath)), logPath]) await rm(path, { force: true });
}

/** Removes links whose logs are gone. Links into folders other than `podLogDir` are somebody else's. */
export async function removeDeadLinks(linkDir: string, podLogDir: string): Promise<void> {
  for (const name of await readdir(linkDir).catch(() => [])) {
    const link = join(linkDir, name);
    const target = await readlink(link).catch(() => "");
    if (!target.startsWith(`${podLogDir}/`)) continue;
    const isDead = await lstat(target).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === "ENOENT",
    );
    if (isDead) await rm(link, { force: true });
  }
}
