// The one way to a database: a function of (app, mode), so that test data on its own database, or several
// databases, is a change of this file and of configuration alone.
import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1";
import { DatabaseError } from "./database-error.ts";

export type Database = DrizzleD1Database<Record<string, never>> & { $client: D1Database };

const clients = new WeakMap<D1Database, Database>();

/** Carries statements out in one transaction; answers with the rows of each. Throws DatabaseError. */
export async function batchOf(
  db: Database,
  statements: D1PreparedStatement[],
): Promise<Record<string, unknown>[][]> {
  try {
    const results = await db.$client.batch<Record<string, unknown>>(statements);
    return results.map((result) => result.results);
  } catch (cause) {
    throw new DatabaseError(cause);
  }
}

/** The database that holds an app's objects of one mode. */
export function database(env: { DB: D1Database }, _app: string, _livemode: boolean): Database {
  return clientOf(env.DB);
}

/** Every database, for the sweeper, which looks across apps. */
export function everyDatabase(env: { DB: D1Database }): Database[] {
  return [clientOf(env.DB)];
}

/** The database that knows the keys, before app and mode are known. */
export function keyDatabase(env: { DB: D1Database }): Database {
  return clientOf(env.DB);
}

function clientOf(binding: D1Database): Database {
  let client = clients.get(binding);
  if (client === undefined) {
    client = drizzle(binding);
    const batch = client.batch.bind(client);
    // A binding that breaks says so in many ways; whoever renders an error needs to know only that it was the database.
    client.batch = async (queries) => {
      try {
        return await batch(queries);
      } catch (cause) {
        throw new DatabaseError(cause);
      }
    };
    clients.set(binding, client);
  }
  return client;
}
