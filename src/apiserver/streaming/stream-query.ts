import type { Pod } from '#api/core/pod.ts';
import type { AttachOptions, LogOptions } from '#client/client.ts';
import { logOptionsOf } from '#client/log-query.ts';
import { forbidden, invalid, notSupported, type FieldError } from '#machinery/field-error.ts';
import type { ApiObject } from '#machinery/object.ts';
import { badRequest, invalidObject } from '#machinery/status-error.ts';

/**
 * The container a request means: the one it names, or the only one. Throws BadRequest in the words of upstream's
 * pkg/registry/core/pod/strategy.go, which clients show as they are.
 */
export function containerOf(pod: Pod, query: URLSearchParams): string {
  const name = query.get('container') ?? '';
  const podName = pod.metadata?.name ?? '';
  const main = (pod.spec?.containers ?? []).map((container) => container.name);
  const init = (pod.spec?.initContainers ?? []).map((container) => container.name);
  const ephemeral = (pod.spec?.ephemeralContainers ?? []).map((container) => container.name);
  if (name === '') {
    const [only] = main;
    if (only !== undefined && main.length === 1) return only;
    const others = init.length === 0 ? '' : ` or one of the init containers: [${init.join(' ')}]`;
    throw badRequest(
      `a container name must be specified for pod ${podName}, choose one of: [${main.join(' ')}]${others}`,
    );
  }
  if ([...main, ...init, ...ephemeral].includes(name)) return name;
  throw badRequest(`container ${name} is not valid for pod ${podName}`);
}

/** Output is wanted unless refused; a terminal has no separate stderr. */
export function attachOptionsOf(pod: Pod, query: URLSearchParams): Omit<AttachOptions, 'signal'> {
  const tty = flagOf(query, 'tty') ?? false;
  const options = {
    container: containerOf(pod, query),
    stdin: flagOf(query, 'stdin') ?? false,
    stdout: flagOf(query, 'stdout') ?? true,
    stderr: !tty && (flagOf(query, 'stderr') ?? true),
    tty,
  };
  if (options.stdin || options.stdout || options.stderr) return options;
  throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
}

const optionsKinds: Readonly<Record<string, string>> = {
  exec: 'PodExecOptions',
  attach: 'PodAttachOptions',
  portforward: 'PodPortForwardOptions',
};

/** What a caller asks of a pod as the object that admission sees; undefined where nothing is decided. */
export function connectOptions(subresource: string, query: URLSearchParams): ApiObject | undefined {
  const kind = optionsKinds[subresource];
  if (kind === undefined) return undefined;
  const flags = Object.fromEntries(
    ['stdin', 'stdout', 'stderr', 'tty'].flatMap((name) => {
      const flag = flagOf(query, name);
      return flag === undefined ? [] : [[name, flag]];
    }),
  );
  const container = query.get('container') ?? '';
  const command = query.getAll('command');
  const ports = subresource === 'portforward' && query.has('ports') ? portsOf(query) : [];
  return {
    kind,
    apiVersion: 'v1',
    ...flags,
    ...(container === '' ? {} : { container }),
    ...(command.length === 0 ? {} : { command }),
    ...(ports.length === 0 ? {} : { ports }),
  };
}

/** The words of an exec. */
export function commandOf(query: URLSearchParams): readonly string[] {
  const command = query.getAll('command');
  if (command.length > 0) return command;
  throw badRequest('exec needs a command: at least one "command" parameter');
}

/** Checks as upstream's ValidatePodLogOptions does. Throws BadRequest or Invalid. */
export function podLogOptionsOf(pod: Pod, query: URLSearchParams): Omit<LogOptions, 'signal'> {
  const problems: FieldError[] = [];
  const atLeast = (name: string, least: number) => {
    const text = query.get(name);
    if (text === null) return;
    const value = Number(text);
    if (!/^-?\d+$/.test(text)) throw badRequest(`${name} must be a whole number, not ${JSON.stringify(text)}`);
    if (value < least) problems.push(invalid(name, value, `must be greater than or equal to ${least}`));
  };
  atLeast('tailLines', 0);
  atLeast('limitBytes', 1);
  atLeast('sinceSeconds', 1);
  const [since, stream] = [query.get('sinceTime'), query.get('stream')];
  if (since !== null && query.has('sinceSeconds')) {
    problems.push(forbidden('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  }
  if (since !== null && Number.isNaN(Date.parse(since))) {
    throw badRequest(`sinceTime must be a time like 2026-01-31T10:00:00Z, not ${JSON.stringify(since)}`);
  }
  if (stream !== null && !['All', 'Stdout', 'Stderr'].includes(stream)) {
    problems.push(notSupported('stream', stream, ['All', 'Stderr', 'Stdout']));
  }
  if (query.has('tailLines') && (stream === 'Stdout' || stream === 'Stderr')) {
    problems.push(forbidden('', '`tailLines` and specific `stream` are mutually exclusive for now'));
  }
  if (problems.length > 0) {
    throw invalidObject({ group: '', kind: 'PodLogOptions' }, pod.metadata?.name ?? '', problems);
  }
  const flags = new URLSearchParams(query);
  for (const name of ['follow', 'previous', 'timestamps']) flags.set(name, String(flagOf(query, name) ?? false));
  return { ...logOptionsOf(flags), container: containerOf(pod, query) };
}

/** The ports of an old-style port-forward over WebSocket. */
export function portsOf(query: URLSearchParams): readonly number[] {
  const ports = query
    .getAll('ports')
    .flatMap((text) => text.split(','))
    .map(portNumber);
  if (ports.length === 0) throw badRequest('query parameter "ports" is required');
  return ports;
}

/** Throws BadRequest for anything that is no port. */
export function portNumber(text: string | undefined): number {
  const port = /^\d{1,5}$/.test(text ?? '') ? Number(text) : 0;
  if (port > 0 && port < 65_536) return port;
  throw badRequest(`port must be between 1 and 65535, not ${JSON.stringify(text ?? '')}`);
}

/** Undefined if absent. Source of what counts as false: k8s.io/apimachinery Convert_Slice_string_To_bool. */
function flagOf(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  return text === null ? undefined : !['false', '0'].includes(text.toLowerCase());
}
