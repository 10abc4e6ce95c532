/** Annotation and label of a pod of an Indexed Job: which of the completions it works on. */
export const indexKey = 'batch.kubernetes.io/job-completion-index';

/** Reads `0-2,4` into the numbers it stands for, below `completions`. What cannot be read is passed over. */
export function parseIndexes(text: string | undefined, completions: number): Set<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part);
    if (match === null) continue;
    const first = Number(match[1]);
    const last = Math.min(Number(match[2] ?? first), completions - 1);
    for (let index = first; index <= last; index++) indexes.add(index);
  }
  return indexes;
}

/** The shortest text for a set of numbers: three and more in a row become a range. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const parts: string[] = [];
  const sorted = [...indexes].toSorted((a, b) => a - b);
  for (let i = 0; i < sorted.length;) {
    const first = sorted[i] ?? 0;
    let last = first;
    while (sorted[i + 1] === last + 1) {
      last++;
      i++;
    }
    i++;
    parts.push(first === last ? `${first}` : `${first}${last === first + 1 ? ',' : '-'}${last}`);
  }
  return parts.join(',');
}
