// Knows what a path is: its rules, its parts, and what lies below what. Knows no nodes.

const CHARACTERS = /^[A-Za-z0-9\-/_@]+$/;
const HOME = /^\/local\/domain\/\d{1,5}\//;

/** True for an absolute path xenstored accepts: `limit` characters at most, a domain's home not counted. */
export function isValidPath(path: string, limit: number): boolean {
  if (!path.startsWith("/") || !CHARACTERS.test(path)) return false;
  if (path.length > 1 && path.endsWith("/")) return false;
  if (path.includes("//")) return false;
  const home = HOME.exec(path)?.[0].length ?? 0;
  return path.length <= home + limit;
}

/** Where a domain's relative paths begin. */
export function homeOf(domain: number): string {
  return `/local/domain/${domain}`;
}

/** `path` itself when it is absolute or one of the @ names, else the path below the domain's home. */
export function absolutePath(path: string, domain: number): string {
  return isRelative(path) ? `${homeOf(domain)}/${path}` : path;
}

export function isRelative(path: string): boolean {
  return !path.startsWith("/") && !path.startsWith("@");
}

/** The parent of a valid path; the root is its own parent. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/** The last part of a valid path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function childOf(parent: string, name: string): string {
  return parent === "/" ? `/${name}` : `${parent}/${name}`;
}
