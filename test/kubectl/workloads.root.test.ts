import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Outcome } from '../support/command.ts';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { loadImages } from './images.ts';
import { Kubectl } from './kubectl.ts';

const skip = unless('root', 'containerd', 'cni', 'nft', 'kubectl');
let cluster: Tutti;

before(async () => {
  if (skip !== false) return;
  cluster = await Tutti.up();
  await loadImages(cluster);
});
after(async () => {
  if (skip === false) await cluster[Symbol.asyncDispose]();
});

/** A namespace with a Deployment `web` behind a Service of its name, and a pod `client` to ask it from. */
async function withWeb(namespace: string): Promise<Kubectl> {
  const kubectl = await Kubectl.in(cluster, namespace);
  await kubectl.ok('create deployment web --image=web:1 --replicas=2 --port=8080');
  await kubectl.ok('expose deployment web --port=80 --target-port=8080');
  await kubectl.ok('run client --image=box:1');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  await kubectl.ok('wait --for=condition=Ready pod/client --timeout=30s');
  return kubectl;
}

/** Waits until the Service `web` answers `text`. */
async function answers(kubectl: Kubectl, text: string): Promise<void> {
  let last: Outcome | undefined;
  try {
    await until(`the service answers ${text}`, async () => {
      last = await kubectl.outcome('exec client -- timeout 2 wget -qO- http://web');
      return last.stdout === `${text}\n`;
    });
  } catch (error) {
    throw new Error(`The service does not answer ${text}, but: ${JSON.stringify(last)}`, { cause: error });
  }
}

test('kubectl create and expose give a deployment that answers by its name', { skip }, async () => {
  const kubectl = await withWeb('expose');
  await answers(kubectl, 'one');
  assert.match(await kubectl.ok('exec client -- nslookup web.expose.svc.cluster.local'), /^Address: 10\./m);
  const [ip] = (await kubectl.value('{.spec.clusterIP}', 'service web')).split(' ');
  assert.match(await kubectl.ok('get service web --no-headers'), new RegExp(`^web +ClusterIP +${ip} +<none> +80/TCP`));
  assert.equal(
    await kubectl.value('{.subsets[0].addresses[*].ip}', 'endpoints web').then((ips) => ips.split(' ').length),
    2,
  );
  await kubectl.ok('expose deployment web --name=outside --type=NodePort --port=8080');
  const [port, node] = [
    await kubectl.value('{.spec.ports[0].nodePort}', 'service outside'),
    await kubectl.value('{.items[0].status.addresses[0].address}', 'nodes'),
  ];
  await until('the node port answers', async () => (await (await fetch(`http://${node}:${port}/`)).text()) === 'one\n');
});

test('kubectl scale changes how many run, and only from the count it was told', { skip }, async () => {
  const kubectl = await withWeb('scale');
  await kubectl.ok('scale deployment web --replicas=4');
  await kubectl.ok('wait deployment/web --timeout=30s', '--for=jsonpath={.status.readyReplicas}=4');
  assert.equal((await kubectl.ok('get pods -l app=web -o name')).trim().split('\n').length, 4);
  const wrong = await kubectl.outcome('scale deployment web --current-replicas=9 --replicas=1');
  assert.match(wrong.stderr, /Expected replicas to be 9, was 4/);
  await kubectl.ok('scale deployment web --current-replicas=4 --replicas=0');
  await kubectl.ok('wait --for=delete pods -l app=web --timeout=30s');
  const refused = await kubectl.outcome('exec client -- wget -qO- http://web');
  assert.match(refused.stderr, /refused/, 'a service without endpoints refuses at once');
  await kubectl.ok('scale deployment/web --replicas=1');
  await answers(kubectl, 'one');
});

test('kubectl rollout shows, undoes, restarts, pauses and resumes roll-outs', { skip }, async () => {
  const kubectl = await withWeb('rollout');
  await kubectl.ok('annotate deployment web kubernetes.io/change-cause=first');
  await kubectl.ok('set image deployment/web web=web:2');
  await kubectl.ok('annotate deployment web kubernetes.io/change-cause=second --overwrite');
  assert.match(
    await kubectl.ok('rollout status deployment/web --timeout=30s'),
    /deployment "web" successfully rolled out\n$/,
  );
  await answers(kubectl, 'two');
  assert.match(await kubectl.ok('rollout history deployment/web'), /^1 +first\n2 +second$/m);
  assert.match(await kubectl.ok('rollout history deployment/web --revision=1'), /Image:\s+web:1/);

  assert.equal(await kubectl.ok('rollout undo deployment/web'), 'deployment.apps/web rolled back\n');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  await answers(kubectl, 'one');
  await kubectl.ok('rollout undo deployment/web --to-revision=2');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  await answers(kubectl, 'two');
  assert.match(
    (await kubectl.outcome('rollout undo deployment/web --to-revision=77')).stderr,
    /unable to find specified revision 77/,
  );

  const earlier = await kubectl.value('{.items[*].metadata.name}', 'pods -l app=web');
  await kubectl.ok('rollout restart deployment/web');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  await until('the pods before are gone', async () => {
    const now = (await kubectl.value('{.items[*].metadata.name}', 'pods -l app=web')).split(' ');
    return now.length === 2 && now.every((name) => !earlier.includes(name));
  });

  await kubectl.ok('rollout pause deployment/web');
  await kubectl.ok('set image deployment/web web=web:1');
  await until('the pause is seen', async () => {
    const [observed, generation] = (
      await kubectl.value('{.status.observedGeneration} {.metadata.generation}', 'deployment web')
    ).split(' ');
    return observed === generation;
  });
  assert.equal(
    await kubectl.value('{.status.updatedReplicas}', 'deployment web'),
    '',
    'a paused deployment rolls nothing',
  );
  await answers(kubectl, 'two');
  assert.match((await kubectl.outcome('rollout restart deployment/web')).stderr, /can't restart paused deployment/);
  await kubectl.ok('rollout resume deployment/web');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  await answers(kubectl, 'one');

  await kubectl.ok('patch deployment web -p', '{"spec":{"progressDeadlineSeconds":1}}');
  await kubectl.ok('set image deployment/web web=no-such.invalid/image:1');
  const stuck = await kubectl.outcome('rollout status deployment/web --timeout=20s');
  assert.match(stuck.stderr, /deployment "web" exceeded its progress deadline/);
  await answers(kubectl, 'one');
  await until('the reason is shown', async () => /ErrImagePull|ImagePullBackOff/.test(await kubectl.ok('get pods')));
  await kubectl.ok('rollout undo deployment/web');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
});

test('kubectl set image, env and resources reach the containers', { skip }, async () => {
  const kubectl = await withWeb('set');
  await kubectl.ok('create configmap settings --from-literal=COLOUR=blue');
  await kubectl.ok('set env deployment/web GREETING=hello');
  await kubectl.ok('set env deployment/web --from=configmap/settings');
  await kubectl.ok('set resources deployment/web --limits=cpu=200m,memory=64Mi --requests=cpu=20m,memory=16Mi');
  await kubectl.ok('set image deployment/web web=web:2');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  assert.match(await kubectl.ok('set env deployment/web --list'), /^GREETING=hello$/m);
  assert.equal(await kubectl.ok('exec deployment/web -- sh -c', 'echo $GREETING $COLOUR'), 'hello blue\n');
  assert.equal(await kubectl.ok('exec deployment/web -- wget -qO- http://localhost:8080'), 'two\n');
  const limit = 'cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes';
  assert.equal(await kubectl.ok('exec deployment/web -- sh -c', limit), `${64 * 1024 * 1024}\n`);
  const pod = await kubectl.value('{.items[0].status.qosClass}', 'pods -l app=web');
  assert.equal(pod, 'Burstable');
  await kubectl.ok('set env deployment/web GREETING-');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  assert.equal(await kubectl.ok('exec deployment/web -- sh -c', 'echo $GREETING $COLOUR'), 'blue\n');
  await kubectl.ok('create serviceaccount robot');
  await kubectl.ok('set serviceaccount deployment web robot');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  assert.match(
    await kubectl.ok('exec deployment/web -- cat /var/run/secrets/kubernetes.io/serviceaccount/namespace'),
    /^set$/,
  );
});

test('kubectl delete takes along what an object owns, or leaves it, as asked', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'cascade');
  await kubectl.ok('create deployment background --image=web:1');
  await kubectl.ok('create deployment foreground --image=web:1');
  await kubectl.ok('create deployment orphan --image=web:1');
  await kubectl.ok('wait --for=condition=Available deployment --all --timeout=30s');

  await kubectl.ok('delete deployment foreground --cascade=foreground');
  assert.equal(
    await kubectl.ok('get pods,replicasets -l app=foreground -o name'),
    '',
    'foreground: gone before its owner',
  );
  await kubectl.ok('delete deployment background');
  await until(
    'background: gone soon after',
    async () => (await kubectl.ok('get pods,replicasets -l app=background -o name')) === '',
  );

  const pod = await kubectl.ok('get pods -l app=orphan -o name');
  await kubectl.ok('delete deployment orphan --cascade=orphan');
  await until(
    'its replica set has no owner',
    async () => (await kubectl.value('{.items[0].metadata.ownerReferences}', 'replicasets -l app=orphan')) === '',
  );
  await kubectl.ok('create deployment orphan --image=web:1');
  await kubectl.ok('wait --for=condition=Available deployment orphan --timeout=30s');
  await until(
    'a new owner adopts it',
    async () =>
      (await kubectl.value('{.items[0].metadata.ownerReferences[0].name}', 'replicasets -l app=orphan')) === 'orphan',
  );
  assert.equal(await kubectl.ok('get pods -l app=orphan -o name'), pod);
});

test('kubectl delete gives pods the time they are due, and no more', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'grace');
  const stubborn = (name: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { kind: stubborn } }
spec: { containers: [{ name: c, image: box:1, command: [sh, -c, 'trap "echo asked" TERM; while true; do sleep 0.2; done'] }] }
`;
  await kubectl.fed(['patient', 'now', 'force', 'a', 'b'].map(stubborn).join('---'), 'apply -f -');
  await kubectl.ok('run polite --image=box:1');
  await kubectl.ok('wait --for=condition=Ready pod --all --timeout=30s');
  const took = async (line: string) => {
    const start = performance.now();
    await kubectl.ok(line);
    return performance.now() - start;
  };
  assert.ok((await took('delete pod polite')) < 5_000, 'who ends when asked is not waited for');
  {
    await using log = kubectl.start('logs -f patient');
    const ms = await took('delete pod patient --grace-period=2');
    assert.ok(ms >= 1_900 && ms < 8_000, `${ms} ms of 2 s`);
    await log.printed(/^asked$/m);
  }
  const now = await took('delete pod now --now');
  assert.ok(now < 5_000, `${now} ms of 1 s`);
  await kubectl.ok('delete pod force --force --grace-period=0');
  assert.equal((await kubectl.outcome('get pod force')).code, 1);
  assert.match(
    await kubectl.ok('delete pod -l kind=stubborn --now --wait=false'),
    /^pod "a" deleted\npod "b" deleted\n$/,
  );
  await kubectl.ok('wait --for=delete pod -l kind=stubborn --timeout=20s');
  assert.match((await kubectl.outcome('delete pod none')).stderr, /pods "none" not found/);
  assert.equal(await kubectl.ok('delete pod none --ignore-not-found'), '');
});

test('kubectl delete namespace ends everything in it', { skip }, async () => {
  const kubectl = await withWeb('doomed');
  await kubectl.ok('create configmap c');
  await cluster.kubectl(['delete', 'namespace', 'doomed', '--timeout=40s']);
  assert.equal(
    await cluster.kubectl(['get', 'pods,services,configmaps,deployments', '-n', 'doomed', '-o', 'name']),
    '',
  );
  await Kubectl.in(cluster, 'doomed');
  assert.equal(await kubectl.ok('get deployments -o name'), '');
});
