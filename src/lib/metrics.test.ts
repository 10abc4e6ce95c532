import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics } from './metrics.ts';

test('families are written in the text format, with cumulative buckets and escaped labels', async () => {
  const metrics = new Metrics();
  metrics.counter('a_total', 'Counts a.', ['l']).of('x"\\\n').value += 2;
  const seen = metrics.histogram('b_seconds', 'Times b.', [], [0.1, 1]).of();
  for (const value of [0.05, 0.1, 0.5, 7]) seen.observe(value);
  metrics.gauge('c', 'Is c.', [], (self) => void (self.of().value = 3));
  assert.equal(
    await metrics.text(),
    [
      '# HELP a_total Counts a.\n# TYPE a_total counter\na_total{l="x\\"\\\\\\n"} 2\n',
      '# HELP b_seconds Times b.\n# TYPE b_seconds histogram\n',
      'b_seconds_bucket{le="0.1"} 2\nb_seconds_bucket{le="1"} 3\nb_seconds_bucket{le="+Inf"} 4\n',
      'b_seconds_sum 7.65\nb_seconds_count 4\n# HELP c Is c.\n# TYPE c gauge\nc 3\n',
    ].join(''),
  );
});

test('series are bounded, and a scrape of very many leaves others their turns', async () => {
  const metrics = new Metrics();
  const family = metrics.histogram('d', 'Has many.', ['n'], [1, 2, 3]);
  for (let i = 0; i < 10_000; i++) family.of(String(i)).observe(1);
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const text = await metrics.text();
  clearInterval(timer);
  assert.match(text, /d_count\{n="other"\} 5000\n/);
  assert.equal(text.match(/d_count/g)?.length, 5_001);
  assert.ok(turns > 2, `${turns} turns in between`);
});
