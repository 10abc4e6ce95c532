/**
 * The attackers of `flood.bench.ts`, in a process of their own: `node flood-load.ts KUBECONFIG WHAT`. Prints `ready`
 * once they are under way, and goes on until its stdin ends.
 */
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { idleFlood, resetFlood, slowFlood } from '#test/support/flood.ts';

const idleConnections = 2_000;
const slowConnections = 500;
const resets = 100_000;

const [, , kubeconfig = ''] = process.argv;
const { server } = await loadKubeconfig([kubeconfig]);
const target = { url: server.url, ca: server.ca ?? '' };
using _idle = await idleFlood(target, idleConnections);
using _slow = await slowFlood(target, slowConnections);
process.stdout.write('ready\n');
const done = resetFlood(target, resets);
process.stdin.resume();
await Promise.race([done, new Promise((resolve) => process.stdin.once('end', resolve))]);
process.exit(0);
