/** A batch that failed; Drizzle wraps the failures of single queries itself. The cause is not in the message. */
export class DatabaseError extends Error {
  constructor(cause: unknown) {
    super("the database failed", { cause });
  }
}
