import { parseImageReference } from '#machinery/image-reference.ts';
import { StatusError } from '#machinery/status-error.ts';

/** With registry and tag: `docker.io/library/busybox:latest`. Throws BadRequest. */
export const canonicalName = (text: string): string => parseImageReference(text).canonical;

/** As Docker shows it, without what goes without saying: `busybox:1.36`. What is no name stays as it is. */
export function familiarName(text: string): string {
  return text.replace(/^docker\.io\/(library\/)?/, '');
}

/** With `:latest` where no tag is named, as in Docker's messages. */
export function withTag(text: string): string {
  try {
    return familiarName(canonicalName(text));
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return text;
  }
}
