/** `Always` for the tag `latest`, named or implied; a digest pins the image. */
export function defaultPullPolicy(image: string): 'Always' | 'IfNotPresent' {
  if (image === '') return 'IfNotPresent'; // as upstream does; validation refuses it
  const at = image.indexOf('@');
  const named = at < 0 ? image : image.slice(0, at);
  const tag = /:([^/]*)$/.exec(named)?.[1] ?? (at < 0 ? 'latest' : '');
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}
