/** The shape of cron schedules: five fields, or a word. Source: github.com/robfig/cron v3 (parser.go). */

const months = 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' ');
const days = 'SUN MON TUE WED THU FRI SAT'.split(' ');
const words = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']);

interface Field {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly names?: ReadonlyMap<string, number>;
}

const fields: readonly Field[] = [
  { name: 'minute', low: 0, high: 59 },
  { name: 'hour', low: 0, high: 23 },
  { name: 'day of month', low: 1, high: 31 },
  { name: 'month', low: 1, high: 12, names: new Map(months.map((name, index) => [name, index + 1])) },
  { name: 'day of week', low: 0, high: 6, names: new Map(days.map((name, index) => [name, index])) },
];

/** What is wrong with a schedule; undefined if nothing is. */
export function scheduleComplaint(schedule: string): string | undefined {
  if (schedule.startsWith('@')) {
    if (words.has(schedule)) return undefined;
    const every = /^@every (.+)$/.exec(schedule)?.[1];
    if (every === undefined) return `unrecognized descriptor: ${schedule}`;
    return /^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$/.test(every)
      ? undefined
      : `failed to parse duration ${schedule}: time: invalid duration ${JSON.stringify(every)}`;
  }
  const parts = schedule.split(/\s+/).filter((part) => part !== '');
  if (parts.length !== fields.length) {
    return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`;
  }
  for (const [index, field] of fields.entries()) {
    for (const part of (parts[index] ?? '').split(',')) {
      const complaint = partComplaint(part, field);
      if (complaint !== undefined) return complaint;
    }
  }
  return undefined;
}

/** `*`, `?`, `a`, `a-b`, each with an optional `/step`. */
function partComplaint(part: string, { low, high, names }: Field): string | undefined {
  const [range = '', step, ...more] = part.split('/');
  if (more.length > 0) return `too many slashes: ${part}`;
  if (step !== undefined && !/^\d{1,9}$/.test(step)) return `failed to parse int from ${step}`;
  if (step !== undefined && Number(step) === 0) return `step of range should be a positive number: ${part}`;
  if (range === '*' || range === '?') return undefined;
  const ends = range.split('-');
  if (ends.length > 2) return `too many hyphens: ${part}`;
  const numbers = ends.map(
    (end) => names?.get(end.toUpperCase()) ?? (/^\d{1,9}$/.test(end) ? Number(end) : Number.NaN),
  );
  const [start = Number.NaN, end = start] = numbers;
  const bad = numbers.findIndex((number) => Number.isNaN(number));
  if (bad >= 0) return `failed to parse int from ${ends[bad] ?? ''}`;
  if (start < low) return `beginning of range (${start}) below minimum (${low}): ${part}`;
  if (end > high) return `end of range (${end}) above maximum (${high}): ${part}`;
  return start > end ? `beginning of range (${start}) beyond end of range (${end}): ${part}` : undefined;
}
