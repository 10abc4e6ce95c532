import { mkdir, readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseDocument, stringify, type Document } from 'yaml';
import { writeFileAtomically } from '#lib/atomic-file.ts';
import type { Credential } from '#lib/x509.ts';

/** What one kubeconfig entry needs: where the server is, whom to trust, and as whom to come. */
export interface KubeconfigEntry {
  /** `https://127.0.0.1:6443`. */
  readonly server: string;
  /** The authority's certificate, PEM. */
  readonly authority: string;
  readonly user: Credential | { readonly token: string };
  /** Of the cluster, the context and the user; `tutti` unless given. */
  readonly name?: string;
}

interface Named {
  readonly name: string;
}

const base64 = (pem: string) => Buffer.from(pem).toString('base64');

function parts(entry: KubeconfigEntry) {
  const name = entry.name ?? 'tutti';
  return {
    clusters: { name, cluster: { 'certificate-authority-data': base64(entry.authority), server: entry.server } },
    users: {
      name,
      user:
        'token' in entry.user
          ? { token: entry.user.token }
          : {
              'client-certificate-data': base64(entry.user.certificate),
              'client-key-data': base64(entry.user.key),
            },
    },
    contexts: { name, context: { cluster: name, user: name } },
  };
}

/** A complete kubeconfig with everything embedded, so that the file can be carried anywhere. */
export function kubeconfig(entry: KubeconfigEntry): string {
  const { clusters, users, contexts } = parts(entry);
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [clusters],
      contexts: [contexts],
      users: [users],
      'current-context': contexts.name,
    },
    { lineWidth: 0 },
  );
}

/**
 * Adds `entry` to the kubeconfig `text`, replacing only what has its name, and selects its context if none is
 * selected yet or `select` is set. Everything else, comments included, stays as it is.
 * Throws if `text` is no kubeconfig: it is somebody's file, so it is not guessed at.
 */
export function mergeKubeconfig(text: string, entry: KubeconfigEntry, select = false): string {
  if (text.trim() === '') return kubeconfig(entry);
  const document = parseDocument(text);
  const problem = document.errors[0];
  if (problem !== undefined) throw new Error(`Cannot merge into the kubeconfig: ${problem.message}`);
  const root = document.toJS() as Record<string, unknown> | null;
  if (root === null) return kubeconfig(entry);
  if (typeof root !== 'object' || (root['kind'] ?? 'Config') !== 'Config') {
    throw new Error('Cannot merge into the kubeconfig: the file is no kubeconfig (kind must be Config)');
  }
  for (const [section, value] of Object.entries(parts(entry))) replaceNamed(document, section, value);
  const current = root['current-context'];
  if (select || current === undefined || current === null || current === '') {
    document.set('current-context', entry.name ?? 'tutti');
  }
  return document.toString({ lineWidth: 0 });
}

function replaceNamed(document: Document, section: string, value: Named): void {
  const list = document.get(section);
  const entries =
    (list === undefined || list === null ? [] : (document.toJS() as Record<string, unknown>)[section]) ?? [];
  if (!Array.isArray(entries)) throw new Error(`Cannot merge into the kubeconfig: ${section} is not a list`);
  const index = (entries as Partial<Named>[]).findIndex((existing) => existing?.name === value.name);
  if (entries.length === 0) document.set(section, document.createNode([value]));
  else if (index < 0) document.addIn([section], document.createNode(value));
  else document.setIn([section, index], document.createNode(value));
}

/**
 * Merges `entry` into the kubeconfig at `path` (`~/.kube/config`), made if missing, keeping the former file beside it as
 * `PATH.before-NAME`. Returns the path of that copy, undefined if there was no file.
 */
export async function mergeKubeconfigFile(
  path: string,
  entry: KubeconfigEntry,
  select = false,
): Promise<string | undefined> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const target = await realpath(path).catch(() => path); // a link, as dotfile managers make them, stays a link
  const former = await readFile(target, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const merged = mergeKubeconfig(former ?? '', entry, select);
  if (former === merged) return undefined;
  const backup = former === undefined ? undefined : `${path}.before-${entry.name ?? 'tutti'}`;
  if (backup !== undefined) await writeFileAtomically(backup, former ?? '');
  await writeFileAtomically(target, merged);
  return backup;
}
