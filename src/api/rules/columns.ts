/** The columns that many kinds share. Source: kubernetes pkg/printers/internalversion (printers.go). */
import { age } from '#machinery/human-duration.ts';
import type { Column } from '#machinery/kind.ts';
import { formatSelector } from '#machinery/labels.ts';
import type { LabelSelectorSource } from '#machinery/labels.ts';
import type { ApiObject } from '#machinery/object.ts';

type Cell<T> = Column<T>['cell'];

/** A column of text. */
export function column<T>(name: string, description: string, cell: Cell<T>, priority: 0 | 1 = 0): Column<T> {
  return { name, type: 'string', description, priority, cell };
}

/** A column of text that comes with `-o wide` only. */
export function wide<T>(name: string, description: string, cell: Cell<T>): Column<T> {
  return column(name, description, cell, 1);
}

export function integer<T>(name: string, description: string, cell: Cell<T>): Column<T> {
  return { name, type: 'integer', description, priority: 0, cell };
}

export function boolean<T>(name: string, description: string, cell: Cell<T>): Column<T> {
  return { name, type: 'boolean', description, priority: 0, cell };
}

export const nameColumn: Column<ApiObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name of the object, unique within its namespace.',
  priority: 0,
  cell: ({ metadata }) => metadata?.name ?? '',
};

export const ageColumn: Column<ApiObject> = column('Age', 'How long ago the object was created.', ({ metadata }, now) =>
  age(metadata?.creationTimestamp, now),
);

interface Template {
  readonly spec?: { readonly containers?: readonly { readonly name: string; readonly image?: string }[] };
}

/** Containers and Images, of a pod template. */
export function containerColumns<T>(templateOf: (object: T) => Template | undefined): Column<T>[] {
  const containers = (object: T) => templateOf(object)?.spec?.containers ?? [];
  return [
    wide('Containers', 'Names of each container in the template.', (object: T) =>
      containers(object)
        .map(({ name }) => name)
        .join(','),
    ),
    wide('Images', 'Images referenced by each container in the template.', (object: T) =>
      containers(object)
        .map(({ image = '' }) => image)
        .join(','),
    ),
  ];
}

export function selectorColumn<T>(selectorOf: (object: T) => LabelSelectorSource | undefined): Column<T> {
  return wide('Selector', 'Label query over the pods this object is about.', (object: T) =>
    formatSelector(selectorOf(object)),
  );
}

/** For kinds of which `kubectl` shows the day they were made. */
export const createdColumn: Column<ApiObject> = {
  name: 'Created At',
  type: 'date',
  description: 'When the object was created.',
  priority: 0,
  cell: ({ metadata }) => metadata?.creationTimestamp ?? null,
};
