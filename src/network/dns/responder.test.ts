import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type Packet, type RecordType } from 'dns-packet';
import { assert as holds, integer, nat, property, uint8Array } from 'fast-check';
import type { ServiceSpec } from '#api/core/types.generated.ts';
import { FakeInformers, service, slice } from '../lab/fixtures.ts';
import { parseBlock } from '../ipv4.ts';
import { ServiceIndex } from '../service-index.ts';
import type { OutgoingQuestion } from './exchange.ts';
import { responder } from './responder.ts';
import { keyOfQuestion, parseReply, questionOf, types } from './wire.ts';
import { Zone } from './zone.ts';

const signal = new AbortController().signal;
const facts = {
  domain: 'cluster.local',
  dnsIp: '10.96.0.10',
  ownBlocks: [parseBlock('10.244.0.0/16'), parseBlock('10.96.0.0/12')],
};

function cluster(forward: (question: OutgoingQuestion) => Buffer | undefined = () => undefined, random = () => 0.999) {
  const informers = new FakeInformers();
  const index = new ServiceIndex(informers);
  const zone = new Zone(index);
  index.start();
  const asked: string[] = [];
  const ask = async (question: OutgoingQuestion) => {
    asked.push(
      decode(Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), question.question])).questions?.[0]
        ?.name ?? '',
    );
    return forward(question);
  };
  const respond = responder({ zone, facts, forwarder: { ask }, random });
  const raw = async (packet: Partial<Packet>, transport: 'udp' | 'tcp' = 'udp') => {
    const message = encode({ type: 'query', id: 7, flags: 0x0100, ...packet });
    const reply = await respond(message, transport, signal);
    assert.ok(reply);
    return reply;
  };
  const ask1 = async (
    name: string,
    type: RecordType = 'A',
    transport: 'udp' | 'tcp' = 'udp',
    more: Partial<Packet> = {},
  ) => {
    const reply = decode(await raw({ questions: [{ name, type }], ...more }, transport));
    const text = (all: Packet['answers']) =>
      (all ?? []).map((one) =>
        `${one.name} ${one.type} ${'data' in one ? JSON.stringify(one.data).replaceAll('"', '') : ''}`.trim(),
      );
    const { rcode } = reply as { rcode?: string };
    return {
      code: rcode,
      answers: text(reply.answers),
      more: text(reply.additionals),
      soa: text(reply.authorities).length,
      reply,
    };
  };
  return {
    informers,
    zone,
    asked,
    respond,
    raw,
    ask: ask1,
    set: (...objects: readonly object[]) => objects.forEach((one) => informers.set(one)),
  };
}

const svc = (name: string, spec: Partial<ServiceSpec>) => service(name, spec);
const web = svc('web', { clusterIP: '10.96.1.1', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] });
const headless = svc('db', { clusterIP: 'None', ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] });
const dbSlice = slice(
  'db',
  [{ name: 'sql', port: 5432, protocol: 'TCP' }],
  [
    { ip: '10.244.0.2', hostname: 'db-0' },
    { ip: '10.244.0.3', hostname: 'db-1' },
    { ip: '10.244.0.4' },
    { ip: '10.244.0.5', conditions: { ready: false } },
  ],
);

test('a service with a cluster IP has A, SRV and PTR records, and an empty AAAA', async () => {
  const dns = cluster();
  dns.set(web);
  const name = 'web.default.svc.cluster.local';
  assert.deepEqual((await dns.ask(name)).answers, [`${name} A 10.96.1.1`]);
  const srv = await dns.ask(`_http._tcp.${name}`, 'SRV');
  assert.deepEqual(srv.answers, [`_http._tcp.${name} SRV {priority:0,weight:100,port:80,target:${name}}`]);
  assert.deepEqual(srv.more, [`${name} A 10.96.1.1`]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual((await dns.ask('1.1.96.10.in-addr.arpa', 'PTR')).answers, [`1.1.96.10.in-addr.arpa PTR ${name}`]);
  const none = await dns.ask(name, 'AAAA');
  assert.deepEqual([none.code, none.answers, none.soa], ['NOERROR', [], 1]);
});

test('a headless service names its ready pods, by hostname or by address', async () => {
  const dns = cluster();
  dns.set(headless, dbSlice);
  const base = 'db.default.svc.cluster.local';
  const addresses = (await dns.ask(base)).answers.map((one) => one.split(' ')[2]);
  assert.deepEqual(new Set(addresses), new Set(['10.244.0.2', '10.244.0.3', '10.244.0.4']));
  assert.deepEqual((await dns.ask(`db-0.${base}`)).answers, [`db-0.${base} A 10.244.0.2`]);
  assert.deepEqual((await dns.ask(`10-244-0-4.${base}`)).answers, [`10-244-0-4.${base} A 10.244.0.4`]);
  const targets = (await dns.ask(`_sql._tcp.${base}`, 'SRV')).answers.map((one) => /target:(\S+)}/.exec(one)?.[1]);
  assert.deepEqual(new Set(targets), new Set([`10-244-0-4.${base}`, `db-0.${base}`, `db-1.${base}`]));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual((await dns.ask('2.0.244.10.in-addr.arpa', 'PTR')).answers, [
    `2.0.244.10.in-addr.arpa PTR db-0.${base}`,
  ]);
});

test('names that are not there get NXDOMAIN with an SOA at once, and are never asked elsewhere', async () => {
  const dns = cluster();
  dns.set(web, headless, dbSlice);
  for (const name of [
    'nope.default.svc',
    'web.other.svc',
    'x.web.default.svc',
    '_no._tcp.web.default.svc',
    'db-5.db.default.svc',
    'a.b',
    'example.com.default.svc',
    'web.default.pod',
  ]) {
    const { code, soa } = await dns.ask(`${name}.cluster.local`);
    assert.deepEqual([code, soa], ['NXDOMAIN', 1], name);
  }
  assert.equal((await dns.ask('9.9.244.10.in-addr.arpa', 'PTR')).code, 'NXDOMAIN');
  assert.deepEqual(dns.asked, []);
});

test('names that only have others below them exist, without records', async () => {
  const dns = cluster();
  dns.set(web);
  await new Promise((resolve) => setImmediate(resolve));
  for (const name of ['svc.', 'default.svc.', '_tcp.web.default.svc.', 'pod.', 'dns.', '']) {
    const { code, answers } = await dns.ask(`${name}cluster.local`);
    assert.deepEqual([code, answers], ['NOERROR', []], name);
  }
  assert.deepEqual((await dns.ask('ns.dns.cluster.local')).answers, ['ns.dns.cluster.local A 10.96.0.10']);
  assert.equal((await dns.ask('cluster.local', 'NS')).answers.length, 1);
  assert.equal((await dns.ask('dns-version.cluster.local', 'TXT')).answers.length, 1);
});

test("a pod's address has a name, whatever the namespace", async () => {
  const dns = cluster();
  assert.deepEqual((await dns.ask('10-244-0-7.any.pod.cluster.local')).answers, [
    '10-244-0-7.any.pod.cluster.local A 10.244.0.7',
  ]);
});

test('changes are answered from the next question on', async () => {
  const dns = cluster();
  dns.set(web);
  assert.equal((await dns.ask('web.default.svc.cluster.local')).answers.length, 1);
  dns.set(svc('web', { clusterIP: '10.96.1.9' }));
  assert.match((await dns.ask('web.default.svc.cluster.local')).answers[0] ?? '', /10\.96\.1\.9/);
  dns.informers.delete(web);
  assert.equal((await dns.ask('web.default.svc.cluster.local')).code, 'NXDOMAIN');
});

test('an ExternalName is an alias, followed inside the cluster and outside of it', async () => {
  const outside = ({ question }: OutgoingQuestion) => {
    const name = 'example.com';
    assert.equal(keyOfQuestion(question), keyOfQuestion(questionOf(name, types.A)));
    return encode({
      type: 'response',
      id: 1,
      questions: [{ name, type: 'A' }],
      answers: [{ name, type: 'A', ttl: 60, data: '192.0.2.7' }],
    });
  };
  const dns = cluster(outside);
  dns.set(
    web,
    svc('alias', { type: 'ExternalName', externalName: 'Web.default.svc.cluster.local' }),
    svc('away', { type: 'ExternalName', externalName: 'example.com.' }),
    svc('loop', { type: 'ExternalName', externalName: 'loop.default.svc.cluster.local' }),
    svc('evil', { type: 'ExternalName', externalName: `${'x'.repeat(64)}.com` }),
  );
  const at = (name: string) => `${name}.default.svc.cluster.local`;
  assert.deepEqual((await dns.ask(at('alias'))).answers, [
    `${at('alias')} CNAME ${at('web')}`,
    `${at('web')} A 10.96.1.1`,
  ]);
  assert.deepEqual((await dns.ask(at('away'))).answers, [`${at('away')} CNAME example.com`, 'example.com A 192.0.2.7']);
  assert.equal((await dns.ask(at('loop'))).code, 'SERVFAIL');
  assert.equal((await dns.ask(at('evil'))).code, 'NXDOMAIN');
});

test('what the cluster does not know is forwarded, and fails at once if nobody can be asked', async () => {
  const dns = cluster(({ question }) =>
    Buffer.concat([Buffer.from([9, 9, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]), question]),
  );
  const reply = await dns.raw({ questions: [{ name: 'ExAmple.org', type: 'A' }] });
  assert.deepEqual([reply.readUInt16BE(0), decode(reply).questions?.[0]?.name], [7, 'ExAmple.org']);
  assert.equal((await cluster().ask('example.org')).code, 'SERVFAIL');
});

test('letter case does not matter, and the reply repeats it', async () => {
  const dns = cluster();
  dns.set(web);
  assert.deepEqual((await dns.ask('wEb.Default.SVC.cluster.LOCAL')).answers, [
    'wEb.Default.SVC.cluster.LOCAL A 10.96.1.1',
  ]);
});

test('a long answer is cut to what the client can take over UDP, and whole over TCP', async () => {
  const dns = cluster();
  dns.set(
    headless,
    slice(
      'db',
      [{ port: 1, protocol: 'TCP' }],
      Array.from({ length: 200 }, (_, i) => ({ ip: `10.244.1.${i + 1}` })),
    ),
  );
  const name = 'db.default.svc.cluster.local';
  const sizes = [];
  for (const [transport, udp] of [
    ['udp', undefined],
    ['udp', 4096],
    ['tcp', undefined],
  ] as const) {
    const opt = {
      name: '.',
      type: 'OPT',
      udpPayloadSize: udp ?? 0,
      flags: 0,
      options: [],
      extendedRcode: 0,
      ednsVersion: 0,
    } as never;
    const raw = await dns.raw(
      { questions: [{ name, type: 'A' }], ...(udp === undefined ? {} : { additionals: [opt] }) },
      transport,
    );
    const reply = decode(raw);
    sizes.push([reply.flag_tc, reply.answers?.length]);
    assert.ok(raw.length <= (transport === 'tcp' ? 65_535 : udp === undefined ? 512 : 1_232));
  }
  assert.deepEqual(sizes, [
    [true, 29],
    [true, 73],
    [false, 200],
  ]);
});

test('addresses come in an order of chance', async () => {
  let seed = 1;
  const dns = cluster(undefined, () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647);
  dns.set(headless, dbSlice);
  const first = new Set<string | undefined>();
  for (let i = 0; i < 50; i++) first.add((await dns.ask('db.default.svc.cluster.local')).answers[0]);
  assert.equal(first.size, 3);
});

test('replies, empty messages and other operations are not taken for questions', () => {
  const { respond } = cluster();
  const code = (message: Buffer) => {
    const reply = respond(message, 'udp', signal);
    return Buffer.isBuffer(reply) ? reply.readUInt16BE(2) & 15 : reply;
  };
  const question = { name: 'x.cluster.local', type: 'A' as const };
  assert.equal(code(Buffer.alloc(0)), undefined);
  assert.equal(code(encode({ type: 'response', questions: [question] })), undefined);
  assert.equal(code(encode({ type: 'query', flags: 4 << 11, questions: [question] })), 4);
  assert.equal(code(encode({ type: 'query', questions: [question, question] })), 1);
  assert.equal(code(encode({ type: 'query', questions: [{ ...question, type: 'AXFR' }] })), 5);
});

test('no message whatever makes it throw, or answer with more than the client can take', async () => {
  const dns = cluster();
  dns.set(web, headless, dbSlice);
  const check = (message: Buffer) => {
    const reply = dns.respond(message, 'udp', signal);
    if (reply instanceof Promise) reply.catch((error: unknown) => assert.fail(String(error)));
    else if (reply !== undefined) assert.ok(reply.length <= 1_232);
  };
  holds(
    property(uint8Array({ maxLength: 600 }), (bytes) => check(Buffer.from(bytes))),
    { numRuns: 3_000 },
  );
  const valid = encode({
    type: 'query',
    id: 1,
    questions: [{ name: '_sql._tcp.db.default.svc.cluster.local', type: 'SRV' }],
  });
  holds(
    property(nat(valid.length - 1), integer({ min: 0, max: 255 }), nat(valid.length), (at, byte, cut) => {
      const message = Buffer.from(valid);
      message[at] = byte;
      check(message);
      check(message.subarray(0, cut));
    }),
    { numRuns: 5_000 },
  );
});

test('a mutilated reply of another server is refused, never believed in part', () => {
  const name = 'example.com';
  const whole = encode({
    type: 'response',
    questions: [{ name, type: 'A' }],
    answers: [{ name, type: 'A', ttl: 60, data: '192.0.2.7' }],
  });
  const question = questionOf(name, types.A);
  assert.equal(parseReply(whole, question).keepSeconds, 60);
  holds(
    property(nat(whole.length - 1), integer({ min: 0, max: 255 }), (at, byte) => {
      const message = Buffer.from(whole);
      message[at] = byte;
      try {
        for (const ttlAt of parseReply(message, question).ttlsAt) assert.ok(ttlAt + 4 <= message.length);
      } catch (error) {
        assert.equal((error as Error).constructor.name, 'Malformed');
      }
    }),
    { numRuns: 5_000 },
  );
  for (let cut = 0; cut < whole.length; cut++) assert.throws(() => parseReply(whole.subarray(0, cut), question));
  assert.throws(() => parseReply(whole, questionOf('example.org', types.A)));
});
