import { ageColumn, integer, nameColumn } from '../rules/columns.ts';

/** Source: kubernetes pkg/printers/internalversion (printValidatingWebhook, printMutatingWebhook). */
export const webhookColumns = [
  nameColumn,
  integer(
    'Webhooks',
    'Webhooks indicates the number of webhooks registered in this configuration.',
    ({ webhooks = [] }: { readonly webhooks?: readonly unknown[] }) => webhooks.length,
  ),
  ageColumn,
];
