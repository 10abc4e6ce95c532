import type { HostPort } from './demand.ts';
import type { NodeTable, Occupant } from './node-table.ts';
import type { Taint } from './taints.ts';

/**
 * One node as a plugin sees it: a window onto a row of the table. The same view is moved from row to row, so a plugin
 * must not keep it. Amounts are cpu in thousandths of a core and everything else in whole units.
 */
export class NodeView {
  readonly table: NodeTable;
  row = 0;

  constructor(table: NodeTable) {
    this.table = table;
  }

  at(row: number): this {
    this.row = row;
    return this;
  }

  get name(): string {
    return this.table.nameOf(this.row);
  }

  label(key: string): string | undefined {
    return this.table.labels.get(this.row, key);
  }

  get unschedulable(): boolean {
    return this.table.unschedulable[this.row] === 1;
  }

  get taints(): readonly Taint[] {
    return this.table.taintsAt(this.row);
  }

  /** Number of the node's list of taints: equal for nodes with equal taints, so that an answer can be remembered. */
  get taintList(): number {
    return this.table.taintList[this.row] ?? 0;
  }

  /** By resource number (`table.resourceId(name)`). */
  allocatable(id: number): number {
    return this.table.allocatable[id]?.[this.row] ?? 0;
  }

  used(id: number): number {
    return this.table.used[id]?.[this.row] ?? 0;
  }

  free(id: number): number {
    return this.table.free(id, this.row);
  }

  /** Use of cpu or memory with nominal amounts for containers without requests; plain use of other resources. */
  nominallyUsed(id: number): number {
    return this.table.nominalUse(id)[this.row] ?? 0;
  }

  /** What takes room there, suspended ones included: mind `counts`. */
  get occupants(): readonly Occupant[] {
    return this.table.occupantsAt(this.row);
  }

  portConflict(ports: readonly HostPort[]): HostPort | undefined {
    return this.table.ports.conflict(this.row, ports);
  }
}
