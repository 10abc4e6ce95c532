/**
 * Replaces `$(NAME)` by the variable's value, in the way Kubernetes expands commands, arguments and values: unknown
 * names stay as they are, and `$$` stands for one `$`, so that `$$(NAME)` is not replaced.
 */
export function expand(text: string, valueOf: (name: string) => string | undefined): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (all, inner: string, name: string | undefined) =>
    inner === '$' || name === undefined ? '$' : (valueOf(name) ?? all),
  );
}
