import { createHash } from 'node:crypto';
import { badRequest } from '#machinery/status-error.ts';

/** What Docker allows as a container's name. Source: moby daemon/names. */
const nameOnly = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const podNameOnly = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const podNameLengthMax = 63;

const manners =
  'brisk calm clear deep fine gentle grave high large light lively low mellow quick quiet soft warm'.split(' ');
const parts = 'alto aria bassoon bell cello chord flute gong harp horn lute oboe organ piano tuba viola violin'.split(
  ' ',
);

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Takes the slash off that clients may send. Throws BadRequest for what Docker does not allow. */
export function parseContainerName(text: string): string {
  const name = text.startsWith('/') ? text.slice(1) : text;
  if (!nameOnly.test(name)) {
    throw badRequest(
      `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed and at least two characters are needed`,
    );
  }
  if (name.length > 253)
    throw badRequest(`Invalid container name (${name.slice(0, 40)}…), at most 253 characters are allowed`);
  return name;
}

/** The name of the pod behind a container: the same where Kubernetes allows it, else like it and still unique. */
export function podNameOf(name: string): string {
  if (podNameOnly.test(name) && name.length <= podNameLengthMax) return name;
  const hash = sha256(name).slice(0, 8);
  const like = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, podNameLengthMax - hash.length - 1)
    .replace(/^-+|-+$/g, '');
  return like === '' ? `container-${hash}` : `${like}-${hash}`;
}

/** A name for who gave none: free of `taken`; with a number where all plain ones are. */
export function inventName(taken: (name: string) => boolean, random: () => number): string {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)] ?? 'plain';
  for (let attempt = 0; ; attempt++) {
    const name = `${pick(manners)}-${pick(parts)}${attempt < 5 ? '' : `-${Math.floor(random() * 1e6)}`}`;
    if (!taken(name)) return name;
  }
}
