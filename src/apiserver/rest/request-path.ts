import { StatusError } from '#machinery/status-error.ts';

/** What a URL path means, read once; storage and authorization both work with this and never with the text. */
export type RequestPath =
  | { readonly is: 'resource'; readonly resource: ResourcePath }
  | { readonly is: 'discovery'; readonly discovery: DiscoveryPath }
  | { readonly is: 'other'; readonly path: string };

export interface ResourcePath {
  /** `v1` or `apps/v1`. */
  readonly groupVersion: string;
  readonly namespace: string | undefined;
  readonly plural: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  /** What follows the subresource, as it was sent, with its leading slash: for proxies. */
  readonly rest: string;
}

export type DiscoveryPath =
  | { readonly of: 'core' }
  | { readonly of: 'groups' }
  | { readonly of: 'group'; readonly group: string }
  | { readonly of: 'version'; readonly groupVersion: string };

const pathLengthMax = 8_192;

/** The words of upstream's router for whatever it does not know. */
export const unknownPath = () => new StatusError('NotFound', 'the server could not find the requested resource');

/**
 * Reads the path of a request, without its query. Throws NotFound for what cannot be a path of ours: empty, `.` and
 * `..` segments, encoded slashes, control characters, broken escapes.
 */
export function parsePath(path: string): RequestPath {
  if (!path.startsWith('/') || path.length > pathLengthMax) throw unknownPath();
  const raw = path.slice(1).split('/');
  // A single trailing slash is forgiven.
  if (raw.length > 1 && raw.at(-1) === '' && !isProxied(raw)) raw.pop();
  const [root] = raw;
  if (root !== 'api' && root !== 'apis') return { is: 'other', path: decodeOther(path) };
  const skip = root === 'api' ? 1 : 2;
  const proxied = proxyStart(raw, skip + 1);
  const parts = (proxied === undefined ? raw : raw.slice(0, proxied)).map(decodeSegment);
  if (parts.length === 1) return { is: 'discovery', discovery: { of: root === 'api' ? 'core' : 'groups' } };
  if (root === 'apis' && parts.length === 2) return { is: 'discovery', discovery: { of: 'group', group: parts[1]! } };
  const groupVersion = parts.slice(1, skip + 1).join('/');
  if (parts.length === skip + 1) return { is: 'discovery', discovery: { of: 'version', groupVersion } };
  const rest = proxied === undefined ? '' : `/${raw.slice(proxied).join('/')}`;
  return { is: 'resource', resource: resourceOf(groupVersion, parts.slice(skip + 1), rest) };
}

const namespaceSubresources = new Set(['status', 'finalize']);

function resourceOf(groupVersion: string, parts: readonly string[], rest: string): ResourcePath {
  const scoped =
    parts[0] === 'namespaces' && parts.length > 2 && !(groupVersion === 'v1' && namespaceSubresources.has(parts[2]!));
  const namespace = scoped ? parts[1] : undefined;
  const [plural, name, subresource, ...more] = scoped ? parts.slice(2) : parts;
  if (plural === undefined || more.length > 0) throw unknownPath();
  return { groupVersion, namespace, plural, name, subresource, rest };
}

/** Index of the first segment that belongs to what a `proxy` subresource passes on. */
function proxyStart(raw: readonly string[], first: number): number | undefined {
  // <plural>/<name>/proxy/…, with or without namespaces/<namespace> before it.
  for (const at of [first + 2, first + 4]) {
    if (raw[at] === 'proxy' && raw.length > at + 1 && (at === first + 2 || raw[first] === 'namespaces')) return at + 1;
  }
  return undefined;
}

function isProxied(raw: readonly string[]): boolean {
  return proxyStart(raw, raw[0] === 'api' ? 2 : 3) !== undefined;
}

function decodeSegment(segment: string): string {
  let text: string;
  try {
    text = segment.includes('%') ? decodeURIComponent(segment) : segment;
  } catch {
    throw unknownPath();
  }
  if (text === '' || text === '.' || text === '..' || /[/\\%]|\p{Cc}/u.test(text)) throw unknownPath();
  return text;
}

function decodeOther(path: string): string {
  if (path === '/') return path;
  const trimmed = path.endsWith('/') ? path.slice(1, -1) : path.slice(1);
  return `/${trimmed.split('/').map(decodeSegment).join('/')}`;
}
