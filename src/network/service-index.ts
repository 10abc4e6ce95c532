import type { Endpoint, EndpointSlice as Slice } from '#api/discovery/types.generated.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { Service } from '#api/core/service.ts';
import type { Informers } from '#client/cache.ts';
import { keyOf, type ApiObject } from '#machinery/object.ts';

/** A service with the slices that name it; either may be missing for a while. */
export interface ServiceView {
  readonly service: Service | undefined;
  readonly slices: readonly Slice[];
}

const serviceNameLabel = 'kubernetes.io/service-name';
/** Pods about to be stopped that are remembered at once; the oldest is forgotten beyond that. */
const stoppingMax = 10_000;

/**
 * Services joined with their EndpointSlices, kept by watches; the service proxy and the DNS server both read it.
 * Listeners get the key (`namespace/name`) of a service that changed, synchronously, and must only note it.
 */
export class ServiceIndex implements Disposable {
  readonly #informers: Pick<Informers, 'on' | 'get'>;
  readonly #slices = new Map<string, Map<string, Slice>>();
  /** uid of a pod → the keys of the services whose slices name it. */
  readonly #servicesOfPod = new Map<string, Map<string, number>>();
  readonly #stopping = new Set<string>();
  readonly #listeners = new Set<(key: string) => void>();
  /** Keys that have a service or slices: what a listener that comes later is told first. */
  readonly #known = new Set<string>();
  readonly #subscriptions: Disposable[] = [];

  constructor(informers: Pick<Informers, 'on' | 'get'>) {
    this.#informers = informers;
  }

  /** Subscribes to the informers. */
  start(): void {
    this.#subscriptions.push(
      this.#informers.on(Service, ({ object }) => this.#changed(key(object))),
      this.#informers.on(EndpointSlice, ({ type, object, previous }) => {
        if (previous !== undefined) this.#remove(previous);
        if (type === 'DELETED') this.#remove(object);
        else this.#add(object);
      }),
    );
  }

  /** Tells `listener` of every service that is known at once, and of changes from then on. */
  onChange(listener: (key: string) => void): Disposable {
    this.#listeners.add(listener);
    for (const known of this.#known) listener(known);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  get(serviceKey: string): ServiceView {
    const slices = [...(this.#slices.get(serviceKey)?.values() ?? [])];
    return {
      service: this.#informers.get(Service, serviceKey),
      slices: this.#stopping.size === 0 ? slices : slices.map((slice) => this.#withoutStopping(slice)),
    };
  }

  /**
   * Treats the endpoints of a pod as terminating from now on, before its slices say so, and tells the listeners.
   * Forgotten once no slice names the pod. Returns whether any service sends traffic to it.
   */
  stop(podUid: string): boolean {
    const services = this.#servicesOfPod.get(podUid);
    if (services === undefined) return false;
    this.#stopping.add(podUid);
    if (this.#stopping.size > stoppingMax) {
      for (const oldest of this.#stopping) {
        this.#stopping.delete(oldest);
        break;
      }
    }
    for (const serviceKey of services.keys()) this.#changed(serviceKey);
    return true;
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }

  #withoutStopping(slice: Slice): Slice {
    if (!slice.endpoints.some((endpoint) => this.#isStopping(endpoint))) return slice;
    const endpoints = slice.endpoints.map((endpoint) =>
      this.#isStopping(endpoint)
        ? { ...endpoint, conditions: { ...terminating, serving: isServing(endpoint) } }
        : endpoint,
    );
    return { ...slice, endpoints };
  }

  #isStopping = (endpoint: Endpoint) => this.#stopping.has(endpoint.targetRef?.uid ?? '');

  #add(slice: Slice): void {
    const serviceKey = serviceOf(slice);
    if (serviceKey === undefined) return;
    let slices = this.#slices.get(serviceKey);
    if (slices === undefined) this.#slices.set(serviceKey, (slices = new Map()));
    slices.set(key(slice), slice);
    for (const uid of podUids(slice)) {
      let services = this.#servicesOfPod.get(uid);
      if (services === undefined) this.#servicesOfPod.set(uid, (services = new Map()));
      services.set(serviceKey, (services.get(serviceKey) ?? 0) + 1);
    }
    this.#changed(serviceKey);
  }

  #remove(slice: Slice): void {
    const serviceKey = serviceOf(slice);
    const slices = serviceKey === undefined ? undefined : this.#slices.get(serviceKey);
    const held = slices?.get(key(slice));
    if (serviceKey === undefined || slices === undefined || held === undefined) return;
    slices.delete(key(slice));
    if (slices.size === 0) this.#slices.delete(serviceKey);
    for (const uid of podUids(held)) {
      const services = this.#servicesOfPod.get(uid);
      const count = services?.get(serviceKey);
      if (services === undefined || count === undefined) continue;
      if (count > 1) services.set(serviceKey, count - 1);
      else services.delete(serviceKey);
      if (services.size === 0) this.#servicesOfPod.delete(uid);
    }
    this.#changed(serviceKey);
    this.#forgetGone(held);
  }

  /** A slice that is replaced names its pods again at once, so marks are only dropped a turn later. */
  #forgetGone(slice: Slice): void {
    if (this.#stopping.size === 0) return;
    queueMicrotask(() => {
      for (const uid of podUids(slice)) if (!this.#servicesOfPod.has(uid)) this.#stopping.delete(uid);
    });
  }

  #changed(serviceKey: string): void {
    const isThere = this.#slices.has(serviceKey) || this.#informers.get(Service, serviceKey) !== undefined;
    if (isThere) this.#known.add(serviceKey);
    else this.#known.delete(serviceKey);
    for (const listener of this.#listeners) listener(serviceKey);
  }
}

const terminating = { ready: false, terminating: true };
const isServing = ({ conditions }: Endpoint) => conditions?.serving ?? conditions?.ready ?? true;
const key = ({ metadata }: ApiObject) => keyOf({ namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' });
const podUids = (slice: Slice) =>
  slice.endpoints.flatMap(({ targetRef }) =>
    targetRef?.kind === 'Pod' && targetRef.uid !== undefined ? [targetRef.uid] : [],
  );

function serviceOf({ metadata }: Slice): string | undefined {
  const name = metadata?.labels?.[serviceNameLabel];
  return name === undefined ? undefined : keyOf({ namespace: metadata?.namespace ?? '', name });
}
