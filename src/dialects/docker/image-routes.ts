import type { ServerResponse } from 'node:http';
import { badRequest, StatusError } from '#machinery/status-error.ts';
import { imageOf } from './container-view.ts';
import type { DockerContext } from './context.ts';
import { dockerReply, noSuchImage, notOffered } from './errors.ts';
import { imageEvent } from './events.ts';
import { parseFilters } from './filters.ts';
import { canonicalName, withTag } from './image-names.ts';
import { imageInspection, imageRow } from './images.ts';
import { pullImage } from './pull.ts';
import { flag, type Answer, type Call, type Route } from './router.ts';

/** Images as nodes report them, and pulling. */
export function imageRoutes(context: DockerContext): readonly Route[] {
  return [
    { method: 'GET', path: '/images/json', answer: (call) => list(context, call) },
    {
      method: 'GET',
      path: '/images/{name*}/json',
      answer: ({ params }) => {
        const name = params['name'] ?? '';
        const image = context.images.find(name);
        if (image === undefined) throw noSuchImage(withTag(name));
        return { code: 200, body: imageInspection(image) };
      },
    },
    { method: 'POST', path: '/images/create', write: (call, res) => pull(context, call, res) },
  ];
}

function list({ images, containers }: DockerContext, { query }: Call): Answer {
  const filters = parseFilters(query.get('filters'), ['reference', 'dangling']);
  const references = (filters.get('reference') ?? []).map(referenceMatcher);
  const shown = images.all().filter(({ tags, digests }) => {
    if (filters.get('dangling')?.some((value) => value === 'true' || value === '1') === true) return tags.length === 0;
    return references.length === 0 || [...tags, ...digests].some((name) => references.some((matches) => matches(name)));
  });
  const users = new Map<string, number>();
  for (const record of containers.all()) {
    const name = withTag(imageOf(record));
    users.set(name, (users.get(name) ?? 0) + 1);
  }
  const counted = flag(query, 'shared-size');
  return {
    code: 200,
    body: shown.map((image) =>
      imageRow(image, counted ? image.tags.reduce((sum, tag) => sum + (users.get(tag) ?? 0), 0) : -1),
    ),
  };
}

/** `busybox`, `busybox:1.*`, `docker.io/library/busybox`: stars stand for anything but a slash. */
function referenceMatcher(text: string): (name: string) => boolean {
  const escaped = text
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  const regex = new RegExp(`^${escaped}$`);
  return (name) => regex.test(name) || regex.test(name.replace(/[:@][^/]*$/, '')) || regex.test(nameWithDomain(name));
}

function nameWithDomain(name: string): string {
  try {
    return canonicalName(name);
  } catch {
    return name;
  }
}

/** Progress goes out as lines of JSON; a failure is one of them, as the head has gone by then. */
async function pull(context: DockerContext, { query, headers, signal }: Call, res: ServerResponse): Promise<void> {
  const { images, events, clock } = context;
  const [from, tag] = [query.get('fromImage') ?? '', query.get('tag') ?? ''];
  if (query.has('fromSrc') && query.get('fromSrc') !== '')
    throw notOffered('docker import', 'use "tutti image import FILE"');
  if (from === '') throw badRequest('fromImage is empty: name an image');
  refuseCredentials(headers['x-registry-auth']);
  const name = tag === '' ? from : tag.includes(':') ? `${from}@${tag}` : `${from}:${tag}`;
  const canonical = canonicalName(name);
  const shown = withTag(name);
  res.writeHead(200, { 'content-type': 'application/json' });
  const line = (value: unknown) => res.write(`${JSON.stringify(value)}\r\n`);
  line({ status: `Pulling from ${shown.replace(/[:@][^/]*$/, '')}`, id: shown.split(/[:@]/).at(-1) ?? 'latest' });
  try {
    const verdict = await pullImage(context, canonical, 'Always', query.get('platform') ?? '', signal);
    if (verdict.ok) {
      images.remember(canonical);
      events.add(imageEvent(shown, 'pull', clock.now()));
      line({ status: `Status: Image is present on a node of the cluster: ${shown}` });
    } else line({ errorDetail: { message: verdict.message }, error: verdict.message });
  } catch (error) {
    if (!(error instanceof StatusError) && signal.aborted) throw error;
    const { message } = dockerReply(error);
    line({ errorDetail: { message }, error: message });
  }
  res.end();
}

/** base64url JSON; `{}` without a login. */
function refuseCredentials(header: string | readonly string[] | undefined): void {
  const text = Array.isArray(header) ? header[0] : header;
  if (typeof text !== 'string' || text === '') return;
  let login: unknown;
  try {
    login = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw badRequest('invalid X-Registry-Auth: it is not base64 of JSON');
  }
  const { username, identitytoken, registrytoken } = (login ?? {}) as Record<string, unknown>;
  if ([username, identitytoken, registrytoken].some((value) => typeof value === 'string' && value !== ''))
    throw notOffered(
      'pulling with the credentials of docker login',
      'add them to the service account of the namespace: kubectl create secret docker-registry …',
    );
}
