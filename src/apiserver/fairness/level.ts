import type { PriorityLevelConfiguration } from '#api/flowcontrol/priority-level-configuration.ts';
import { deal } from './shuffle-sharding.ts';

/** What of one priority level counts, worked out for a server of so many seats. */
export interface LevelLimits {
  readonly exempt: boolean;
  readonly nominal: number;
  /** What it keeps whatever others want. */
  readonly min: number;
  /** What it may use at most, with what others lend. */
  readonly max: number;
  /** Undefined where what finds no seat is turned away. */
  readonly queuing: { readonly queues: number; readonly handSize: number; readonly lengthMax: number } | undefined;
}

/** Seats are shared out by shares, rounded up. Source: upstream's flow-control documentation, "Seats Occupied by a Request". */
export function limitsOf(
  levels: readonly PriorityLevelConfiguration[],
  seats: number,
): ReadonlyMap<string, LevelLimits> {
  const sharesOf = ({ spec }: PriorityLevelConfiguration) =>
    (spec.type === 'Exempt' ? spec.exempt : spec.limited)?.nominalConcurrencyShares ?? 0;
  const total = levels.reduce((sum, each) => sum + sharesOf(each), 0);
  return new Map(
    levels.map((each) => {
      const { spec } = each;
      const { limited } = spec;
      const nominal = total === 0 ? 0 : Math.ceil((seats * sharesOf(each)) / total);
      const lendable = Math.round((nominal * ((limited ?? spec.exempt)?.lendablePercent ?? 0)) / 100);
      const borrowing = limited?.borrowingLimitPercent;
      const queuing = limited?.limitResponse?.queuing;
      return [
        each.metadata?.name ?? '',
        {
          exempt: spec.type === 'Exempt',
          nominal,
          min: nominal - lendable,
          max: borrowing === undefined ? seats : Math.min(seats, nominal + Math.round((nominal * borrowing) / 100)),
          queuing:
            limited?.limitResponse?.type !== 'Queue' || queuing === undefined
              ? undefined
              : {
                  queues: queuing.queues ?? 1,
                  handSize: queuing.handSize ?? 1,
                  lengthMax: queuing.queueLengthLimit ?? 1,
                },
        },
      ];
    }),
  );
}

export interface Waiting {
  readonly width: number;
  readonly arrived: number;
  /** Called once it may run, from whatever released its seats. */
  readonly start: () => void;
}

/** One queue of a level. Its virtual time says how much work its flows have had. */
export interface Queue {
  virtual: number;
  waiting: Waiting[];
  executing: number;
}

/** Seat-milliseconds that a request is thought to take, until it has. */
const estimateMs = 5;
/** What the quickest request counts for: a clock in milliseconds would call it nothing. */
const chargedMsMin = 1;
const handsKeptMax = 1_024;

/**
 * The queues of one priority level and the seats it uses now. Who is served next is the queue that has had the least
 * (start-time fair queuing over seat-milliseconds), so that a flow gets its part however much another asks for.
 */
export class Level {
  readonly name: string;
  readonly uid: string;
  #limits: LevelLimits;
  seats = 0;
  waitingCount = 0;
  /** What flows have been dealt. */
  readonly #hands = new Map<string, readonly number[]>();
  readonly #queues = new Map<number, Queue>();
  /** Virtual time of the last request that was served: an idle queue starts from there, and saves nothing up. */
  #now = 0;

  constructor(name: string, uid: string, limits: LevelLimits) {
    this.name = name;
    this.uid = uid;
    this.#limits = limits;
  }

  get limits(): LevelLimits {
    return this.#limits;
  }

  set limits(limits: LevelLimits) {
    this.#limits = limits;
    this.#hands.clear();
  }

  /** The least busy of the queues that the flow has been dealt. */
  queueFor(flow: string): Queue {
    const { queues, handSize } = this.limits.queuing ?? { queues: 1, handSize: 1 };
    let hand = this.#hands.get(flow);
    if (hand === undefined) {
      if (this.#hands.size >= handsKeptMax) this.#hands.clear();
      this.#hands.set(flow, (hand = deal(flow, queues, handSize)));
    }
    return hand.map((index) => this.#queue(index)).reduce((best, each) => (loadOf(each) < loadOf(best) ? each : best));
  }

  enqueue(queue: Queue, waiting: Waiting): void {
    if (queue.waiting.length === 0 && queue.executing === 0) queue.virtual = Math.max(queue.virtual, this.#now);
    queue.waiting.push(waiting);
    this.waitingCount++;
  }

  /** Takes one out that waits no longer. */
  withdraw(queue: Queue, waiting: Waiting): boolean {
    const at = queue.waiting.indexOf(waiting);
    if (at < 0) return false;
    queue.waiting.splice(at, 1);
    this.waitingCount--;
    return true;
  }

  /** Who is next, if anybody waits. */
  next(): { readonly queue: Queue; readonly waiting: Waiting } | undefined {
    if (this.waitingCount === 0) return undefined;
    let best: Queue | undefined;
    for (const queue of this.#queues.values()) {
      if (queue.waiting.length > 0 && (best === undefined || queue.virtual < best.virtual)) best = queue;
    }
    return best && { queue: best, waiting: best.waiting[0]! };
  }

  /** Notes that a request of `queue` begins. */
  begin(queue: Queue, width: number): void {
    if (queue.waiting.length === 0 && queue.executing === 0) queue.virtual = Math.max(queue.virtual, this.#now);
    this.#now = Math.max(this.#now, queue.virtual);
    queue.virtual += width * estimateMs;
    queue.executing += width;
    this.seats += width;
  }

  /** Notes that it has ended, and charges what it really took. */
  end(queue: Queue, width: number, ms: number): void {
    queue.virtual += width * (Math.max(ms, chargedMsMin) - estimateMs);
    queue.executing -= width;
    this.seats -= width;
    if (this.seats === 0 && this.waitingCount === 0) {
      this.#queues.clear(); // an idle level costs nothing
      this.#now = 0;
    }
  }

  #queue(index: number): Queue {
    let queue = this.#queues.get(index);
    if (queue === undefined) this.#queues.set(index, (queue = { virtual: this.#now, waiting: [], executing: 0 }));
    return queue;
  }
}

const loadOf = ({ waiting, executing }: Queue) => waiting.reduce((sum, { width }) => sum + width, 0) + executing;
