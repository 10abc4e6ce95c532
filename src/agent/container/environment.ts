import type { ConfigMap } from '#api/core/config-map.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Secret } from '#api/core/secret.ts';
import type * as core from '#api/core/types.generated.ts';
import { StatusError, badRequest } from '#machinery/status-error.ts';
import { fieldValue, resourceValue, type PodSurroundings } from './downward-api.ts';
import { expand } from './expand.ts';

/** The objects a container's environment draws from; undefined for one that is not there. */
export interface EnvironmentSources extends PodSurroundings {
  readonly services: ReadonlyMap<string, string>;
  readonly configMap: (name: string) => ConfigMap | undefined;
  readonly secret: (name: string) => Secret | undefined;
}

/** Names of the objects that `environmentOf()` will ask for. */
export function environmentObjects(container: core.Container): { configMaps: Set<string>; secrets: Set<string> } {
  const [configMaps, secrets] = [new Set<string>(), new Set<string>()];
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef?.name !== undefined) configMaps.add(configMapRef.name);
    if (secretRef?.name !== undefined) secrets.add(secretRef.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name !== undefined) configMaps.add(valueFrom.configMapKeyRef.name);
    if (valueFrom?.secretKeyRef?.name !== undefined) secrets.add(valueFrom.secretKeyRef.name);
  }
  return { configMaps, secrets };
}

/**
 * A container's variables in order: services, then `envFrom`, then `env`, later ones winning. Throws NotFound or
 * BadRequest, in the words kubelet shows, for a source that is missing and not optional.
 */
export function environmentOf(
  pod: Pod,
  container: core.Container,
  sources: EnvironmentSources,
): ReadonlyMap<string, string> {
  const variables = new Map(sources.services);
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef !== undefined) {
      const map = needed(sources.configMap, 'configmap', configMapRef.name ?? '', configMapRef.optional);
      for (const [key, value] of Object.entries(map?.data ?? {})) variables.set(prefix + key, value);
    }
    if (secretRef !== undefined) {
      const secret = needed(sources.secret, 'secret', secretRef.name ?? '', secretRef.optional);
      for (const [key, value] of Object.entries(secret?.data ?? {})) variables.set(prefix + key, decode(value));
    }
  }
  const own = new Map<string, string>();
  const lookUp = (name: string) => own.get(name) ?? variables.get(name);
  for (const { name, value = '', valueFrom } of container.env ?? []) {
    const found = valueFrom === undefined ? expand(value, lookUp) : sourceValue(pod, container, valueFrom, sources);
    if (found !== undefined) own.set(name, found);
  }
  for (const [name, value] of own) {
    variables.delete(name);
    variables.set(name, value);
  }
  return variables;
}

function sourceValue(
  pod: Pod,
  container: core.Container,
  { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef }: core.EnvVarSource,
  sources: EnvironmentSources,
): string | undefined {
  if (fieldRef !== undefined) return fieldValue(pod, fieldRef.fieldPath, sources);
  if (resourceFieldRef !== undefined) return resourceValue(pod, resourceFieldRef, container.name, sources);
  if (configMapKeyRef !== undefined) {
    const { name = '', key, optional } = configMapKeyRef;
    const map = needed(sources.configMap, 'configmap', name, optional);
    return keyOf(map?.data, key, optional, `ConfigMap ${pod.metadata?.namespace ?? ''}/${name}`);
  }
  if (secretKeyRef !== undefined) {
    const { name = '', key, optional } = secretKeyRef;
    const secret = needed(sources.secret, 'secret', name, optional);
    const value = keyOf(secret?.data, key, optional, `Secret ${pod.metadata?.namespace ?? ''}/${name}`);
    return value === undefined ? undefined : decode(value);
  }
  if (fileKeyRef !== undefined) throw badRequest('env from fileKeyRef is not supported by this node');
  return '';
}

function needed<T>(
  find: (name: string) => T | undefined,
  what: string,
  name: string,
  optional: boolean | undefined,
): T | undefined {
  const found = find(name);
  if (found === undefined && optional !== true) throw new StatusError('NotFound', `${what} "${name}" not found`);
  return found;
}

function keyOf(
  data: Readonly<Record<string, string>> | undefined,
  key: string,
  optional: boolean | undefined,
  where: string,
): string | undefined {
  if (data !== undefined && Object.hasOwn(data, key)) return data[key];
  if (optional === true) return undefined;
  throw badRequest(`couldn't find key ${key} in ${where}`);
}

const decode = (base64: string) => Buffer.from(base64, 'base64').toString();
