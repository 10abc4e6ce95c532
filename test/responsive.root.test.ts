import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { after, before, test } from 'node:test';
import { RawApi } from './support/api.ts';
import { unless } from './support/needs.ts';
import { Tutti } from './support/tutti.ts';

const skip = unless('root', 'containerd', 'cni', 'nft', 'kubectl');
const loadMs = 8_000;
const writers = 32;
const createsMin = 1_000;
const questionsMin = 200;
const askEveryMs = 5;
const dnsService = '10.96.0.10';

const manifest = `
apiVersion: v1
kind: Pod
metadata: {name: probed, labels: {app: probed}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: responsive:1
    command: [httpd, -f, -p, "8080", -h, /www]
    ports: [{containerPort: 8080}]
    livenessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1}
    readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Service
metadata: {name: probed}
spec: {selector: {app: probed}, ports: [{port: 80, targetPort: 8080}]}
`;

let cluster: Tutti;
before(async () => {
  if (skip !== false) return;
  cluster = await Tutti.up();
  await cluster.busyboxImage('responsive:1', { 'www/index.html': 'ok\n' });
  await cluster.apply(manifest);
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/probed', '--timeout=30s']);
});
after(async () => {
  if (skip === false) await cluster[Symbol.asyncDispose]();
});

interface PodStatus {
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly lastTransitionTime: string;
  }[];
  readonly containerStatuses: readonly [{ readonly restartCount: number; readonly ready: boolean }];
}

test(
  'while the API takes creates as fast as it can, DNS answers every question and no probe fails',
  { skip },
  async (t) => {
    using api = await RawApi.open(cluster.kubeconfig);
    const status = () => api.json<{ status: PodStatus }>('GET', '/api/v1/namespaces/default/pods/probed');
    const { clusterIP } = (
      await api.json<{ spec: { clusterIP: string } }>('GET', '/api/v1/namespaces/default/services/probed')
    ).spec;
    const earlier = (await status()).status;
    const end = performance.now() + loadMs;

    let creates = 0;
    const load = Array.from({ length: writers }, async (_, writer) => {
      for (let i = 0; performance.now() < end; i++) {
        const metadata = { name: `load-${writer}-${i}` };
        const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { text: 'x'.repeat(1_000) } };
        await api.json('POST', '/api/v1/namespaces/default/configmaps', body);
        creates++;
      }
    });
    // One try of a second: a question that is lost or late counts as failed.
    const resolver = new Resolver({ timeout: 1_000, tries: 1 });
    resolver.setServers([dnsService]);
    let questions = 0;
    const failures: string[] = [];
    const asking = (async () => {
      while (performance.now() < end) {
        questions++;
        try {
          assert.deepEqual(await resolver.resolve4('probed.default.svc.cluster.local'), [clusterIP]);
        } catch (error) {
          failures.push(String(error));
        }
        await new Promise((resolve) => setTimeout(resolve, askEveryMs));
      }
    })();
    await Promise.all([...load, asking]);

    t.diagnostic(`${Math.round((creates / loadMs) * 1_000)} creates/s beside ${questions} questions`);
    assert.ok(creates >= createsMin, `only ${creates} creates: the API was not loaded`);
    assert.ok(questions >= questionsMin, `only ${questions} questions`);
    assert.deepEqual(failures, []);
    const { conditions, containerStatuses } = (await status()).status;
    assert.deepEqual(conditions, earlier.conditions, 'the pod was unready meanwhile');
    assert.equal(containerStatuses[0].restartCount, 0);
    const events = await cluster.kubectl(['get', 'events', '--field-selector', 'reason=Unhealthy', '-o', 'name']);
    // The first readiness probe may come before httpd listens; a liveness failure would have restarted it.
    assert.ok(events.trim().split('\n').length <= 1, events);
  },
);
