import { readFile } from 'node:fs/promises';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { Tracer } from '#lib/tracing.ts';
import { parseYaml } from '#machinery/yaml.ts';
import { StartError } from './data-dir.ts';

const versions = ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1', 'apiserver.config.k8s.io/v1alpha1'];
/** OTLP's port for HTTP; upstream's default is that for gRPC. */
const defaultEndpoint = 'localhost:4318';
const million = 1_000_000;

/** A tracer as a TracingConfiguration asks for it; undefined without a file. Throws StartError naming the field. */
export async function openTracer(
  file: string | undefined,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Tracer | undefined> {
  if (file === undefined) return undefined;
  const refuse = (why: string, cause?: unknown) =>
    new StartError(`The tracing configuration ${file} cannot be used: ${why}.`, cause);
  let value: unknown;
  try {
    ({ value } = parseYaml(await readFile(file)));
  } catch (error) {
    throw refuse((error as Error).message, error);
  }
  const config = (value ?? {}) as Readonly<Record<string, unknown>>;
  const { apiVersion, kind, endpoint = defaultEndpoint, samplingRatePerMillion = 0 } = config;
  if (!versions.includes(String(apiVersion))) throw refuse(`apiVersion must be one of ${versions.join(', ')}`);
  if (kind !== 'TracingConfiguration') throw refuse('kind must be "TracingConfiguration"');
  const unknown = Object.keys(config).find(
    (key) => !['apiVersion', 'kind', 'endpoint', 'samplingRatePerMillion'].includes(key),
  );
  if (unknown !== undefined) throw refuse(`it has an unknown field ${JSON.stringify(unknown)}`);
  const rate = samplingRatePerMillion;
  if (typeof rate !== 'number' || !Number.isInteger(rate) || rate < 0 || rate > million) {
    throw refuse(`samplingRatePerMillion must be a whole number from 0 to ${million}`);
  }
  const url = `http://${String(endpoint)}`;
  if (typeof endpoint !== 'string' || !URL.canParse(url)) throw refuse('endpoint must be HOST:PORT');
  return new Tracer({ endpoint: url, samplingRatePerMillion: rate, serviceName: 'apiserver', clock, log });
}
