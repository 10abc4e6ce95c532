/**
 * Kubernetes' two kinds of time on the wire: `Time` in whole seconds and `MicroTime` in microseconds, both RFC 3339
 * and printed in UTC. Source: k8s.io/apimachinery/pkg/apis/meta/v1 (time.go, micro_time.go).
 */
const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?([Zz]|[+-]\d\d:\d\d)$/;
const canonicalTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const canonicalMicroTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

export interface Timestamp {
  /** Since the epoch, may be negative. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanos: number;
}

/** Reads RFC 3339 in any zone; undefined if it is none, or names no real moment (`2025-02-30`). */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = match;
  const ms = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const date = new Date(ms);
  if (Number(year) < 100) date.setUTCFullYear(Number(year)); // Date.UTC() takes two-digit years for 19xx
  if (date.getUTCMonth() + 1 !== Number(month) || date.getUTCDate() !== Number(day)) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  let offset = 0;
  if (zone.length > 1) {
    const hours = Number(zone.slice(1, 3));
    const minutes = Number(zone.slice(4, 6));
    if (hours > 23 || minutes > 59) return undefined;
    offset = (hours * 60 + minutes) * (zone.startsWith('-') ? -60 : 60);
  }
  return { seconds: date.getTime() / 1000 - offset, nanos: Number(fraction.slice(0, 9).padEnd(9, '0')) };
}

/** `2026-01-02T03:04:05Z`. */
export function formatTime({ seconds }: Timestamp): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19) + 'Z';
}

/** `2026-01-02T03:04:05.000006Z`. */
export function formatMicroTime({ seconds, nanos }: Timestamp): string {
  const micros = String(Math.trunc(nanos / 1000)).padStart(6, '0');
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${micros}Z`;
}

/** True if the moment can be written with a four-digit year, as RFC 3339 demands. */
export function isPrintable({ seconds }: Timestamp): boolean {
  return seconds >= -62_135_596_800 && seconds <= 253_402_300_799;
}

/** The text as it is stored: UTC, whole seconds (`micro`: six digits more). Undefined if it is no timestamp. */
export function canonicalTimestamp(text: string, micro: boolean): string | undefined {
  const timestamp = parseTimestamp(text);
  if (timestamp === undefined || !isPrintable(timestamp)) return undefined;
  if ((micro ? canonicalMicroTime : canonicalTime).test(text)) return text;
  return micro ? formatMicroTime(timestamp) : formatTime(timestamp);
}
