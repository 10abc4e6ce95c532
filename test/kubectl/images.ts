import type { Tutti } from '../support/tutti.ts';

/** Serves /www on port 8080 and ends at once when asked to. */
const serve = `#!/bin/sh
trap 'kill $!; exit 0' TERM
httpd -f -p 8080 -h /www &
wait
`;

/** Loads `web:1` and `web:2`, which answer "one" and "two", and `box:1`, a shell that waits to be asked to end. */
export async function loadImages(cluster: Tutti): Promise<void> {
  await cluster.busyboxImage('web:1', { 'bin/serve': serve, 'www/index.html': 'one\n' }, ['--cmd', 'serve']);
  await cluster.busyboxImage('web:2', { 'bin/serve': serve, 'www/index.html': 'two\n' }, ['--cmd', 'serve']);
  const idle = `#!/bin/sh\ntrap 'exit 0' TERM\nwhile true; do sleep 1000 & wait; done\n`;
  await cluster.busyboxImage('box:1', { 'bin/idle': idle }, ['--cmd', 'idle']);
}
