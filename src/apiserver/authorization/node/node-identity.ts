import { nodeGroup } from '#client/identities.ts';
import type { UserInfo } from '#client/client.ts';

const prefix = 'system:node:';

/** The name of the node that `user` is, `''` if it is one without a name; undefined for anybody else. */
export function nodeNameOf({ username, groups }: UserInfo): string | undefined {
  if (!groups.includes(nodeGroup)) return undefined;
  return username.startsWith(prefix) ? username.slice(prefix.length) : '';
}
