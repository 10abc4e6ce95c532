/**
 * The values of a header, each as it was sent: Node joins several of one name with commas, and a group may have a comma
 * in its name. `raw` alternates names and values.
 */
export function headerValues(raw: readonly string[], name: string): readonly string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const value = raw[i + 1];
    if (value !== undefined && value !== '' && raw[i]?.toLowerCase() === name) values.push(value.trim());
  }
  return values;
}

/** The headers whose names begin so, by the rest of their names. Names are percent-decoded, as keys may be anything. */
export function prefixedValues(raw: readonly string[], prefix: string): Readonly<Record<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase() ?? '';
    if (!name.startsWith(prefix)) continue;
    const key = decoded(name.slice(prefix.length));
    const values = found.get(key);
    if (values === undefined) found.set(key, [raw[i + 1] ?? '']);
    else values.push(raw[i + 1] ?? '');
  }
  return Object.fromEntries(found);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
