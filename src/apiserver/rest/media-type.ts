/** One media range of an Accept or Content-Type header. */
export interface MediaType {
  /** Lower case: `application/json`, `*\/*`. */
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** 0 to 1. */
  readonly quality: number;
}

const rangesMax = 50;

function parseRange(text: string): MediaType {
  const [type = '', ...rest] = text.split(';');
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
  let quality = 1;
  for (const parameter of rest) {
    const equals = parameter.indexOf('=');
    if (equals < 0) continue;
    const name = parameter.slice(0, equals).trim().toLowerCase();
    const value = parameter
      .slice(equals + 1)
      .trim()
      .replaceAll('"', '');
    if (name === 'q') quality = Number.isFinite(Number(value)) ? Math.min(1, Math.max(0, Number(value))) : 0;
    else parameters[name] = value;
  }
  return { type: type.trim().toLowerCase(), parameters, quality };
}

/** Ranges in the order of preference: quality first, then as written. */
export function parseAccept(header: string | undefined): readonly MediaType[] {
  if (header === undefined || header.trim() === '') return [{ type: '*/*', parameters: {}, quality: 1 }];
  const ranges = header.split(',', rangesMax).map(parseRange);
  return ranges.filter(({ quality }) => quality > 0).toSorted((a, b) => b.quality - a.quality);
}

/** Undefined if the header is absent. */
export function parseContentType(header: string | undefined): MediaType | undefined {
  return header === undefined || header.trim() === '' ? undefined : parseRange(header);
}
