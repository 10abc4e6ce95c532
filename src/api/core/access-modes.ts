const shortNames: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

/** Access modes as `kubectl` prints them, always in the same order. */
export function formatAccessModes(modes: readonly string[] | undefined): string {
  const given = new Set(modes);
  return Object.entries(shortNames)
    .filter(([mode]) => given.has(mode))
    .map(([, short]) => short)
    .join(',');
}
