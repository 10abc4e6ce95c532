import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { run } from './support/command.ts';
import { unless } from './support/needs.ts';
import { until } from './support/until.ts';

const root = path.join(import.meta.dirname, '..');
const readyMsMax = 90_000;

/** What of the host's a demo could leave behind. */
async function hostState(): Promise<string> {
  const parts = await Promise.all([run('nft', ['list', 'tables']), run('ip', ['-o', 'link']), run('ip', ['route'])]);
  return parts.join('\n');
}

test(
  'npm run demo ends with a URL that answers, and leaves nothing behind after Ctrl-C',
  { skip: unless('root', 'containerd', 'cni', 'nft') },
  async () => {
    const before = await hostState();
    const demo = spawn('npm', ['run', '--silent', 'demo'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    demo.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    demo.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const exited = once(demo, 'exit');
    try {
      await until(
        'the demo prints what to try next',
        () => output.includes('Ctrl-C ends the demo') || demo.exitCode !== null,
        readyMsMax,
      );
      assert.equal(demo.exitCode, null, output);
      const [url = ''] = /http:\/\/\S+/.exec(output) ?? [];
      const reply = await (await fetch(url, { signal: AbortSignal.timeout(5000) })).text();
      assert.match(reply, /^Hello from Tutti!\nYou reached pod hello-\S+ on node \S+\.$/m);
      const [, kubeconfig = ''] = /KUBECONFIG=(\S+)/.exec(output) ?? [];
      assert.ok(existsSync(kubeconfig), output);

      // As a terminal does on Ctrl-C: the whole foreground group gets it.
      process.kill(-demo.pid!, 'SIGINT');
      await exited;
      assert.match(output, /✔ Clean up/);
      assert.ok(!existsSync(path.dirname(kubeconfig)));
      assert.equal(await hostState(), before);
    } finally {
      if (demo.exitCode === null && demo.signalCode === null) {
        process.kill(-demo.pid!, 'SIGTERM');
        await exited;
      }
    }
  },
);
