import { badRequest } from '#machinery/status-error.ts';
import { revision, type Key, type Revision } from '#store/store.ts';

/** Where a paged list goes on: at which revision (undefined: the newest, after an expiry) and from which key. */
export interface Continuation {
  readonly at: Revision | undefined;
  /** The key after the kind's prefix, inclusive. */
  readonly from: Key;
}

const version = 'meta.k8s.io/v1';

/** Opaque to clients. */
export function encodeContinue({ at, from }: Continuation): string {
  const text = JSON.stringify({ v: version, rv: at === undefined ? '-1' : String(at), start: from });
  return Buffer.from(text).toString('base64url');
}

/** Throws BadRequest for what `encodeContinue()` has not made. */
export function decodeContinue(token: string): Continuation {
  try {
    const parsed = JSON.parse(Buffer.from(token, 'base64url').toString()) as { v: string; rv: string; start: string };
    if (parsed.v !== version || typeof parsed.start !== 'string' || !/^(-1|[1-9]\d{0,18})$/.test(parsed.rv))
      throw new Error();
    if (parsed.start.includes('..') || parsed.start.startsWith('/')) throw new Error();
    return { at: parsed.rv === '-1' ? undefined : revision(parsed.rv), from: parsed.start };
  } catch {
    throw badRequest('continue key is not valid');
  }
}
