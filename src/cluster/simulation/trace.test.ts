import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateTrace, generatorDefaults } from './generate.ts';
import { parseTrace, traceText } from './trace.ts';

const header = '{"trace":"tutti.dev/trace/1"}';
const pod = (more = '') =>
  `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"main","image":"web:1"}]}${more}}`;

test('a trace is read line by line, and what is not said has its default', () => {
  const lines = [
    header,
    '{"at":0,"do":"nodes","count":2,"cpu":"8","memory":"32Gi"}',
    '',
    `{"at":1.5,"do":"create","object":${pod()},"count":3}`,
    '{"at":2,"do":"scale","apiVersion":"apps/v1","kind":"Deployment","name":"web","replicas":4}',
    '{"at":2,"do":"fail","nodes":["sim-00001"]}',
    '{"at":9,"do":"recover","nodes":["sim-00001"]}',
    '{"at":10,"do":"delete","apiVersion":"v1","kind":"Node","name":"sim-00002"}',
  ];
  const events = parseTrace(lines.join('\n'), 'trace.jsonl');
  assert.deepEqual(
    events.map((event) => [event.at, event.do]),
    [
      [0, 'nodes'],
      [1_500, 'create'],
      [2_000, 'scale'],
      [2_000, 'fail'],
      [9_000, 'recover'],
      [10_000, 'delete'],
    ],
  );
  const [nodes, create, scale, , , remove] = events;
  assert.deepEqual(nodes?.do === 'nodes' && nodes.shape, { count: 2, cpu: '8', memory: '32Gi' });
  assert.equal(create?.do === 'create' && create.object.metadata?.namespace, 'default');
  assert.deepEqual(scale?.do === 'scale' && scale.of.ref, { namespace: 'default', name: 'web' });
  assert.deepEqual(remove?.do === 'delete' && remove.of.ref, { name: 'sim-00002' });
});

test('what is wrong with a line is said with its number, its field and the way out', () => {
  const cases: readonly (readonly [line: string, why: RegExp])[] = [
    ['nonsense', /line 2: no JSON: /],
    ['[]', /line 2: an event is a JSON object$/],
    ['{"do":"fail","nodes":["a"]}', /line 2: "at" must be seconds from the beginning, from 0 to \d+, not undefined$/],
    ['{"at":-1,"do":"fail","nodes":["a"]}', /"at" must be seconds .* not -1$/],
    ['{"at":0,"do":"explode"}', /"do" must be one of nodes, create, scale, delete, fail, recover, not "explode"$/],
    ['{"at":0,"do":"toString"}', /"do" must be one of/],
    ['{"at":0,"do":"fail","nodes":["a"],"why":"x"}', /"fail" has no field "why", but nodes$/],
    ['{"at":0,"do":"fail","nodes":[]}', /"nodes" must be a list of names$/],
    ['{"at":0,"do":"nodes"}', /"count" must be a whole number from 1 to \d+, not undefined$/],
    ['{"at":0,"do":"nodes","count":1,"cpu":"much"}', /"cpu" must be a quantity such as "4" or "16Gi", not "much"$/],
    ['{"at":0,"do":"nodes","count":1,"extended":{"gpu":1}}', /"extended" must be an object of texts$/],
    [
      '{"at":0,"do":"nodes","count":1,"namePrefix":"A_"}',
      /"namePrefix" must be the beginning of a node's name, not "A_"$/,
    ],
    ['{"at":0,"do":"nodes","count":1,"taints":[{"key":"a"}]}', /"taints" must be a list of \{key, value, effect\}$/],
    ['{"at":0,"do":"create","object":{"kind":"Pod"}}', /apiVersion undefined and kind "Pod" name no built-in kind$/],
    ['{"at":0,"do":"create","object":{"apiVersion":"v1","kind":"Pod"}}', /"object" has no metadata.name$/],
    [`{"at":0,"do":"create","object":${pod()},"count":0}`, /"count" must be a whole number from 1 to \d+, not 0$/],
    ['{"at":0,"do":"scale","apiVersion":"v1","kind":"Pod","name":"a","replicas":1}', /a Pod has no replicas$/],
    ['{"at":0,"do":"delete","apiVersion":"v1","kind":"Pod","name":""}', /"name" must name the object$/],
  ];
  for (const [line, why] of cases) {
    assert.throws(() => parseTrace(`${header}\n${line}\n`, 'trace.jsonl'), { name: 'TraceError', message: why }, line);
  }
  assert.throws(() => parseTrace('', 'trace.jsonl'), /line 1: a trace begins with \{"trace":"tutti\.dev\/trace\/1"\}$/);
  const late = ['{"at":5,"do":"fail","nodes":["a"]}', '{"at":4,"do":"recover","nodes":["a"]}'];
  assert.throws(
    () => parseTrace([header, ...late].join('\n'), 'trace.jsonl'),
    /line 3: "at" is 4, but the event before is at 5: sort the lines by time$/,
  );
});

test('one seed makes one trace, which reads back as it was made', () => {
  const options = { ...generatorDefaults, nodes: 20, pods: 300, failures: 3 };
  const events = generateTrace(options);
  assert.deepEqual(generateTrace(options), events);
  assert.notDeepEqual(generateTrace({ ...options, seed: 2 }), events);
  assert.deepEqual(parseTrace(traceText(events), 'trace.jsonl'), events);
  const replicas = events.map((event) => {
    if (event.do !== 'create' || event.kind.kind === 'Namespace') return 0;
    return event.count ?? (event.object as unknown as { spec: { replicas: number } }).spec.replicas;
  });
  assert.equal(
    replicas.reduce((sum, count) => sum + count, 0),
    300,
  );
});
