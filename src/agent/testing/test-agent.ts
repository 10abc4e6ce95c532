import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { Pod } from '#api/core/pod.ts';
import { FakeClient } from '#client/testing/fake-client.ts';
import type { WriteOptions } from '#client/client.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog, type Log } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { startAgent, type Agent } from '../agent.ts';
import { criStreaming } from '../cri-streaming.ts';
import { layerOfDirectory, writeImageArchive } from '../image-archive.ts';
import { importImage } from '../image-import.ts';
import { agentPaths } from '../paths.ts';
import { removeNode } from '../remove-node.ts';

/** Issues tokens as the API server does, which the fake does not know. */
class TokenClient extends FakeClient {
  #issued = 0;

  override async create<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    if (options.subresource !== 'token') return super.create(kind, object, options);
    const expirationTimestamp = new Date(Date.now() + 3_600_000).toISOString();
    return { ...object, status: { token: `token-${++this.#issued}`, expirationTimestamp } };
  }
}

/** A node of its own for tests: real containers, an API in memory, everything in a directory that goes away. */
export interface TestAgent extends AsyncDisposable {
  readonly client: FakeClient;
  readonly dataDir: string;
  readonly agent: Agent;
  /** Name of an image with busybox in it. */
  readonly image: string;
  /** Stops the agent and starts another one on the same data. */
  restart(): Promise<void>;
  create(pod: Pod): Promise<Pod>;
  /** Waits until the pod fulfils `condition`; undefined stands for a pod that is gone. */
  until(name: string, condition: (pod: Pod | undefined) => boolean, what: string): Promise<Pod | undefined>;
  logs(name: string, container?: string): Promise<string>;
}

export const testNode = 'node-under-test';
const waitMsMax = 40_000;

/** Keeps the event loop alive: timers of the code under test do not. */
export async function startTestAgent(log: Log = silentLog): Promise<TestAgent> {
  const alive = setInterval(() => {}, 1000);
  const dataDir = await mkdtemp(join(tmpdir(), 'tutti-agent-'));
  const bridge = `tt${randomBytes(4).toString('hex')}`;
  const subnet = `10.${200 + ((randomBytes(1)[0] ?? 0) % 50)}.${randomBytes(1)[0]}.0/24`;
  const { cniConf } = agentPaths(dataDir);
  await mkdir(cniConf, { recursive: true });
  await writeFile(join(cniConf, '10-test.conflist'), JSON.stringify(conflist(bridge, subnet)));
  const client = new TokenClient(systemClock);
  const open = () =>
    startAgent({
      client,
      clock: systemClock,
      log,
      nodeName: testNode,
      dataDir,
      network: { ready: async () => {} },
      dns: { servers: ['10.96.0.10'], domain: 'cluster.local' },
      version: 'v1.35.0',
      hostIps: ['127.0.0.1'],
      streaming: criStreaming(systemClock),
    });
  let agent: Agent | undefined;
  const clean = async () => {
    await agent?.[Symbol.asyncDispose]();
    await removeNode({ dataDir, clock: systemClock, log, signal: AbortSignal.timeout(60_000), graceSeconds: 0 });
    spawnSync('ip', ['link', 'del', bridge]);
    await rm(`/run/${bridge}`, { recursive: true, force: true });
    await rm(dataDir, { recursive: true, force: true });
    clearInterval(alive);
  };
  try {
    agent = await open();
    const image = await busyboxImage(agent.runtimeSocket, dataDir);
    return {
      client,
      dataDir,
      image,
      get agent() {
        if (agent === undefined) throw new Error('the agent is stopped');
        return agent;
      },
      async restart() {
        await agent?.[Symbol.asyncDispose]();
        agent = await open();
      },
      create: (pod) => client.create(Pod, pod, { signal: AbortSignal.timeout(waitMsMax) }),
      async until(name, condition, what) {
        const deadline = Date.now() + waitMsMax;
        for (;;) {
          const pod = client.all(Pod).find(({ metadata }) => metadata?.name === name);
          if (condition(pod)) return pod;
          if (Date.now() > deadline) throw new Error(`${name}: not ${what}: ${JSON.stringify(pod?.status, null, 1)}`);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      },
      async logs(name, container) {
        if (agent === undefined) throw new Error('the agent is stopped');
        const options = { signal: AbortSignal.timeout(waitMsMax), ...(container === undefined ? {} : { container }) };
        const chunks = await (await agent.streams.logs({ namespace: 'default', name }, options)).toArray();
        return Buffer.concat(chunks as Buffer[]).toString();
      },
      [Symbol.asyncDispose]: clean,
    };
  } catch (error) {
    await clean();
    throw error;
  }
}

/** A pod on the test node; `spec` may name anything but the node. */
export function testPod(name: string, spec: Pod['spec'], metadata: NonNullable<Pod['metadata']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name, namespace: 'default' },
    spec: { nodeName: testNode, terminationGracePeriodSeconds: 2, enableServiceLinks: true, ...spec },
    status: { phase: 'Pending' },
  };
}

function conflist(bridge: string, subnet: string) {
  return {
    cniVersion: '0.4.0',
    name: bridge,
    plugins: [
      {
        type: 'bridge',
        bridge,
        isGateway: true,
        ipMasq: false,
        ipam: { type: 'host-local', ranges: [[{ subnet }]], routes: [{ dst: '0.0.0.0/0' }], dataDir: `/run/${bridge}` },
      },
    ],
  };
}

const applets = [
  'sh',
  'sleep',
  'echo',
  'cat',
  'id',
  'ls',
  'env',
  'httpd',
  'nc',
  'true',
  'false',
  'kill',
  'stat',
  'hostname',
  'touch',
  'dd',
  'mkdir',
  'ln',
  'test',
  'cut',
  'readlink',
];

async function busyboxImage(socket: string, dataDir: string): Promise<string> {
  const root = join(dataDir, 'image');
  await mkdir(join(root, 'bin'), { recursive: true });
  await mkdir(join(root, 'tmp'), { mode: 0o777 });
  await mkdir(join(root, 'etc'));
  await writeFile(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n');
  await copyFile('/usr/bin/busybox', join(root, 'bin', 'busybox'));
  for (const applet of applets) await symlink('busybox', join(root, 'bin', applet));
  const file = join(dataDir, 'image.tar');
  const { name } = await writeImageArchive(
    'test.local/busybox:1',
    await layerOfDirectory(root),
    { cmd: ['/bin/sh'] },
    file,
  );
  await importImage(socket, file, AbortSignal.timeout(waitMsMax));
  return name;
}
