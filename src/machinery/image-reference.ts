import { badRequest } from './status-error.ts';

/** A container image's name, taken apart. */
export interface ImageReference {
  /** `docker.io`, `registry.example:5000`. */
  readonly domain: string;
  /** `library/busybox`. */
  readonly path: string;
  readonly tag?: string;
  /** `sha256:…`. */
  readonly digest?: string;
  /** `docker.io/library/busybox`. */
  readonly repository: string;
  /** With domain, and with the tag `latest` where neither tag nor digest is named. */
  readonly canonical: string;
}

// The grammar is that of the distribution project's `reference` package, which Docker and containerd share.
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const domainPart = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domainPattern = `(?:${domainPart}(?:\\.${domainPart})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?`;
const domainOnly = new RegExp(`^${domainPattern}$`);
const pathOnly = new RegExp(`^${component}(?:/${component})*$`);
const tagOnly = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const digestOnly = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const nameLengthMax = 255;
const textLengthMax = 1024;

/** Takes an image name apart as Docker does. Throws BadRequest that says what is wrong with it. */
export function parseImageReference(text: string): ImageReference {
  const refuse = (why: string) => badRequest(`Invalid image name ${JSON.stringify(text.slice(0, 200))}: ${why}`);
  if (text === '') throw refuse('it is empty');
  if (text.length > textLengthMax) throw refuse(`it is longer than ${textLengthMax} characters`);
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !digestOnly.test(digest)) throw refuse('its digest must look like sha256:HEX');
  if (digest?.startsWith('sha256:') === true && digest.length !== 71) throw refuse('a sha256 digest has 64 hex digits');
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !tagOnly.test(tag)) throw refuse(`tag ${JSON.stringify(tag)} is not allowed`);
  const { domain, path } = splitDomain(hasTag ? named.slice(0, colon) : named);
  if (!domainOnly.test(domain)) throw refuse(`${JSON.stringify(domain)} is not a registry's name`);
  if (path !== path.toLowerCase()) throw refuse('repository name must be lowercase');
  if (!pathOnly.test(path)) throw refuse(`${JSON.stringify(path)} is not a repository's name`);
  const repository = `${domain}/${path}`;
  if (repository.length > nameLengthMax) throw refuse(`its repository is longer than ${nameLengthMax} characters`);
  const shownTag = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
    repository,
    canonical: `${repository}${shownTag === undefined ? '' : `:${shownTag}`}${digest === undefined ? '' : `@${digest}`}`,
  };
}

/** The first part is a registry only if it has a dot, a port or an upper-case letter, or is `localhost`. */
function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const domain = isDomain ? first : 'docker.io';
  const path = isDomain ? name.slice(slash + 1) : name;
  if (domain === 'index.docker.io') return { domain: 'docker.io', path: official(path) };
  return { domain, path: domain === 'docker.io' ? official(path) : path };
}

const official = (path: string) => (path.includes('/') ? path : `library/${path}`);
