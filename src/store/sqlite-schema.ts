import type { DatabaseSync } from 'node:sqlite';

/** Raised whenever the tables change; kept in SQLite's `user_version`. */
export const sqliteSchemaVersion = 1;

/** Throws if `file` was written by a Tutti that is newer than this one: reading it could lose what it added. */
export function assertSchemaIsKnown(db: DatabaseSync, file: string): void {
  const { user_version: found } = db.prepare('PRAGMA user_version').get() as { user_version: bigint };
  if (found > BigInt(sqliteSchemaVersion)) {
    throw new Error(
      `${file} has schema version ${found}, which is newer than the ${sqliteSchemaVersion} this Tutti knows: ` +
        'start it with the Tutti that wrote it (or a newer one)',
    );
  }
}

/** Creates the tables of an empty database. */
export function createSchema(db: DatabaseSync): void {
  db.exec(`
    CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL, value BLOB) STRICT;
    CREATE INDEX IF NOT EXISTS log_key_id ON log (key, id);
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    PRAGMA user_version = ${sqliteSchemaVersion};
  `);
}
