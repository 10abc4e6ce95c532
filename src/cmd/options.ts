import { Option } from 'commander';
import path from 'node:path';

const root = '/var/lib/tutti';

/** Root's clusters live under /var/lib; anyone else's under their own state folder, as the XDG base directories have it. */
export function defaultDataDir(env: NodeJS.ProcessEnv, uid: number | undefined): string {
  if (uid === 0) return root;
  const state = env['XDG_STATE_HOME'] ?? path.join(env['HOME'] ?? '.', '.local', 'state');
  return path.join(state, 'tutti');
}

/** `--data-dir DIR`, which every subcommand takes; TUTTI_DATA_DIR stands in for it. */
export const dataDirOption = () =>
  new Option('--data-dir <dir>', 'where the cluster keeps everything')
    .env('TUTTI_DATA_DIR')
    .default(defaultDataDir(process.env, process.getuid?.()));

/** `--output json`, for the commands that machines read. */
export const outputOption = () => new Option('-o, --output <format>', 'for machines').choices(['json']);

export interface DataDirOptions {
  readonly dataDir: string;
}
