/** Every reader of what strangers send, one below the other. */
import { generateKeyPairSync } from 'node:crypto';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { Deployment } from '#api/apps/deployment.ts';
import { Pod } from '#api/core/pod.ts';
import { scheduleComplaint } from '#api/batch/cron-schedule.ts';
import { parseLogLine } from '#agent/logs/cri-log-line.ts';
import { decodeContinue, encodeContinue } from '#apiserver/registry/continue-token.ts';
import { negotiate } from '#apiserver/rest/negotiation.ts';
import { parseContentType } from '#apiserver/rest/media-type.ts';
import { hereBytesMax } from '#apiserver/rest/yaml-thread.ts';
import { parsePath } from '#apiserver/rest/request-path.ts';
import { base64Channels, binaryChannels } from '#client/channels.ts';
import { peekClaims, signToken, verifyToken } from '#lib/jws.ts';
import { FrameParser, SpdyProtocolError } from '#lib/spdy/frame.ts';
import { isFields } from '#machinery/apply/fields.ts';
import { mergeFields } from '#machinery/apply/merge.ts';
import { fieldsOf, ShapeError } from '#machinery/apply/to-fields.ts';
import { CelCompileError, compileCel } from '#machinery/cel/compile.ts';
import { costPerCallMax, kubernetesFunctions } from '#machinery/cel/environment.ts';
import { CelBudget } from '#machinery/cel/evaluate.ts';
import { dyn } from '#machinery/cel/types.ts';
import { CelError, fromJson } from '#machinery/cel/values.ts';
import { conform } from '#machinery/conform.ts';
import { checkFields, parseFieldSelector } from '#machinery/field-selector.ts';
import { parseImageReference } from '#machinery/image-reference.ts';
import { parseJsonPath } from '#machinery/json-path.ts';
import { duplicateFields, formatJson, parseExact, parseJson } from '#machinery/json.ts';
import { parseSelector } from '#machinery/label-selector-parser.ts';
import type { ApiObject } from '#machinery/object.ts';
import { applyJsonPatch } from '#machinery/patch/json-patch.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '#machinery/patch/strategic-merge-patch.ts';
import { encodeProtobuf, openEnvelope, readMessage } from '#machinery/protobuf.ts';
import { canonicalQuantity, parseQuantity } from '#machinery/quantity.ts';
import type { JsonSchema } from '#machinery/structural/json-schema.ts';
import { withDefaults } from '#machinery/structural/defaults.ts';
import { listTypeErrors } from '#machinery/structural/list-types.ts';
import { prune } from '#machinery/structural/prune.ts';
import { valueErrors } from '#machinery/structural/validate-value.ts';
import { canonicalTimestamp } from '#machinery/timestamp.ts';
import { parseYaml } from '#machinery/yaml.ts';
import { parseQuery } from '#network/dns/wire.ts';
import { treacherous, type Target } from './target.ts';

const labels = { app: 'web', 'example.com/tier': 'front' };
const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default', labels, annotations: { a: 'b' } },
  spec: {
    replicas: 3,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        containers: [
          {
            name: 'main',
            image: 'web:1',
            ports: [{ containerPort: 80, protocol: 'TCP' }],
            env: [{ name: 'A', value: '1' }],
            resources: { requests: { cpu: '100m', memory: '1Gi' } },
          },
        ],
      },
    },
  },
};
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', labels, creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { containers: [{ name: 'main', image: 'web:1', command: ['sh', '-c', 'true'] }] },
};
const text = (value: unknown) => JSON.stringify(value);
const jsonTokens = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  '{"a":',
  '[[',
  '"a":1,',
  '\\u0000',
  '1e999',
  '-0.0',
  'null',
  ' ',
];
const objects = [text(deployment), text(pod), '{"a":[1,2,{"b":null}],"c":9007199254740993}', '[]'];
const treacherousJson = treacherous.map((name) => `{"${name}":{"polluted":true}}`);

const json: readonly Target[] = [
  {
    name: 'JSON, with the search for repeated fields',
    seeds: [...objects, ...treacherousJson],
    tokens: jsonTokens,
    read(input) {
      const value = parseJson(input);
      duplicateFields(input, value);
      return [value, parseExact(formatJson(parseExact(input)))];
    },
    throws: [SyntaxError],
  },
  {
    name: 'YAML',
    // Longer ones are read in a thread of their own, with a deadline (apiserver/rest/yaml-thread.ts).
    bytesMax: hereBytesMax,
    seeds: ['a: [1, 2]\nb: &x {c: d}\ne: *x\n', 'a: |\n  text\n? b\n: c\n', '"a": "\\x41"\n', ...objects.slice(0, 2)],
    tokens: [
      'a: ',
      '\n',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&a ',
      '*a',
      '<<: ',
      '? ',
      ': ',
      '|\n',
      '>-\n',
      "'",
      '"',
      '#',
      '!!x ',
      '%YAML',
      '---\n',
      '  ',
    ],
    read: (input) => parseYaml(input).value,
  },
];

const objectOf = (input: string): ApiObject => {
  const value = parseJson(input);
  return typeof value === 'object' && value !== null ? value : {};
};

const bodies: readonly Target[] = [
  {
    name: 'objects of built-in kinds',
    seeds: [...objects, ...treacherous.map((name) => text({ ...deployment, metadata: { labels: { x: name } } }))],
    tokens: ['{"spec":', '{"metadata":', '"labels":{', '"containers":[{},', '{"name":"a"},', ...jsonTokens],
    read: (input) => {
      const body = objectOf(input);
      return [Deployment, Pod, EndpointSlice].map((kind) => conform(kind.schema, body).value);
    },
  },
  {
    name: 'objects in protobuf',
    isBinary: true,
    seeds: [
      Buffer.from(encodeProtobuf(Deployment.schema, deployment)).toString('latin1'),
      Buffer.from(encodeProtobuf(Pod.schema, pod)).toString('latin1'),
    ],
    tokens: [
      'k8s\0',
      '\x0a',
      '\x12',
      '\x0a\x80\x80',
      '\xff\xff\xff\xff\x0f',
      '\x0a\x02',
      '\x12\x00',
      '\x08\x01',
      '\x0b',
      '\0',
    ],
    read(_, bytes) {
      const envelope = openEnvelope(bytes);
      const kind = envelope.kind === 'Deployment' ? Deployment : Pod;
      return conform(kind.schema, readMessage(kind.schema, envelope)).value;
    },
  },
  {
    name: 'custom resources',
    seeds: [text({ spec: { list: [{ key: 'a' }], map: { a: 1 }, text: 'abc', any: { x: [1] }, port: 80 } })],
    tokens: ['{"spec":{"list":[', '{"key":"a"},', '{"key":[[', '"map":{"a":1,', '"any":', ...jsonTokens],
    read(input) {
      const body = objectOf(input);
      const { value } = prune(widget, body, Pod.schema.fields['metadata']!.schema as typeof Pod.schema);
      const defaulted = withDefaults(widget, value);
      return [defaulted, valueErrors(widget, defaulted), listTypeErrors(widget, defaulted)];
    },
  },
];

const widget: JsonSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        list: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['key'],
          items: { type: 'object', required: ['key'], properties: { key: { type: 'string', pattern: '^(a+)+$' } } },
        },
        set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
        map: { type: 'object', additionalProperties: { type: 'integer', maximum: 5 } },
        text: { type: 'string', format: 'date-time', maxLength: 5, default: 'x' },
        any: { 'x-kubernetes-preserve-unknown-fields': true },
        port: { 'x-kubernetes-int-or-string': true },
      },
    },
  },
};

const operations = [
  [{ op: 'add', path: '/spec/replicas', value: 5 }],
  [
    { op: 'copy', from: '/spec', path: '/metadata/annotations/x' },
    { op: 'test', path: '/kind', value: 'Deployment' },
  ],
  [{ op: 'move', from: '/spec/template/spec/containers/0', path: '/spec/template/spec/containers/-' }],
  ...treacherous.map((name) => [{ op: 'add', path: `/${name}/polluted`, value: true }]),
  ...treacherous.map((name) => [{ op: 'add', path: '/metadata', value: { [name]: 1 } }]),
];
const patches: readonly Target[] = [
  {
    name: 'JSON patches',
    seeds: operations.map(text),
    tokens: [
      '{"op":"copy","from":"","path":"/a"},',
      '{"op":"add","path":"/spec/template/spec/containers/0","value":{}},',
      '{"op":"test","path":"","value":{}},',
      '{"op":"remove","path":"/spec/template/spec/containers/0"},',
      '/a',
      '~1',
      ...jsonTokens,
    ],
    read: (input) => applyJsonPatch(deployment, parseJson(input)),
  },
  {
    name: 'merge patches',
    seeds: [...objects, ...treacherousJson, '{"metadata":{"labels":null}}'],
    tokens: ['{"spec":', '{"metadata":{"labels":{', 'null,', ...jsonTokens],
    read: (input) => applyMergePatch(deployment, parseJson(input)),
  },
  {
    name: 'strategic merge patches',
    seeds: [
      ...objects,
      ...treacherousJson,
      '{"spec":{"template":{"spec":{"containers":[{"name":"main","$patch":"delete"},{"name":"b"}],"$setElementOrder/containers":[{"name":"b"}]}}}}',
      '{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"$retainKeys":["name"]}}',
    ],
    tokens: [
      '{"name":"a"},',
      '{"name":"a","$patch":"delete"},',
      '"$patch":"replace",',
      '"$retainKeys":[',
      '"$setElementOrder/containers":[',
      ...jsonTokens,
    ],
    read: (input) => applyStrategicMergePatch(deployment, parseJson(input), Deployment.schema),
  },
  {
    name: 'server-side apply',
    seeds: [...objects, ...treacherousJson],
    tokens: ['{"spec":{"template":{"spec":{"containers":[', '{"name":"a"},', '{"containerPort":80},', ...jsonTokens],
    read(input) {
      const config = objectOf(input);
      return [fieldsOf(Deployment.schema, config), mergeFields(Deployment.schema, deployment, config)];
    },
    throws: [ShapeError],
  },
  {
    name: 'managedFields',
    seeds: [
      '{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\\"name\\":\\"a\\"}":{".":{}}}}}',
      '{"f:a":{"v:1":{},"i:0":{}}}',
      ...treacherousJson,
    ],
    tokens: ['{"f:a":', '"k:{\\"a\\":1}":{},', '"v:[[', '"i:9":{},', ...jsonTokens],
    read: (input) => isFields(parseJson(input)),
  },
];

const selectors: readonly Target[] = [
  {
    name: 'label selectors',
    seeds: ['app=web,tier!=back,env in (a, b),x notin (c),!gone,there', 'a==b', ''],
    tokens: ['a=b,', '!a,', 'a in (', 'b,', ')', ' ', 'notin', '=', '==', '!=', '<', '>1', '('],
    read: (input) => parseSelector(input).toString(),
  },
  {
    name: 'field selectors',
    seeds: ['metadata.name=web,spec.nodeName!=n1', 'status.phase==Running', 'a=\\,b\\=c\\\\'],
    tokens: ['a=b,', '\\', '\\,', '=', '!=', ',', 'metadata.name='],
    read(input) {
      const selector = parseFieldSelector(input);
      checkFields(selector, () => true);
      return true;
    },
  },
  {
    name: 'continue tokens',
    seeds: [
      encodeContinue({ at: undefined, from: 'default/a' }),
      Buffer.from('{"v":"meta.k8s.io/v1","rv":"9","start":"../x"}').toString('base64url'),
      ...treacherousJson.map((each) => Buffer.from(each).toString('base64url')),
    ],
    tokens: ['eyJ', 'A', '=', '-', '_', '.', 'W1', 'e3'],
    read: (input) => decodeContinue(input),
  },
  {
    name: 'request paths',
    seeds: [
      '/api/v1/namespaces/default/pods/p/log',
      '/apis/apps/v1/namespaces/a/deployments/b/scale',
      '/api/v1/namespaces/a/services/https:b:443/proxy/x%2Fy',
      '/apis/example.com/v1/%77idgets',
    ],
    tokens: ['/', '//', '/../', '/./', '%2e', '%2F', '%00', '%', ';', '/api/v1/namespaces/', '/apis/', '%25', 'é'],
    read: (input) => parsePath(input),
    throws: [URIError],
  },
  {
    name: 'content negotiation',
    seeds: [
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;q=0.5',
      'application/vnd.kubernetes.protobuf, */*;q=0.1',
      'text/html; a="b\\"c"',
    ],
    tokens: [';q=0.', ',', ';', '=', '"', '\\"', '*/*', 'application/json', ';as=Table', ' '],
    read(input) {
      parseContentType(input);
      return negotiate(input, { shapes: new Set(['object', 'Table']), encodings: ['json', 'yaml', 'protobuf'] });
    },
  },
];

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signingKey = { keyId: 'k', private: privateKey, public: publicKey };
const scalars: readonly Target[] = [
  {
    name: 'quantities',
    seeds: ['1Gi', '100m', '1.5e3', '-0.000000001', '9223372036854775807', '1E', 'Mi'],
    tokens: ['1', '0', '.', 'e', 'E', 'Ki', 'm', 'n', '-', '+', '9e9'],
    read: (input) => [parseQuantity(input).nanos, canonicalQuantity(input)],
  },
  {
    name: 'timestamps',
    seeds: ['2026-01-01T00:00:00Z', '2026-02-29T24:00:60.123456789+14:00', '0000-00-00T00:00:00-00:00'],
    tokens: ['2026', '-01', 'T', ':00', '.9', 'Z', '+', '0'],
    read: (input) => [canonicalTimestamp(input, false), canonicalTimestamp(input, true)],
  },
  {
    name: 'image names',
    seeds: ['busybox', 'localhost:5000/a/b:tag', `a@sha256:${'0'.repeat(64)}`, '[::1]:80/x', 'a__b/c-d.e'],
    tokens: ['a', '/', ':', '@', '.', '-', '_', '__', 'sha256:', '0', '[', ']'],
    read: (input) => parseImageReference(input),
  },
  {
    name: 'schedules',
    seeds: ['*/5 0-3,7 1 jan-mar 1', '@every 1h', '@hourly', 'TZ=UTC 0 0 * * *', '0 0 31 2 *'],
    tokens: ['*', '/', ',', '-', ' ', '1', '59', 'jan', '@every ', 'TZ=', '1-'],
    read: (input) => scheduleComplaint(input),
  },
  {
    name: 'paths in objects (printer columns)',
    seeds: ['.spec.a[0].b', "{.items[?(@.type=='x')].status}", '..a', ".a['b.c'][1:2:3]", '.a[*]'],
    tokens: ['.', '..', '[', ']', '[*]', '[0]', '[?(', ')]', '@.a', "'", '==', '{', '}', '[1:'],
    read: (input) => parseJsonPath(input).find(deployment).length,
    throws: [SyntaxError],
  },
  {
    name: 'tokens (JWT)',
    seeds: [signToken({ sub: 'x', aud: ['a'] }, signingKey), 'e30.e30.e30', 'eyJhbGciOiJub25lIn0.e30.'],
    tokens: ['.', 'eyJ', 'e30', '=', '-', 'A'],
    read: (input) => [peekClaims(input), verifyToken(input, [signingKey])],
  },
  {
    name: 'log lines',
    seeds: ['2026-01-01T00:00:00.123456789Z stdout F text', '2026-01-01T00:00:00Z stderr P part'],
    tokens: [' ', 'stdout', 'F', 'P:', 'T', 'Z', '\t', ':'],
    read: (input) => parseLogLine(input),
  },
];

const celEnvironment = { variables: { self: dyn, oldSelf: dyn }, functions: kubernetesFunctions };
const celBindings = { self: fromJson(deployment), oldSelf: fromJson(pod) };
const expressions: readonly Target[] = [
  {
    name: 'CEL',
    seeds: [
      'self.spec.replicas > 1 && has(self.metadata.labels) ? self.kind : "x"',
      'self.spec.template.spec.containers.all(c, c.image.matches("^(a+)+$") || c.name in ["a", "b"])',
      '[1, 2].map(x, [1, 2].filter(y, y > x)).size() == 2 && {"a": 1}["a"] == 1u',
      '"%s %d".format(["a", 1]) + b"\\x00" == r"\\n" || timestamp("2026-01-01T00:00:00Z") < timestamp("x")',
      'optional.of(1).orValue(2) + duration("1h").getHours() - quantity("1Gi").asInteger()',
      treacherous.map((name) => `self.${name}`).join(' == '),
    ],
    tokens: [
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      '.',
      '.a',
      '!',
      '-',
      '+',
      '1',
      '"',
      'a',
      '&&',
      '||',
      '? ',
      ' : ',
      'self',
      '.map(x, ',
      '.all(x, ',
      '[1].',
      ',',
      '"a".matches("',
    ],
    read(input) {
      const program = compileCel(input, celEnvironment);
      program.evaluate(celBindings, new CelBudget(costPerCallMax / 10));
      return true;
    },
    throws: [CelCompileError, CelError],
  },
];

const wires: readonly Target[] = [
  {
    name: 'SPDY frames',
    isBinary: true,
    seeds: [
      '\x80\x03\x00\x01\x01\x00\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00',
      '\x00\x00\x00\x01\x00\x00\x00\x04data',
      '\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01',
      '\x80\x03\x00\x04\x00\x00\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x64',
    ],
    tokens: [
      '\x80\x03',
      '\x00\x00\x00\x01',
      '\x00\x00\x00\x00',
      '\xff\xff\xff',
      '\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01',
      '\x00\x00\x00\x01\x00\x00\x00\x00',
      'a',
    ],
    read(_, bytes) {
      const parser = new FrameParser();
      let frames = 0;
      // As it may come: whole, and in small pieces.
      for (const _frame of parser.push(bytes)) frames++;
      const slow = new FrameParser();
      for (let at = 0; at < bytes.length; at += 61)
        for (const _frame of slow.push(bytes.subarray(at, at + 61))) frames++;
      return frames;
    },
    throws: [SpdyProtocolError],
  },
  {
    name: 'channel messages',
    isBinary: true,
    seeds: ['\x00input', '\x04{"Width":80,"Height":24}', '\xff\x00', '0aW5wdXQ='],
    tokens: ['\x00', '\x04', '\xff', '0', 'aW5', '=', '{"Width":', '-'],
    read: (_, bytes) => [binaryChannels.decode(bytes)[0], base64Channels.decode(bytes)[0]],
  },
  {
    name: 'DNS messages',
    isBinary: true,
    seeds: [
      '\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03web\x07default\x03svc\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00',
      '\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01',
    ],
    tokens: ['\xc0\x0c', '\x01a', '\x3f', '\x00', '\x00\x01', '\x00\x29', '\xff', '\x40'],
    read: (_, bytes) => parseQuery(bytes) === undefined,
  },
];

export const targets: readonly Target[] = [
  ...json,
  ...bodies,
  ...patches,
  ...selectors,
  ...scalars,
  ...expressions,
  ...wires,
];
