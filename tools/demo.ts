/**
 * `npm run demo`: a cluster of its own on this machine, a real application in real containers, and what to try next.
 * Stays until Ctrl-C and then removes everything it made.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { styleText } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { Deployment } from '#api/apps/deployment.ts';
import { Node } from '#api/core/node.ts';
import { Service } from '#api/core/service.ts';
import { builtinKinds } from '#api/kinds.ts';
import { resetHost } from '#cluster/reset-host.ts';
import { connect } from '#cmd/connect.ts';
import { explain, UsageError } from '#cmd/fail.ts';
import { standardOutput, step } from '#cmd/terminal.ts';
import type { Client } from '#client/client.ts';
import { apiVersionOf } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';

const root = path.join(import.meta.dirname, '..');
const example = path.join(root, 'examples', 'hello');
const tutti = path.join(root, 'bin', 'tutti');
const usualPort = 6443;
const readyMsMax = 60_000;
const rolloutMsMax = 60_000;
const answerMsMax = 10_000;
const resetMsMax = 120_000;
const pollMs = 100;

const isRoot = process.getuid?.() === 0;
const stop = new AbortController();

async function freePort(): Promise<number> {
  const tryPort = async (port: number): Promise<number | undefined> => {
    const server = createServer();
    const listening = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, () => resolve(true));
    });
    const address = server.address();
    if (!listening) return undefined;
    server.close();
    await once(server, 'close');
    return typeof address === 'object' && address !== null ? address.port : undefined;
  };
  const port = (await tryPort(usualPort)) ?? (await tryPort(0));
  if (port === undefined) throw new UsageError('No TCP port is free on this machine.', 'end something that listens');
  return port;
}

/** Starts `tutti up` beside us; `ready` tells how long it took. */
function startServer(
  dataDir: string,
  port: number,
): { readonly server: ChildProcess; readonly ready: Promise<string> } {
  const args = ['up', '--data-dir', dataDir, '--port', `${port}`, '--dialect', 'docker', ...(isRoot ? [] : ['--sim'])];
  // A group of its own: Ctrl-C is ours to handle, in the right order.
  const server = spawn(tutti, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  const ready = new Promise<string>((resolve, reject) => {
    const late = setTimeout(
      () =>
        reject(new UsageError(`The cluster was not ready within ${readyMsMax / 1000} s.`, `look into ${dataDir}/logs`)),
      readyMsMax,
    );
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const [, took] = /^ready in (.*?):/m.exec(output) ?? [];
      if (took === undefined) return;
      clearTimeout(late);
      resolve(took);
    };
    server.stdout.on('data', read);
    server.stderr.on('data', read);
    server.on('exit', (code) => {
      clearTimeout(late);
      reject(
        new UsageError(
          `tutti up ended with ${code}: ${output.trim()}`,
          'run "bin/tutti doctor": it tells what this machine lacks',
        ),
      );
    });
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error), { once: true });
  });
  return { server, ready };
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0)
    throw new UsageError(
      `${path.basename(program)} ${args.join(' ')} failed: ${output.trim()}`,
      'run "bin/tutti doctor"',
    );
  return output;
}

/** The example's files and a busybox to run them: no registry is needed. */
async function buildImage(dataDir: string): Promise<void> {
  const dir = mkdtempSync(path.join(tmpdir(), 'tutti-hello-'));
  try {
    cpSync(path.join(example, 'image'), dir, { recursive: true });
    const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((file) => existsSync(file));
    if (busybox === undefined)
      throw new UsageError('There is no busybox to build the image from.', 'apt-get install busybox-static');
    cpSync(busybox, path.join(dir, 'bin', 'busybox'));
    await run(tutti, [
      'image',
      'build',
      '--data-dir',
      dataDir,
      '-t',
      'hello:1',
      '--entrypoint',
      '/bin/serve',
      '--',
      dir,
    ]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function applyExample(client: Client): Promise<number> {
  const documents = parseAllDocuments(readFileSync(path.join(example, 'hello.yaml'), 'utf8'));
  for (const document of documents) {
    const object = document.toJS() as ApiObject;
    const kind = builtinKinds.find((each) => each.kind === object.kind && apiVersionOf(each) === object.apiVersion);
    if (kind === undefined) throw new Error(`The example holds a ${object.kind}, which is not served`);
    await client.create(
      kind,
      { ...object, metadata: { ...object.metadata, namespace: 'default' } },
      { signal: stop.signal },
    );
  }
  return documents.length;
}

async function untilRolledOut(client: Client, detail: (text: string) => void): Promise<void> {
  const bounded = AbortSignal.any([stop.signal, AbortSignal.timeout(rolloutMsMax)]);
  for (;;) {
    const { spec, status } = await client.get(Deployment, { namespace: 'default', name: 'hello' }, { signal: bounded });
    const ready = status?.readyReplicas ?? 0;
    detail(`${ready} of ${spec.replicas ?? 0} replicas ready`);
    if (ready === spec.replicas) return;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    bounded.throwIfAborted();
  }
}

async function urlOf(client: Client): Promise<string> {
  const service = await client.get(Service, { namespace: 'default', name: 'hello' }, { signal: stop.signal });
  const [node] = (await client.list(Node, { signal: stop.signal })).items;
  const address = node?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '127.0.0.1';
  return `http://${address}:${service.spec.ports?.[0]?.nodePort ?? 0}/`;
}

async function untilAnswers(url: string): Promise<string> {
  const bounded = AbortSignal.any([stop.signal, AbortSignal.timeout(answerMsMax)]);
  for (;;) {
    try {
      return (await (await fetch(url, { signal: bounded })).text()).trim();
    } catch (error) {
      bounded.throwIfAborted();
      void error;
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }
}

const nextLines = (dataDir: string, url: string | undefined): string => {
  const command = (text: string) => `  ${styleText('bold', text)}\n`;
  const kubeconfig = path.join(dataDir, 'kubeconfig');
  return [
    url === undefined ? '' : `\n  ${styleText(['bold', 'green'], url)}   (each reply names the pod that gave it)\n`,
    '\nIn another terminal:\n',
    command(`export KUBECONFIG=${kubeconfig}`),
    command('kubectl get pods -o wide'),
    command('kubectl scale deployment hello --replicas=5'),
    command('kubectl rollout restart deployment hello'),
    isRoot ? command(`docker -H unix://${path.join(dataDir, 'docker.sock')} ps`) : '',
    command(`bin/tutti status --data-dir ${dataDir}`),
    '\nCtrl-C ends the demo and removes everything it made.\n',
  ].join('');
};

async function main(): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tutti-demo-'));
  let server: ChildProcess | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stop.abort(new Error('interrupted')));
  }
  try {
    if (!isRoot)
      process.stdout.write('Not root: nodes are pretended, so pods are scheduled but there are no containers.\n');
    const port = await freePort();
    const started = startServer(dataDir, port);
    ({ server } = started);
    await step(standardOutput, 'Cluster', async (detail) => detail(`ready in ${await started.ready}`));
    await using client = await connect(dataDir);
    if (isRoot) await step(standardOutput, 'Image hello:1', () => buildImage(dataDir));
    await step(standardOutput, 'Deploy examples/hello', async (detail) =>
      detail(`${await applyExample(client)} objects`),
    );
    await step(standardOutput, 'Roll out', (detail) => untilRolledOut(client, detail));
    const url = isRoot ? await urlOf(client) : undefined;
    if (url !== undefined) {
      await step(standardOutput, 'Answer', async (detail) => detail((await untilAnswers(url)).replace(/\n/g, ' ')));
    }
    process.stdout.write(nextLines(dataDir, url));
    if (!stop.signal.aborted) await Promise.race([once(stop.signal, 'abort'), once(server, 'exit')]);
    if (!stop.signal.aborted) throw new UsageError('The server has ended by itself.', `look into ${dataDir}/logs`);
  } catch (error) {
    if (!stop.signal.aborted) {
      process.stderr.write(explain(error));
      process.exitCode = 1;
    }
  } finally {
    process.stdout.write('\n');
    await step(standardOutput, 'Clean up', async (detail) => {
      if (server !== undefined && server.exitCode === null && server.signalCode === null) {
        server.kill('SIGTERM');
        await once(server, 'exit');
      }
      const removed = await resetHost(dataDir, AbortSignal.timeout(resetMsMax));
      detail(`${removed.length} things removed`);
    });
  }
}

// Loops' timers keep no process alive; the demo ends when main() does.
const alive = setInterval(() => undefined, 2 ** 30);
await main();
clearInterval(alive);
