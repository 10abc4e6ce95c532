import type { Kind } from '#machinery/kind.ts';
import type {
  AttachOptions,
  DeleteOptions,
  ExecOptions,
  ListOptions,
  LogOptions,
  ReadOptions,
  WatchOptions,
  WriteOptions,
} from './client.ts';

/**
 * Paths and queries of Kubernetes' REST API. Source of the forms: https://kubernetes.io/docs/reference/using-api/
 */
export interface Target {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** `/apis/apps/v1/namespaces/a/deployments/b/status`. A namespace given for a cluster-scoped kind is left out. */
export function pathOf(kind: Pick<Kind, 'group' | 'version' | 'plural' | 'namespaced'>, target: Target): string {
  const parts = kind.group === '' ? ['api', kind.version] : ['apis', kind.group, kind.version];
  if (kind.namespaced && target.namespace !== undefined && target.namespace !== '') {
    parts.push('namespaces', target.namespace);
  }
  parts.push(kind.plural);
  if (target.name !== undefined) parts.push(target.name);
  if (target.subresource !== undefined) parts.push(target.subresource);
  return `/${parts.map(encodeURIComponent).join('/')}`;
}

/** `?a=1&b=2`, or nothing; undefined values are left out and arrays repeat their name. */
export function queryOf(query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    if (typeof value === 'object') for (const each of value) search.append(name, each);
    else search.append(name, String(value));
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

export const readQuery = (options: ReadOptions): string => queryOf({ resourceVersion: options.resourceVersion });

export const listQuery = (options: ListOptions): string =>
  queryOf({
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    limit: options.limit,
    continue: options.continue,
    resourceVersion: options.resourceVersion,
    resourceVersionMatch: options.resourceVersionMatch,
  });

/** `sendInitialEvents` asks for state that is not older than the version given, as the API requires. */
export const watchQuery = (options: WatchOptions): string =>
  queryOf({
    watch: true,
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    resourceVersion: options.resourceVersion,
    allowWatchBookmarks: options.allowWatchBookmarks,
    sendInitialEvents: options.sendInitialEvents,
    resourceVersionMatch: options.sendInitialEvents === true ? 'NotOlderThan' : undefined,
    timeoutSeconds: options.timeoutSeconds,
  });

export const writeQuery = (options: WriteOptions & { force?: boolean | undefined }): string =>
  queryOf({
    fieldManager: options.fieldManager,
    dryRun: options.dryRun === true ? 'All' : undefined,
    force: options.force,
  });

export const logQuery = (options: LogOptions): string =>
  queryOf({
    container: options.container,
    follow: options.follow,
    previous: options.previous,
    timestamps: options.timestamps,
    sinceSeconds: options.sinceSeconds,
    sinceTime: options.sinceTime,
    tailLines: options.tailLines,
    limitBytes: options.limitBytes,
    stream: options.stream,
  });

export const attachQuery = (options: AttachOptions & Partial<Pick<ExecOptions, 'command'>>): string =>
  queryOf({
    command: options.command,
    container: options.container,
    stdin: options.stdin,
    stdout: options.stdout,
    stderr: options.stderr,
    tty: options.tty,
  });

/** The body of DELETE. */
export function deleteBody(options: DeleteOptions): Readonly<Record<string, unknown>> {
  const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun } = options;
  return {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(preconditions === undefined ? {} : { preconditions }),
    ...(dryRun === true ? { dryRun: ['All'] } : {}),
  };
}
