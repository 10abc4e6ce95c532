import { runCommand, type RunCommand } from './command.ts';
import { HostChanges } from './host-changes.ts';

/**
 * Removes everything the network of `dataDir` has put on this host or changed there (tables, interfaces, addresses,
 * routes, rules, CNI configuration, kernel settings) and says in words what that was. For when its pods are gone.
 */
export async function resetNetwork(options: {
  readonly dataDir: string;
  readonly signal: AbortSignal;
  readonly run?: RunCommand;
}): Promise<readonly string[]> {
  const changes = await HostChanges.open(options.dataDir, options.run ?? runCommand);
  return changes.undo(options.signal);
}
