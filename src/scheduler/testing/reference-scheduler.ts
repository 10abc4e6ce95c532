import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import type { PodAffinityTerm, Taint, Toleration, TopologySpreadConstraint } from '#api/core/types.generated.ts';
import { hash32 } from '../hash.ts';
import { amountOf } from '../requests.ts';
import { labelOf, matches } from './reference-nodes.ts';
import { ReferenceStorage } from './reference-storage.ts';

/*
 * The definition of where a pod goes, written to be obviously right and with no regard to speed: it looks at every
 * node and at every pod on it, every time. The batch core must place exactly as this does. It shares nothing with the
 * core but the reading of quantities and the hash that breaks ties.
 *
 * It knows what the random clusters of the tests use: one container a pod, and no init containers or overhead.
 */
export class ReferenceScheduler {
  readonly nodes = new Map<string, Node>();
  readonly pods = new Map<string, Resident>();
  /** Pods that wait for room on a node, by uid. */
  readonly nominated = new Map<string, Resident>();
  /** Room set aside, by uid. */
  readonly reservations = new Map<string, ReservedRoom>();
  readonly budgets = new Map<string, { matchLabels: Labels; allowed: number }>();
  /** Labels of namespaces. */
  readonly namespaces = new Map<string, Labels>();
  readonly services: { readonly namespace: string; readonly selector: Labels }[] = [];
  /** Selectors of controllers, by name. */
  readonly controllers = new Map<string, Labels>();
  readonly storage: ReferenceStorage;
  readonly #seed: number;
  readonly #options: ReferenceOptions;
  /** Reservations that do not count. */
  readonly withheld: ReadonlySet<string>;

  constructor(seed: number, options: ReferenceOptions = {}) {
    this.withheld = options.withheld ?? new Set();
    this.#seed = seed;
    this.#options = options;
    this.storage = options.storage ?? new ReferenceStorage();
  }

  /** Places the pod, or has others leave for it, or leaves it waiting. */
  decide(pod: Pod): Outcome {
    const uid = uidOf(pod);
    const named = this.nodes.get(this.nominated.get(uid)?.nodeName ?? '');
    const node = named !== undefined && this.fits(pod, named) ? named : this.#best(pod);
    if (node === undefined) return this.#displace(pod) ?? this.#preempt(pod);
    this.#place(pod, node);
    return { do: 'place', node: nameOf(node) };
  }

  #place(pod: Pod, node: Node, reservation?: string): void {
    this.nominated.delete(uidOf(pod));
    this.storage.decide(pod, node);
    const place = { pod, nodeName: nameOf(node) };
    this.pods.set(uidOf(pod), reservation === undefined ? place : { ...place, reservation });
  }

  /** Places the pod into a reservation of which enough is left, or refuses it. */
  decideInto(pod: Pod, reservation: string): Outcome {
    const room = this.reservations.get(reservation);
    const node = this.nodes.get(room?.nodeName ?? '');
    if (room === undefined || node === undefined) return { do: 'refuse' };
    const enough = Object.keys(requestsOf(pod)).every((name) => request(pod, name) <= this.#left(reservation, name));
    const ports = portsOf(pod).every(({ port }) => room.ports.includes(port));
    if (!enough || !ports || this.#left(reservation, 'pods') < 1) return { do: 'refuse' };
    if (!this.#without(new Set(), new Set([reservation])).fits(pod, node)) return { do: 'refuse' };
    this.#place(pod, node, reservation);
    return { do: 'place', node: nameOf(node) };
  }

  /** Ends reservations that their nodes cannot honour any more; returns their uids. */
  tend(): readonly string[] {
    const ended: string[] = [];
    for (const nodeName of new Set([...this.reservations.values()].map((each) => each.nodeName))) {
      const node = this.nodes.get(nodeName);
      const there = this.#reservedOn(nodeName);
      const kept: string[] = [];
      for (const uid of there) {
        const names = [...(this.reservations.get(uid)?.amounts.keys() ?? [])].filter(
          (name) => this.#left(uid, name) > 0,
        );
        const stays =
          node !== undefined &&
          node.spec?.unschedulable !== true &&
          toleratesAll(noPod, node) &&
          names.every((name) => {
            const promised = sum([...kept, uid], (each) => this.#left(each, name));
            return promised + sum(this.#on(node), (pod) => amountIn(pod, name)) <= capacity(node, name);
          });
        if (stays) kept.push(uid);
        else ended.push(uid);
      }
    }
    for (const uid of ended) this.reservations.delete(uid);
    return ended.toSorted();
  }

  /** Room of reservations of lower priority: where the least important, and fewest, are in the way. */
  #displace(pod: Pod): Outcome | undefined {
    const candidates = [...this.nodes.values()].flatMap((node) => {
      const lesser = this.#reservedOn(nameOf(node), priorityOf(pod));
      const gone = new Set(lesser);
      if (lesser.length === 0 || !this.#without(new Set(), gone).fits(pod, node)) return [];
      for (const uid of lesser) {
        gone.delete(uid);
        if (!this.#without(new Set(), gone).fits(pod, node)) gone.add(uid);
      }
      const priorities = [...gone].map((uid) => this.reservations.get(uid)?.priority ?? 0);
      return [{ node, gone: lesser.filter((uid) => gone.has(uid)), highest: Math.max(...priorities) }];
    });
    const [best] = candidates.toSorted(
      (a, b) =>
        a.highest - b.highest ||
        a.gone.length - b.gone.length ||
        this.#tie(a.node) - this.#tie(b.node) ||
        (nameOf(a.node) < nameOf(b.node) ? -1 : 1),
    );
    if (best === undefined) return undefined;
    for (const uid of best.gone) this.reservations.delete(uid);
    this.#place(pod, best.node);
    return { do: 'place', node: nameOf(best.node), ...rescinding(best.gone) };
  }

  /** Reservations on a node, below a priority if one is given; the more important and older first. */
  #reservedOn(nodeName: string, below = Infinity): readonly string[] {
    if (this.reservations.size === 0) return [];
    return [...this.reservations]
      .filter(([, each]) => each.nodeName === nodeName && each.priority < below)
      .toSorted(([uidA, a], [uidB, b]) => b.priority - a.priority || a.heldAt - b.heldAt || (uidA < uidB ? -1 : 1))
      .map(([uid]) => uid);
  }

  /** What its pods have not taken. */
  #left(reservation: string, name: string): number {
    const mine = [...this.pods.values()].filter((resident) => resident.reservation === reservation);
    const total = this.reservations.get(reservation)?.amounts.get(name) ?? 0;
    return Math.max(0, total - sum(mine, ({ pod }) => amountIn(pod, name)));
  }

  #reserved(node: Node, name: string): number {
    return sum(this.#reservedOn(nameOf(node)), (uid) => (this.withheld.has(uid) ? 0 : this.#left(uid, name)));
  }

  /**
   * Places at least `needed` of the pods together, or has others leave so that it can be done, or changes nothing.
   * Pods of higher priority are looked at first, then those that ask for a larger share of the cluster.
   */
  decideGang(pods: readonly Pod[], needed: number): GangOutcome {
    const before = {
      pods: new Map([...this.pods].map(([uid, resident]) => [uid, { ...resident }])),
      nominated: new Map(this.nominated),
      reservations: new Map(this.reservations),
      decided: new Map(this.storage.decided),
      budgets: new Map([...this.budgets].map(([name, budget]) => [name, { ...budget }])),
    };
    const shares = new Map(pods.map((pod) => [pod, this.#shareOf(pod)]));
    const order = pods.toSorted((a, b) => priorityOf(b) - priorityOf(a) || (shares.get(b) ?? 0) - (shares.get(a) ?? 0));
    const outcomes = order.map((pod) => ({ pod, outcome: this.decide(pod) }));
    const hopeful = outcomes.filter(({ outcome }) => outcome.do !== 'refuse');
    const placed = hopeful.filter(({ outcome }) => outcome.do === 'place');
    if (placed.length >= needed) return { do: 'place', outcomes: hopeful };
    if (hopeful.length >= needed) {
      return {
        do: 'make-room',
        outcomes: hopeful.map(({ pod, outcome }) => {
          if (outcome.do !== 'place') return { pod, outcome };
          this.pods.delete(uidOf(pod));
          this.storage.decided.delete(uidOf(pod));
          this.nominated.set(uidOf(pod), { pod, nodeName: outcome.node });
          return { pod, outcome: { ...outcome, do: 'preempt', victims: [] } };
        }),
      };
    }
    for (const key of ['pods', 'nominated', 'reservations', 'budgets', 'decided'] as const) {
      const map: Map<string, unknown> = key === 'decided' ? this.storage.decided : this[key];
      map.clear();
      for (const [name, value] of before[key]) map.set(name, value);
    }
    return { do: 'refuse', outcomes: [] };
  }

  #shareOf(pod: Pod): number {
    const nodes = [...this.nodes.values()];
    const shares = Object.keys(requestsOf(pod)).map(
      (resource) => request(pod, resource) / sum(nodes, (node) => capacity(node, resource)),
    );
    return Math.max(1 / sum(nodes, (node) => Number(node.status?.allocatable?.['pods'] ?? 0)), ...shares);
  }

  #preempt(pod: Pod): Outcome {
    const uid = uidOf(pod);
    if (pod.spec.preemptionPolicy === 'Never') return { do: 'refuse' };
    const named = this.nodes.get(this.nominated.get(uid)?.nodeName ?? '');
    if (named !== undefined && this.#victimsOn(pod, named)?.victims.length === 0) return { do: 'wait' };
    const candidates = [...this.nodes.values()].flatMap((node) => this.#victimsOn(pod, node) ?? []);
    const [best] = candidates.toSorted((a, b) => {
      const [first, second] = [a.victims[0], b.victims[0]];
      if (a.violations !== b.violations) return a.violations - b.violations;
      if (first === undefined || second === undefined) {
        if (first !== second) return first === undefined ? -1 : 1;
      } else {
        if (priorityOf(first.pod) !== priorityOf(second.pod)) return priorityOf(first.pod) - priorityOf(second.pod);
        const [sumA, sumB] = [a, b].map((each) => sum(each.victims.map(lifted), (priority) => priority));
        if (sumA !== sumB) return (sumA ?? 0) - (sumB ?? 0);
        if (a.victims.length !== b.victims.length) return a.victims.length - b.victims.length;
        const [startA, startB] = [earliestOfHighest(a.victims), earliestOfHighest(b.victims)];
        if (startA !== startB) return startA > startB ? -1 : 1;
      }
      return this.#tie(a.node) - this.#tie(b.node) || (nameOf(a.node) < nameOf(b.node) ? -1 : 1);
    });
    this.nominated.delete(uid);
    if (best === undefined) return { do: 'refuse' };
    for (const victim of best.victims) {
      victim.leaving = true;
      for (const budget of this.budgets.values()) if (covered(budget, victim.pod)) budget.allowed--;
    }
    for (const [other, { pod: lesser, nodeName }] of this.nominated) {
      if (nodeName === nameOf(best.node) && priorityOf(lesser) < priorityOf(pod)) this.nominated.delete(other);
    }
    this.nominated.set(uid, { pod, nodeName: nameOf(best.node) });
    const gone = this.#reservedOn(nameOf(best.node), priorityOf(pod));
    for (const each of gone) this.reservations.delete(each);
    const victims = best.victims.map((victim) => uidOf(victim.pod));
    return { do: 'preempt', node: nameOf(best.node), victims, ...rescinding(gone) };
  }

  /** Everybody lesser leaves, and returns one by one, as long as there is still room. */
  #victimsOn(pod: Pod, node: Node): { node: Node; victims: Resident[]; violations: number } | undefined {
    const guardOf = ({ reservation = '' }: Resident) => this.reservations.get(reservation)?.priority ?? -Infinity;
    const lesser = [...this.pods.values()]
      .filter((other) => other.nodeName === nameOf(node) && priorityOf(other.pod) < priorityOf(pod))
      .filter((other) => guardOf(other) < priorityOf(pod))
      .toSorted(byImportance);
    const absent = new Set(lesser);
    const yielding = new Set(this.#reservedOn(nameOf(node), priorityOf(pod)));
    if (lesser.length === 0 || !this.#without(absent, yielding).fits(pod, node)) return undefined;
    const staying = lesser.filter(({ leaving }) => leaving !== true);
    const left = new Map([...this.budgets.values()].map((budget) => [budget, budget.allowed]));
    const violating = staying.filter((victim) => {
      const mine = [...this.budgets.values()].filter((budget) => covered(budget, victim.pod));
      for (const budget of mine) left.set(budget, (left.get(budget) ?? 0) - 1);
      return mine.some((budget) => (left.get(budget) ?? 0) < 0);
    });
    for (const resident of [...violating, ...staying.filter((each) => !violating.includes(each))]) {
      absent.delete(resident);
      if (!this.#without(absent, yielding).fits(pod, node)) absent.add(resident);
    }
    const victims = staying.filter((each) => absent.has(each));
    return { node, victims, violations: victims.filter((each) => violating.includes(each)).length };
  }

  /** The cluster as it would be without some pods, and without what is left of some reservations. */
  #without(absent: ReadonlySet<Resident>, withheld: ReadonlySet<string>): ReferenceScheduler {
    const other = new ReferenceScheduler(this.#seed, { ...this.#options, storage: this.storage, withheld });
    for (const [uid, reservation] of this.reservations) other.reservations.set(uid, reservation);
    for (const [name, labels] of this.namespaces) other.namespaces.set(name, labels);
    other.services.push(...this.services);
    for (const [name, selector] of this.controllers) other.controllers.set(name, selector);
    for (const [name, node] of this.nodes) other.nodes.set(name, node);
    for (const [uid, resident] of this.pods) if (!absent.has(resident)) other.pods.set(uid, resident);
    for (const [uid, resident] of this.nominated) other.nominated.set(uid, resident);
    return other;
  }

  #best(pod: Pod): Node | undefined {
    const fitting = [...this.nodes.values()].filter((node) => this.fits(pod, node));
    const scores = this.#scores(pod, fitting);
    const [best] = fitting.toSorted(
      (a, b) =>
        (scores.get(b) ?? 0) - (scores.get(a) ?? 0) ||
        (this.#crowdOn(a, pod) - this.#crowdOn(b, pod)) * (this.#options.packs === true ? -1 : 1) ||
        this.#tie(a) - this.#tie(b) ||
        (nameOf(a) < nameOf(b) ? -1 : 1),
    );
    return best;
  }

  fits(pod: Pod, node: Node): boolean {
    const tolerations = pod.spec?.tolerations ?? [];
    const cordon = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
    if (node.spec?.unschedulable === true && !tolerations.some((toleration) => covers(toleration, cordon)))
      return false;
    if (!toleratesAll(pod, node) || !matchesNode(pod, node)) return false;
    const here = this.#onOrComing(node, pod);
    for (const mine of portsOf(pod)) {
      for (const other of here) {
        for (const theirs of portsOf(other)) {
          const sameAddress = mine.ip === theirs.ip || mine.ip === '0.0.0.0' || theirs.ip === '0.0.0.0';
          if (mine.port === theirs.port && sameAddress) return false;
        }
      }
    }
    for (const uid of this.#reservedOn(nameOf(node))) {
      const taken = [...this.pods.values()]
        .filter((each) => each.reservation === uid)
        .flatMap((each) => portsOf(each.pod));
      const ports = this.reservations.get(uid)?.ports.filter((port) => !taken.some((each) => each.port === port));
      if (!this.withheld.has(uid) && portsOf(pod).some(({ port }) => ports?.includes(port) === true)) return false;
    }
    const everywhere = [...this.pods.values()].map((resident) => resident.pod);
    const coming = [...this.nodes.values()].flatMap((each) => this.#coming(each, pod));
    if (!this.storage.fits(pod, node, here, [...everywhere, ...coming])) return false;
    if (!this.#spreads(pod, node) || !this.#isWelcome(pod, node)) return false;
    const slots = here.length + this.#reserved(node, 'pods') + 1;
    if (slots > Number(node.status?.allocatable?.['pods'] ?? 0)) return false;
    return Object.keys(requestsOf(pod)).every((resource) => {
      const asked = request(pod, resource);
      const used = sum(here, (other) => request(other, resource)) + this.#reserved(node, resource);
      return asked === 0 || used + asked <= capacity(node, resource);
    });
  }

  #scores(pod: Pod, fitting: readonly Node[]): ReadonlyMap<Node, number> {
    const taintCounts = new Map(fitting.map((node) => [node, untoleratedPreferences(pod, node)]));
    const affinities = new Map(fitting.map((node) => [node, preferredWeight(pod, node)]));
    const mostTaints = Math.max(0, ...taintCounts.values());
    const mostAffinity = Math.max(0, ...affinities.values());
    const near = new Map(fitting.map((node) => [node, this.#preferredNear(pod, node)]));
    const [nearest, farthest] = [Math.max(...near.values()), Math.min(...near.values())];
    const crowds = this.#crowds(pod, fitting);
    const known = [...crowds.values()];
    const [most, least] = [Math.max(...known), Math.min(...known)];
    const soft = this.#spreadOf(pod).some((each) => each.whenUnsatisfiable === 'ScheduleAnyway');
    return new Map(
      fitting.map((node) => {
        const crowd = crowds.get(node);
        const room =
          crowd === undefined || !soft ? 0 : most === 0 ? 100 : Math.floor((100 * (most + least - crowd)) / most);
        const company =
          nearest === farthest ? 0 : Math.trunc(100 * (((near.get(node) ?? 0) - farthest) / (nearest - farthest)));
        const taints = mostTaints === 0 ? 100 : 100 - Math.floor((100 * (taintCounts.get(node) ?? 0)) / mostTaints);
        const affinity = mostAffinity === 0 ? 0 : Math.floor((100 * (affinities.get(node) ?? 0)) / mostAffinity);
        return [
          node,
          this.#load(pod, node) + 3 * taints + 2 * affinity + 2 * room + 2 * company + this.#locality(pod, node),
        ];
      }),
    );
  }

  /** How much of the pod's images the node has, in 100ths of what counts. */
  #locality(pod: Pod, node: Node): number {
    const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
    const sizeOn = (each: Node, image: string) =>
      each.status?.images?.find(({ names = [] }) => names.includes(image))?.sizeBytes;
    const bytes = sum(containers, ({ image = '' }) => {
      const name = image.split('/').at(-1)?.includes(':') === true ? image : `${image}:latest`;
      const holders = [...this.nodes.values()].filter((each) => sizeOn(each, name) !== undefined);
      return Math.trunc((sizeOn(node, name) ?? 0) * (holders.length / this.nodes.size));
    });
    const [least, most] = [23 * 2 ** 20, 1000 * 2 ** 20 * containers.length];
    return Math.floor((100 * (Math.min(most, Math.max(least, bytes)) - least)) / (most - least));
  }

  /** Hard spread constraints. */
  #spreads(pod: Pod, node: Node): boolean {
    const hard = this.#spreadOf(pod).filter((each) => each.whenUnsatisfiable === 'DoNotSchedule');
    return hard.every((constraint) => {
      if (labelOf(node, constraint.topologyKey) === undefined) return false;
      const counts = this.#countsOf(pod, constraint, hard);
      const self = isCounted(constraint, pod, pod) ? 1 : 0;
      const domain = labelOf(node, constraint.topologyKey) ?? '';
      const coming = this.#countsOf(pod, constraint, hard, (other) => this.#coming(other, pod));
      const here = (counts.get(domain) ?? 0) + (coming.get(domain) ?? 0);
      const few = counts.size < (constraint.minDomains ?? 1);
      const lowest = counts.size === 0 || few ? 0 : Math.min(...counts.values());
      return here + self - lowest <= constraint.maxSkew;
    });
  }

  /** Matching pods per domain of the nodes that take part. */
  #countsOf(
    pod: Pod,
    constraint: TopologySpreadConstraint,
    together: readonly TopologySpreadConstraint[],
    podsOn = (node: Node) => this.#staying(node),
  ): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const node of this.nodes.values()) {
      if (together.some(({ topologyKey }) => labelOf(node, topologyKey) === undefined)) continue;
      if (constraint.nodeAffinityPolicy !== 'Ignore' && !matchesNode(pod, node)) continue;
      if (constraint.nodeTaintsPolicy === 'Honor' && !toleratesAll(pod, node)) continue;
      const domain = labelOf(node, constraint.topologyKey) ?? '';
      const matching = podsOn(node).filter((other) => isCounted(constraint, pod, other));
      counts.set(domain, (counts.get(domain) ?? 0) + matching.length);
    }
    return counts;
  }

  /** Soft spread constraints: the lower the better; nothing for nodes where a key is missing that must be there. */
  #crowds(pod: Pod, fitting: readonly Node[]): ReadonlyMap<Node, number> {
    const soft = this.#spreadOf(pod).filter((each) => each.whenUnsatisfiable !== 'DoNotSchedule');
    const isLenient = this.#isSpreadBySystem(pod);
    const hasAll = (node: Node) => soft.every(({ topologyKey }) => labelOf(node, topologyKey) !== undefined);
    const scored = isLenient ? fitting : fitting.filter(hasAll);
    return new Map(
      scored.map((node) => {
        let crowd = 0;
        for (const constraint of soft) {
          const { topologyKey, maxSkew } = constraint;
          const domain = labelOf(node, topologyKey);
          if (domain === undefined) continue;
          const isHost = topologyKey === 'kubernetes.io/hostname';
          const size = isHost ? scored.length : new Set(scored.map((each) => labelOf(each, topologyKey))).size;
          const count = isHost
            ? this.#staying(node).filter((other) => isCounted(constraint, pod, other)).length
            : (this.#countsOf(pod, constraint, isLenient ? [] : soft).get(domain) ?? 0);
          crowd += count * Math.log(size + 2) + (maxSkew - 1);
        }
        return [node, Math.round(crowd)];
      }),
    );
  }

  #isSpreadBySystem(pod: Pod): boolean {
    return (pod.spec.topologySpreadConstraints ?? []).length === 0 && this.#options.defaultSpread === 'system';
  }

  /** The pod's constraints, or else the default ones among the pods of its Services and of its controller. */
  #spreadOf(pod: Pod): readonly TopologySpreadConstraint[] {
    const own = pod.spec.topologySpreadConstraints ?? [];
    const { defaultSpread = [] } = this.#options;
    if (own.length > 0) return own;
    const mine = this.services.filter(
      ({ namespace, selector }) => namespace === namespaceOf(pod) && carries(selector, pod.metadata?.labels),
    );
    const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller === true)?.name;
    const matchLabels = Object.assign({}, ...mine.map(({ selector }) => selector), this.controllers.get(owner ?? ''));
    if (Object.keys(matchLabels).length === 0) return [];
    const system = [
      { topologyKey: 'kubernetes.io/hostname', maxSkew: 3, whenUnsatisfiable: 'ScheduleAnyway' },
      { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5, whenUnsatisfiable: 'ScheduleAnyway' },
    ];
    return (defaultSpread === 'system' ? system : defaultSpread).map((constraint) => ({
      ...constraint,
      labelSelector: { matchLabels },
    }));
  }

  /** Required affinity and anti-affinity, the pod's own and that of pods that are there. */
  #isWelcome(pod: Pod, node: Node): boolean {
    const there = (key: string) =>
      [...this.nodes.values()]
        .filter((other) => labelOf(other, key) !== undefined && labelOf(other, key) === labelOf(node, key))
        .flatMap((other) => this.#onOrComing(other, pod));
    const thereNow = (key: string) =>
      [...this.nodes.values()]
        .filter((other) => labelOf(other, key) !== undefined && labelOf(other, key) === labelOf(node, key))
        .flatMap((other) => this.#on(other));
    const everywhere = [...this.nodes.values()];
    const near = requiredTerms(pod, 'podAffinity');
    const isWanted = (other: Pod) => near.every((term) => this.#means(term, pod, other));
    const isNear = near.every(({ topologyKey }) => thereNow(topologyKey).some(isWanted));
    if (near.some(({ topologyKey }) => labelOf(node, topologyKey) === undefined)) return false;
    const isAnywhere = near.some(({ topologyKey }) =>
      everywhere
        .filter((other) => labelOf(other, topologyKey) !== undefined)
        .flatMap((other) => this.#on(other))
        .some(isWanted),
    );
    if (!isNear && (isAnywhere || !isWanted(pod))) return false;
    for (const term of requiredTerms(pod, 'podAntiAffinity')) {
      if (there(term.topologyKey).some((other) => this.#means(term, pod, other))) return false;
    }
    return everywhere
      .flatMap((other) => this.#onOrComing(other, pod).map((resident) => ({ resident, other })))
      .every(({ resident, other }) =>
        requiredTerms(resident, 'podAntiAffinity').every((term) => {
          const same =
            labelOf(other, term.topologyKey) !== undefined &&
            labelOf(other, term.topologyKey) === labelOf(node, term.topologyKey);
          return !same || !this.#means(term, resident, pod);
        }),
      );
  }

  /** Whether a term of `owner` means `other`. */
  #means(term: PodAffinityTerm, owner: Pod, other: Pod): boolean {
    const namespace = namespaceOf(other);
    const inNamespace =
      term.namespaceSelector === undefined && (term.namespaces ?? []).length === 0
        ? namespace === namespaceOf(owner)
        : (term.namespaces ?? []).includes(namespace) ||
          (term.namespaceSelector !== undefined &&
            carries(term.namespaceSelector.matchLabels ?? {}, this.namespaces.get(namespace)));
    const unlike = (term.mismatchLabelKeys ?? []).some((key) => {
      const mine = owner.metadata?.labels?.[key];
      return mine !== undefined && other.metadata?.labels?.[key] === mine;
    });
    return inNamespace && !unlike && selects(term.labelSelector, other) && likeIn(term.matchLabelKeys, owner, other);
  }

  /** What preferences weigh for a node: the pod's own, and those of pods that are there. */
  #preferredNear(pod: Pod, node: Node): number {
    const own = preferencesOf(pod);
    const heeds = own.length > 0 || this.#options.ignorePreferredTermsOfExistingPods !== true;
    const weightOfRequired = this.#options.hardPodAffinityWeight ?? 1;
    let total = 0;
    for (const other of this.nodes.values()) {
      const together = (key: string) => labelOf(node, key) !== undefined && labelOf(node, key) === labelOf(other, key);
      for (const resident of this.#on(other)) {
        for (const { weight, term } of own) {
          if (together(term.topologyKey) && this.#means(term, pod, resident)) total += weight;
        }
        if (!heeds) continue;
        const theirs = requiredTerms(resident, 'podAffinity').map((term) => ({ weight: weightOfRequired, term }));
        for (const { weight, term } of [...theirs, ...preferencesOf(resident)]) {
          if (together(term.topologyKey) && this.#means(term, resident, pod)) total += weight;
        }
      }
    }
    return total;
  }

  #load(pod: Pod, node: Node): number {
    const all = [...this.#onOrComing(node, pod), pod];
    const percent = (resource: 'cpu' | 'memory') => {
      const reserved = this.#reserved(node, resource);
      const [have, use] = [capacity(node, resource), sum(all, (each) => nominal(each, resource)) + reserved];
      if (this.#options.packs === true) return Math.floor((Math.min(use, have) * 100) / have);
      return use > have ? 0 : Math.floor(((have - use) * 100) / have);
    };
    const load = Math.floor((percent('cpu') + percent('memory')) / 2);
    if (this.#options.packs === true || (request(pod, 'cpu') === 0 && request(pod, 'memory') === 0)) return load;
    const share = (resource: string) =>
      Math.min(
        1,
        (sum(all, (each) => request(each, resource)) + this.#reserved(node, resource)) / capacity(node, resource),
      );
    return load + Math.floor((1 - Math.abs(share('cpu') - share('memory')) / 2) * 100);
  }

  #on(node: Node): readonly Pod[] {
    return [...this.pods.values()].filter(({ nodeName }) => nodeName === nameOf(node)).map(({ pod }) => pod);
  }

  #staying(node: Node): readonly Pod[] {
    const here = [...this.pods.values()].filter(({ nodeName }) => nodeName === nameOf(node));
    return here.filter(({ leaving }) => leaving !== true).map(({ pod }) => pod);
  }

  /** Pods nominated to the node that `pod` must leave room for. */
  #coming(node: Node, pod: Pod): readonly Pod[] {
    return [...this.nominated.values()]
      .filter(({ nodeName }) => nodeName === nameOf(node))
      .map((each) => each.pod)
      .filter((other) => uidOf(other) !== uidOf(pod) && priorityOf(other) >= priorityOf(pod));
  }

  /** Where they would help nobody (affinity, the lowest count of a spread, preferences) they are not counted. */
  #onOrComing(node: Node, pod: Pod): readonly Pod[] {
    return [...this.#on(node), ...this.#coming(node, pod)];
  }

  #crowdOn(node: Node, pod: Pod): number {
    return this.#onOrComing(node, pod).length + this.#reserved(node, 'pods');
  }

  #tie(node: Node): number {
    return hash32(this.#seed, nameOf(node));
  }
}

export interface ReservedRoom {
  readonly nodeName: string;
  readonly priority: number;
  readonly heldAt: number;
  /** By resource name, `pods` for slots. */
  readonly amounts: ReadonlyMap<string, number>;
  readonly ports: readonly number[];
}

export interface ReferenceOptions {
  readonly storage?: ReferenceStorage;
  readonly packs?: boolean;
  /** Reservations that do not count. */
  readonly withheld?: ReadonlySet<string>;
  /** As the arguments of InterPodAffinity; upstream's defaults unless given. */
  readonly hardPodAffinityWeight?: number;
  readonly ignorePreferredTermsOfExistingPods?: boolean;
  /** As the arguments of PodTopologySpread; none unless given. */
  readonly defaultSpread?: 'system' | readonly TopologySpreadConstraint[];
}

type Labels = Readonly<Record<string, string>>;

interface Resident {
  readonly pod: Pod;
  readonly nodeName: string;
  /** The reservation that it was placed into. */
  readonly reservation?: string;
  /** Milliseconds; absent as long as its node has not taken it up. */
  startedAt?: number;
  /** True once it has been asked to leave. */
  leaving?: boolean;
}

export type Outcome =
  | { readonly do: 'place'; readonly node: string; readonly rescinded?: readonly string[] }
  | {
      readonly do: 'preempt';
      readonly node: string;
      readonly victims: readonly string[];
      readonly rescinded?: readonly string[];
    }
  | { readonly do: 'wait' }
  | { readonly do: 'refuse' };

/** What becomes of each pod that found a place, or will. */
export interface GangOutcome {
  readonly do: 'place' | 'make-room' | 'refuse';
  readonly outcomes: readonly { readonly pod: Pod; readonly outcome: Outcome }[];
}

const rescinding = (gone: readonly string[]) => (gone.length === 0 ? {} : { rescinded: gone.toSorted() });
const noPod: Pod = { spec: { containers: [] } };
const amountIn = (pod: Pod, name: string) => (name === 'pods' ? 1 : request(pod, name));
const uidOf = (pod: Pod) => pod.metadata?.uid ?? '';
const priorityOf = (pod: Pod) => pod.spec.priority ?? 0;
const lifted = ({ pod }: Resident) => priorityOf(pod) + 2 ** 31;

function byImportance(a: Resident, b: Resident): number {
  if (priorityOf(a.pod) !== priorityOf(b.pod)) return priorityOf(b.pod) - priorityOf(a.pod);
  const [startA, startB] = [a.startedAt ?? Infinity, b.startedAt ?? Infinity];
  if (startA !== startB) return startA < startB ? -1 : 1;
  return uidOf(a.pod) < uidOf(b.pod) ? -1 : 1;
}

function earliestOfHighest(victims: readonly Resident[]): number {
  const highest = Math.max(...victims.map(({ pod }) => priorityOf(pod)));
  const top = victims.filter(({ pod }) => priorityOf(pod) === highest);
  return Math.min(...top.map(({ startedAt = Infinity }) => startedAt));
}

/** Budgets of the tests stand in the namespace `default`. */
const covered = ({ matchLabels }: { matchLabels: Labels }, pod: Pod) =>
  namespaceOf(pod) === 'default' && carries(matchLabels, pod.metadata?.labels);

const requiredTerms = (pod: Pod, kind: 'podAffinity' | 'podAntiAffinity') =>
  pod.spec.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];

const namespaceOf = (pod: Pod) => pod.metadata?.namespace ?? '';

/** Preferred terms; those to keep away with negative weight. */
function preferencesOf(pod: Pod): readonly { readonly weight: number; readonly term: PodAffinityTerm }[] {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  const near = podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const away = podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return [
    ...near.map(({ weight, podAffinityTerm }) => ({ weight, term: podAffinityTerm })),
    ...away.map(({ weight, podAffinityTerm }) => ({ weight: -weight, term: podAffinityTerm })),
  ];
}

/** The tests select by plain labels only. */
const selects = (selector: { matchLabels?: Labels } | undefined, pod: Pod) =>
  carries(selector?.matchLabels ?? {}, pod.metadata?.labels);

const carries = (wanted: Labels, labels: Labels = {}) =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);

/** Equal labels, as far as the first has them. */
const likeIn = (keys: readonly string[] | undefined, pod: Pod, other: Pod) =>
  (keys ?? []).every((key) => {
    const mine = pod.metadata?.labels?.[key];
    return mine === undefined || other.metadata?.labels?.[key] === mine;
  });

/** Whether a spread constraint of `pod` counts `other`. */
const isCounted = (constraint: TopologySpreadConstraint, pod: Pod, other: Pod) =>
  namespaceOf(pod) === namespaceOf(other) &&
  selects(constraint.labelSelector, other) &&
  likeIn(constraint.matchLabelKeys, pod, other);

function matchesNode(pod: Pod, node: Node): boolean {
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return (
    Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labelOf(node, key) === value) &&
    (required === undefined || required.nodeSelectorTerms.some((term) => matches(term, node)))
  );
}

function toleratesAll(pod: Pod, node: Node): boolean {
  return (node.spec?.taints ?? []).every(
    (taint) =>
      taint.effect === 'PreferNoSchedule' ||
      (pod.spec.tolerations ?? []).some((toleration) => covers(toleration, taint)),
  );
}

const nameOf = (node: Node) => node.metadata?.name ?? '';
const requestsOf = (pod: Pod) => pod.spec?.containers[0]?.resources?.requests ?? {};
const request = (pod: Pod, resource: string) => amountOf(resource, requestsOf(pod)[resource] ?? 0);
const capacity = (node: Node, resource: string) => amountOf(resource, node.status?.allocatable?.[resource] ?? 0);
const sum = <T>(all: readonly T[], amount: (each: T) => number) => all.reduce((total, each) => total + amount(each), 0);

function nominal(pod: Pod, resource: 'cpu' | 'memory'): number {
  if (requestsOf(pod)[resource] !== undefined) return request(pod, resource);
  return resource === 'cpu' ? 100 : 200 * 1024 * 1024;
}

function portsOf(pod: Pod): readonly { port: number; ip: string }[] {
  return (pod.spec?.containers[0]?.ports ?? []).flatMap(({ hostPort, hostIP }) =>
    hostPort === undefined ? [] : [{ port: hostPort, ip: hostIP ?? '0.0.0.0' }],
  );
}

function covers(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== taint.effect) return false;
  if (toleration.key !== undefined && toleration.key !== taint.key) return false;
  return toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? '');
}

function untoleratedPreferences(pod: Pod, node: Node): number {
  const preferences = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'PreferNoSchedule');
  return preferences.filter((taint) => !(pod.spec?.tolerations ?? []).some((toleration) => covers(toleration, taint)))
    .length;
}

function preferredWeight(pod: Pod, node: Node): number {
  const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return terms.reduce((total, { weight, preference }) => total + (matches(preference, node) ? weight : 0), 0);
}
