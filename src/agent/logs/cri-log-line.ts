/** One line of a container's log as the runtime writes it: `TIME STREAM TAG TEXT`. */
export interface LogLine {
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** The container's own line goes on in the next entry of the same stream. */
  readonly isPartial: boolean;
  readonly text: string;
}

const pattern = /^(\S+) (stdout|stderr) ([A-Z:]+) ?/;

/**
 * Undefined for what is not such a line, e.g. the rest of one that was cut off.
 * Format: https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
 */
export function parseLogLine(line: string): LogLine | undefined {
  const match = pattern.exec(line);
  if (match === null) return undefined;
  const [head, time = '', stream, tags = ''] = match;
  return {
    time,
    stream: stream === 'stderr' ? 'stderr' : 'stdout',
    isPartial: tags.split(':')[0] === 'P',
    text: line.slice(head.length),
  };
}
