import { Service } from '#api/core/service.ts';
import { addressErrors } from '#api/core/service-rules.ts';
import type { Log } from '#lib/log.ts';
import { invalid, type FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { internalError, invalidObject } from '#machinery/status-error.ts';
import type { Registry } from './registry/registry.ts';
import { selectionOf } from './registry/selection.ts';
import { AddressPool, type Cidr } from './address-pool.ts';
import { PortPool } from './port-pool.ts';
import type { Reservation, WriteHook } from './verbs/pipeline.ts';

export interface ServiceAllocatorOptions {
  /** `10.96.0.0/12` unless given. The first address is the API's own. */
  readonly clusterCidr?: string;
  /** 30000–32767 unless given, both ends included. */
  readonly nodePorts?: { readonly first: number; readonly last: number };
  readonly random: () => number;
  readonly log: Log;
}

type Spec = Service['spec'] & object;
type Port = NonNullable<Spec['ports']>[number];

/**
 * Hands out cluster IPs and node ports. What is in use is held in memory, read from the stored Services at first use;
 * an address is taken before the Service is written, so that two requests never get the same one, and given back if
 * the write fails. One server's memory: several servers on one store would need a table in the store.
 */
export class ServiceAllocator implements WriteHook {
  readonly #registry: Registry;
  readonly #addresses: AddressPool;
  readonly #ports: PortPool;
  readonly #log: Log;
  #loaded: Promise<void> | undefined;

  constructor(registry: Registry, { clusterCidr = '10.96.0.0/12', nodePorts, random, log }: ServiceAllocatorOptions) {
    this.#registry = registry;
    this.#addresses = new AddressPool(clusterCidr, random);
    this.#ports = new PortPool(nodePorts ?? { first: 30_000, last: 32_767 }, random);
    this.#log = log;
  }

  get cidr(): Cidr {
    return this.#addresses.cidr;
  }

  applies({ group, plural }: Kind): boolean {
    return group === '' && plural === 'services';
  }

  async reserve(object: Service, stored: Service | undefined, signal: AbortSignal): Promise<Reservation> {
    const errors = addressErrors(object.spec ?? {});
    if (errors.length > 0) throw refused(object, errors);
    await this.#load(signal);
    const taken: (() => void)[] = [];
    const giveBack = () => {
      for (const release of taken.splice(0)) release();
    };
    try {
      const spec = this.#ported(object, this.#addressed(object, stored, taken), stored, taken);
      const complete: Service = { ...object, spec };
      return { object: complete, keep: () => this.#releaseUnused(complete, stored), giveBack };
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  removed({ spec }: Service): void {
    for (const address of addressesOf(spec)) this.#addresses.release(address);
    for (const { port, protocol } of nodePortsOf(spec)) this.#ports.release(port, protocol);
  }

  /** Takes up what the stored Services use; the first caller does it, the others wait. */
  #load(signal: AbortSignal): Promise<void> {
    this.#loaded ??= this.#read(signal).catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { items } = await this.#registry.of(Service).list({
      namespace: undefined,
      selection: selectionOf(Service, {}),
      freshness: { want: 'newest' },
      limit: 0,
      continue: undefined,
      signal,
    });
    for (const { object } of items) {
      const service = `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
      for (const address of addressesOf(object.spec)) {
        if (!this.#addresses.take(address))
          this.#log.warn('a cluster IP is used twice or is out of range', { service, address });
      }
      for (const { port, protocol } of nodePortsOf(object.spec)) {
        if (!this.#ports.take(port, protocol))
          this.#log.warn('a node port is used twice or is out of range', { service, port, protocol });
      }
    }
  }

  #addressed(service: Service, stored: Service | undefined, taken: (() => void)[]): Spec {
    const spec = service.spec ?? {};
    if (spec.type === 'ExternalName') return spec;
    const families = { ipFamilies: spec.ipFamilies ?? ['IPv4'], ipFamilyPolicy: spec.ipFamilyPolicy ?? 'SingleStack' };
    const [before] = stored?.spec?.type === 'ExternalName' ? [] : (stored?.spec?.clusterIPs ?? []);
    const wanted = spec.clusterIP ?? spec.clusterIPs?.[0] ?? before ?? '';
    const use = (address: string): Spec => ({ ...spec, ...families, clusterIP: address, clusterIPs: [address] });
    if (wanted === 'None' || (wanted !== '' && wanted === before)) return use(wanted);
    if (wanted === '') {
      const address = this.#addresses.next();
      if (address === undefined) throw internalError('failed to allocate a serviceIP: range is full');
      taken.push(() => this.#addresses.release(address));
      return use(address);
    }
    if (this.#addresses.take(wanted)) {
      taken.push(() => this.#addresses.release(wanted));
      return use(wanted);
    }
    const why = this.#addresses.contains(wanted)
      ? 'provided IP is already allocated'
      : `the provided IP (${wanted}) is not in the valid range. The range of valid IPs is ${this.#addresses.cidr.text}`;
    throw refused(service, [invalid('spec.clusterIPs', [wanted], `failed to allocate IP ${wanted}: ${why}`)]);
  }

  #ported(service: Service, spec: Spec, stored: Service | undefined, taken: (() => void)[]): Spec {
    if (!wantsNodePorts(spec)) return spec;
    const before = nodePortsOf(stored?.spec);
    const holds = (port: number, protocol: string) =>
      before.some((each) => each.port === port && each.protocol === protocol);
    /** Node ports by the Service's port: TCP and UDP of one port share theirs. */
    const ours = new Map<number, number>();
    const take = (port: number, protocol: string, field: string): void => {
      if (holds(port, protocol)) return;
      if (!this.#ports.take(port, protocol)) {
        const why = this.#ports.contains(port)
          ? 'provided port is already allocated'
          : `provided port is not in the valid range. The range of valid ports is ${this.#ports.first}-${this.#ports.last}`;
        throw refused(service, [invalid(field, port, why)]);
      }
      taken.push(() => this.#ports.release(port, protocol));
    };
    // What is asked for is taken first, so that nothing picked freely gets in its way.
    for (const [index, { nodePort = 0, protocol = 'TCP', port }] of (spec.ports ?? []).entries()) {
      if (nodePort === 0) continue;
      take(nodePort, protocol, `spec.ports[${index}].nodePort`);
      ours.set(port, nodePort);
    }
    const ports = (spec.ports ?? []).map((port): Port => {
      if ((port.nodePort ?? 0) !== 0) return port;
      const protocol = port.protocol ?? 'TCP';
      const kept = stored?.spec?.ports?.find(
        (old) => (old.nodePort ?? 0) !== 0 && old.port === port.port && (old.protocol ?? 'TCP') === protocol,
      )?.nodePort;
      if (kept !== undefined && wantsNodePorts(stored?.spec)) return { ...port, nodePort: kept };
      const shared = ours.get(port.port);
      const free = shared !== undefined && this.#ports.take(shared, protocol) ? shared : this.#ports.next(protocol);
      if (free === undefined) throw internalError('failed to allocate a nodePort: range is full');
      taken.push(() => this.#ports.release(free, protocol));
      ours.set(port.port, free);
      return { ...port, nodePort: free };
    });
    return this.#healthChecked({ ...spec, ports }, stored, taken, take);
  }

  #healthChecked(
    spec: Spec,
    stored: Service | undefined,
    taken: (() => void)[],
    take: (port: number, protocol: string, field: string) => void,
  ): Spec {
    if (spec.type !== 'LoadBalancer' || spec.externalTrafficPolicy !== 'Local') return spec;
    const wanted = spec.healthCheckNodePort ?? stored?.spec?.healthCheckNodePort ?? 0;
    if (wanted !== 0) {
      take(wanted, 'TCP', 'spec.healthCheckNodePort');
      return { ...spec, healthCheckNodePort: wanted };
    }
    const free = this.#ports.next('TCP');
    if (free === undefined) throw internalError('failed to allocate a HealthCheck NodePort: range is full');
    taken.push(() => this.#ports.release(free, 'TCP'));
    return { ...spec, healthCheckNodePort: free };
  }

  /** After an update: what the Service had and has no more is free again. */
  #releaseUnused({ spec }: Service, stored: Service | undefined): void {
    if (stored === undefined) return;
    const addresses = new Set(addressesOf(spec));
    for (const address of addressesOf(stored.spec)) if (!addresses.has(address)) this.#addresses.release(address);
    const ports = nodePortsOf(spec);
    for (const { port, protocol } of nodePortsOf(stored.spec)) {
      if (!ports.some((each) => each.port === port && each.protocol === protocol)) this.#ports.release(port, protocol);
    }
  }
}

function addressesOf(spec: Service['spec'] | undefined): readonly string[] {
  if (spec === undefined || spec.type === 'ExternalName') return [];
  return (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((address) => address !== '' && address !== 'None');
}

function nodePortsOf(
  spec: Service['spec'] | undefined,
): readonly { readonly port: number; readonly protocol: string }[] {
  const ports = (spec?.ports ?? []).map(({ nodePort = 0, protocol = 'TCP' }) => ({ port: nodePort, protocol }));
  const health = spec?.healthCheckNodePort ?? 0;
  return [...ports, { port: health, protocol: 'TCP' }].filter(({ port }) => port !== 0);
}

function wantsNodePorts(spec: Service['spec'] | undefined): boolean {
  if (spec?.type === 'NodePort') return true;
  return spec?.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false;
}

const refused = (service: Service, errors: readonly FieldError[]) =>
  invalidObject(Service, service.metadata?.name ?? '', errors);
