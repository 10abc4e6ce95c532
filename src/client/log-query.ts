import type { LogOptions } from './client.ts';

/** The query of a request for logs. Source: k8s.io/api/core/v1 PodLogOptions. */
export function logQueryOf(options: Omit<LogOptions, 'signal' | 'container'>): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of ['follow', 'previous', 'timestamps'] as const) if (options[name] === true) query.set(name, 'true');
  for (const name of ['sinceSeconds', 'sinceTime', 'tailLines', 'limitBytes', 'stream'] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, String(value));
  }
  return query;
}

/** The inverse of `logQueryOf()`, for values that have been checked before. */
export function logOptionsOf(query: URLSearchParams): Omit<LogOptions, 'signal' | 'container'> {
  const flag = (name: string) => query.get(name) === 'true';
  const number = (name: string) => {
    const text = query.get(name);
    return text === null ? undefined : Number(text);
  };
  const [sinceSeconds, tailLines, limitBytes] = [number('sinceSeconds'), number('tailLines'), number('limitBytes')];
  const [sinceTime, stream] = [query.get('sinceTime'), query.get('stream')];
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(sinceTime === null ? {} : { sinceTime }),
    ...(stream === 'Stdout' || stream === 'Stderr' || stream === 'All' ? { stream } : {}),
  };
}
