import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RawApi } from '../support/api.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

let cluster: Tutti;
let api: RawApi;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '1']);
  api = await RawApi.open(cluster.kubeconfig);
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

const configMaps = '/api/v1/namespaces/default/configmaps';
const scrape = async (path = '/metrics') => (await api.send('GET', path)).text;
/** The value of the one series that `labels` (as they are written) name. */
function valueOf(text: string, name: string, labels = ''): number {
  const line = text.split('\n').find((each) => each.startsWith(`${name}${labels === '' ? ' ' : `{${labels}}`}`));
  return Number(line?.slice(line.lastIndexOf(' ') + 1) ?? Number.NaN);
}

test('requests are counted under the names and labels of upstream', async () => {
  await api.json('POST', configMaps, { metadata: { name: 'one' } });
  await api.json('POST', `${configMaps}?dryRun=All`, { metadata: { name: 'two' } });
  await api.send('GET', `${configMaps}/none`);
  await api.json('GET', configMaps);
  await api.send('GET', `${configMaps}?resourceVersion=99999999`);
  const text = await scrape();
  const place = 'group="",version="v1",resource="configmaps",subresource=""';
  const total = (verb: string, dry: string, scope: string, code: number) =>
    valueOf(
      text,
      'apiserver_request_total',
      `verb="${verb}",dry_run="${dry}",${place},scope="${scope}",component="apiserver",code="${code}"`,
    );
  assert.equal(total('POST', '', 'resource', 201), 1);
  assert.equal(total('POST', 'All', 'resource', 201), 1);
  assert.equal(total('GET', '', 'resource', 404), 1);
  assert.equal(total('LIST', '', 'namespace', 200), 1);
  const list = `verb="LIST",${place},scope="namespace",component="apiserver"`;
  assert.equal(valueOf(text, 'apiserver_request_terminations_total', `${list},code="504"`), 1);
  assert.equal(valueOf(text, 'apiserver_request_sli_duration_seconds_count', list), 2);
  assert.equal(valueOf(text, 'apiserver_response_sizes_count', list), 2);
  const dried = `verb="LIST",dry_run="",${place},scope="namespace",component="apiserver"`;
  assert.equal(valueOf(text, 'apiserver_request_duration_seconds_bucket', `${dried},le="60"`), 2);
  assert.ok(valueOf(text, 'apiserver_storage_objects', 'resource="configmaps"') >= 2);
  assert.ok(valueOf(text, 'apiserver_current_inflight_requests', 'request_kind="readOnly"') >= 1);
});

test('watches are counted while they last, and their events', async () => {
  const labels =
    'verb="WATCH",group="",version="v1",resource="nodes",subresource="",scope="cluster",component="apiserver"';
  const earlier = await scrape();
  const sent = 'group="",version="v1",resource="nodes"';
  const lasting = async () => valueOf(await scrape(), 'apiserver_longrunning_requests', labels);
  const watching = api.watch('/api/v1/nodes?timeoutSeconds=2');
  await until('the watch is counted', async () => (await lasting()) === 1);
  const events = await watching;
  // The server learns of the end of a reply after its client does.
  await until('the watch is counted no more', async () => (await lasting()) === 0);
  const later = await scrape();
  const was = valueOf(earlier, 'apiserver_watch_events_total', sent);
  assert.equal(valueOf(later, 'apiserver_watch_events_total', sent), (Number.isNaN(was) ? 0 : was) + events.length);
});

test('queues, the process and the build tell of themselves', async () => {
  const text = await scrape();
  for (const name of ['workqueue_adds_total', 'workqueue_work_duration_seconds_count']) {
    assert.match(text, new RegExp(`^${name}\\{name="[^"]+"\\} [1-9]`, 'm'));
  }
  assert.match(text, /^workqueue_depth\{name="[^"]+"\} \d+$/m);
  assert.match(text, /^kubernetes_build_info\{[^}]*git_version="v1\.35[^}]*\} 1$/m);
  for (const name of ['cpu_seconds_total', 'resident_memory_bytes', 'open_fds', 'max_fds', 'start_time_seconds']) {
    assert.ok(valueOf(text, `process_${name}`) > 0, name);
  }
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) assert.match(line, /^[a-z_]+(\{[^}]*\})? -?[\d.e+-]+(Inf|NaN)?$/i);
  const families = text.match(/^# TYPE \S+/gm) ?? [];
  assert.equal(new Set(families).size, families.length, 'each family once');
});

test('health has named checks, which can be asked for one by one and left out, and are kept as SLIs', async () => {
  const verbose = (await api.send('GET', '/readyz?verbose')).text;
  for (const name of ['ping', 'log', 'etcd', 'informer-sync', 'shutdown']) {
    assert.match(verbose, new RegExp(`\\[\\+\\]${name} ok\n`));
    assert.equal((await api.send('GET', `/readyz/${name}`)).text, 'ok');
  }
  assert.equal((await api.send('GET', '/livez/shutdown')).code, 404);
  const without = await api.send('GET', '/readyz?verbose&exclude=etcd&exclude=nothing');
  assert.match(
    without.text,
    /\[\+\]etcd excluded: ok\n[^]*warn: some health checks cannot be excluded: no matches for "nothing"\nreadyz check passed\n$/,
  );
  const slis = await scrape('/metrics/slis');
  assert.equal(valueOf(slis, 'kubernetes_healthcheck', 'name="etcd",type="readyz"'), 1);
  assert.ok(valueOf(slis, 'kubernetes_healthchecks_total', 'name="ping",status="success",type="readyz"') >= 2);
});
