import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import type { Server } from './server.ts';

/** What a kubeconfig says about one context. */
export interface KubeContext {
  readonly name: string;
  readonly server: Server;
  readonly namespace: string;
}

interface Named<K extends string, V> {
  readonly entries: ReadonlyMap<string, { readonly file: string; readonly value: V }>;
  readonly what: K;
}
interface Cluster {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly 'tls-server-name'?: string;
}
interface User {
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly as?: string;
  readonly 'as-uid'?: string;
  readonly 'as-groups'?: readonly string[];
  readonly exec?: unknown;
  readonly 'auth-provider'?: unknown;
  readonly username?: string;
}
interface Context {
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
}

const fileBytesMax = 4 * 1024 * 1024;

/**
 * Reads `files` as kubectl does with several in $KUBECONFIG: for each name, and for the current context, the first
 * file that has it counts. Files that do not exist are passed over, but one must. Relative paths inside are relative
 * to their file. Throws an Error that names file and field.
 */
export async function loadKubeconfig(files: readonly string[], context?: string): Promise<KubeContext> {
  const documents: { file: string; document: Record<string, unknown> }[] = [];
  for (const file of files) {
    const document = await readDocument(file);
    if (document !== undefined) documents.push({ file, document });
  }
  if (documents.length === 0) throw new Error(`No kubeconfig found at ${files.join(' or ')}`);
  const current = documents
    .map(({ document }) => document['current-context'])
    .find((name) => name !== undefined && name !== '');
  const name = context ?? current;
  if (typeof name !== 'string')
    throw new Error(`${files.join(', ')}: current-context is not set, and no context was named`);

  const { value: chosen } = find(collect<'context', Context>(documents, 'contexts', 'context'), name);
  const cluster = find(collect<'cluster', Cluster>(documents, 'clusters', 'cluster'), chosen.cluster);
  const user = find(collect<'user', User>(documents, 'users', 'user'), chosen.user);
  return {
    name,
    namespace: chosen.namespace ?? 'default',
    server: { ...(await clusterPart(cluster.value, cluster.file)), ...(await userPart(user.value, user.file)) },
  };
}

async function readDocument(file: string): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`Cannot read kubeconfig ${file}: ${(cause as Error).message}`, { cause });
  }
  if (text.length > fileBytesMax) throw new Error(`Kubeconfig ${file} is larger than ${fileBytesMax} bytes`);
  let document: unknown;
  try {
    document = parse(text);
  } catch (cause) {
    throw new Error(`Kubeconfig ${file} is no valid YAML: ${(cause as Error).message}`, { cause });
  }
  if (document === null) return {};
  if (typeof document !== 'object') throw new Error(`Kubeconfig ${file} holds no object`);
  return document as Record<string, unknown>;
}

function collect<K extends string, V>(
  documents: readonly { file: string; document: Record<string, unknown> }[],
  list: string,
  what: K,
): Named<K, V> {
  const entries = new Map<string, { file: string; value: V }>();
  for (const { file, document } of documents) {
    const items = document[list] ?? [];
    if (!Array.isArray(items)) throw new Error(`${file}: ${list} must be a list`);
    for (const item of items as ({ name?: unknown } & Record<string, unknown>)[]) {
      if (typeof item?.name !== 'string') throw new Error(`${file}: an entry of ${list} has no name`);
      if (!entries.has(item.name)) entries.set(item.name, { file, value: (item[what] ?? {}) as V });
    }
  }
  return { entries, what };
}

function find<K extends string, V>(
  { entries, what }: Named<K, V>,
  name: string | undefined,
): { file: string; value: V } {
  const entry = name === undefined ? undefined : entries.get(name);
  if (entry !== undefined) return entry;
  const known = entries.size === 0 ? 'there is none' : `there are: ${[...entries.keys()].join(', ')}`;
  throw new Error(`Kubeconfig has no ${what} "${name ?? ''}"; ${known}`);
}

async function clusterPart(cluster: Cluster, file: string): Promise<Server> {
  if (cluster.server === undefined) throw new Error(`${file}: the cluster has no server`);
  const ca = await dataOrFile(cluster['certificate-authority-data'], cluster['certificate-authority'], file);
  return {
    url: cluster.server,
    ...(ca === undefined ? {} : { ca }),
    ...(cluster['tls-server-name'] === undefined ? {} : { tlsServerName: cluster['tls-server-name'] }),
    ...(cluster['insecure-skip-tls-verify'] === true ? { insecureSkipTlsVerify: true } : {}),
  };
}

async function userPart(user: User, file: string): Promise<Partial<Server>> {
  for (const way of ['exec', 'auth-provider', 'username'] as const) {
    if (user[way] !== undefined) {
      throw new Error(`${file}: users that log in by "${way}" are not supported; use a client certificate or a token`);
    }
  }
  const cert = await dataOrFile(user['client-certificate-data'], user['client-certificate'], file);
  const key = await dataOrFile(user['client-key-data'], user['client-key'], file);
  const token = tokenOf(user, file);
  return {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(token === undefined ? {} : { token }),
    ...(user.as === undefined
      ? {}
      : {
          impersonate: {
            username: user.as,
            groups: user['as-groups'] ?? [],
            ...(user['as-uid'] === undefined ? {} : { uid: user['as-uid'] }),
          },
        }),
  };
}

/** A token file is read again for each request: what is mounted there is renewed in place. */
function tokenOf(user: User, file: string): Server['token'] | undefined {
  const path = user.tokenFile;
  if (path !== undefined) return async () => (await readFile(resolve(dirname(file), path), 'utf8')).trim();
  return user.token;
}

async function dataOrFile(
  data: string | undefined,
  path: string | undefined,
  file: string,
): Promise<string | undefined> {
  if (data !== undefined && data !== '') return Buffer.from(data, 'base64').toString('utf8');
  if (path === undefined || path === '') return undefined;
  const full = resolve(dirname(file), path);
  try {
    return await readFile(full, 'utf8');
  } catch (cause) {
    throw new Error(`Cannot read ${full}, which kubeconfig ${file} names: ${(cause as Error).message}`, { cause });
  }
}
