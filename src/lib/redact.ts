/**
 * Keeps secrets out of what is written for people to read. Works on names and shapes alone, so that it holds for text
 * that nobody has thought of: what proves an identity (headers, tokens, keys, passwords in URLs), and the content of
 * Secrets.
 */

export const redacted = '[redacted]';

const secretNames =
  'authorization|proxy-authorization|cookie|set-cookie|x-registry-auth|x-registry-config|password|passwd|identitytoken|registrytoken|access_token|refresh_token|id_token|client_secret|client-key-data|token|bearertoken|private_?key|serviceaccountkey';
const secretName = new RegExp(`^(?:${secretNames})$`, 'i');

const textRules: readonly (readonly [RegExp, string])[] = [
  // A field of JSON, also of JSON inside a JSON text.
  [
    new RegExp(`(\\\\{0,7}"(?:${secretNames})\\\\{0,7}"\\s{0,9}:\\s{0,9}\\\\{0,7}")(?:[^"\\\\]|\\\\.)+`, 'gi'),
    `$1${redacted}`,
  ],
  // A parameter of a query or a form.
  [new RegExp(`([?&;](?:${secretNames})=)[^&#\\s"'\\\\]+`, 'gi'), `$1${redacted}`],
  [/\b(Bearer|Basic)[ +][\w.~+/=-]{6,}/gi, `$1 ${redacted}`],
  // A JSON Web Token: two parts that open an object, and a signature.
  [/\beyJ[\w-]{8,512}\.eyJ[\w-]{8,8192}\.[\w-]+/g, redacted],
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/[^\s:/?#@"']{0,256}):[^\s/?#"'@]{1,512}@/gi, `$1:${redacted}@`],
  [/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|$)/g, `-----BEGIN $1----- ${redacted}`],
];

/** A text without what proves an identity. */
export function redactText(text: string): string {
  let result = text;
  for (const [pattern, by] of textRules) result = result.replace(pattern, by);
  return result;
}

/** Deeper than this, and beyond so many values, nothing is shown: a log line is no dump. */
const depthMax = 8;
const valuesMax = 2_000;
const secretContent: ReadonlySet<string> = new Set(['data', 'stringData', 'annotations', 'managedFields']);

/** The fields of a log line without secrets: an object that is a Secret keeps neither its data nor copies of it. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  let left = valuesMax;
  const shown = (value: unknown, depth: number, inSecret: boolean): unknown => {
    if (typeof value !== 'object' || value === null || value instanceof Date) return value;
    if (depth > depthMax || --left < 0) return '[left out]';
    if (value instanceof Error) return value; // its text is gone through as text
    if (value instanceof Uint8Array) return `[${value.byteLength} bytes]`;
    if (Array.isArray(value)) return value.map((each) => shown(each, depth + 1, inSecret));
    const isSecret = inSecret || ('kind' in value && (value.kind === 'Secret' || value.kind === 'SecretList'));
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => {
        const hides = secretName.test(name) || (isSecret && secretContent.has(name));
        return [name, hides ? redacted : shown(each, depth + 1, isSecret)];
      }),
    );
  };
  return shown(fields, 0, false) as Record<string, unknown>; // an object comes back as one
}
