/**
 * Compares two resourceVersions by age: negative if `a` is older. They are the store's revisions in decimal, so
 * without leading zeros a longer one is newer; absent is older than any.
 */
export function compareVersions(a: string | undefined, b: string | undefined): number {
  const [left, right] = [a ?? '', b ?? ''];
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}
