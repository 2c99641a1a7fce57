// How a command ends: its exit code, and the errors that carry one. Scripts rely on these numbers.

export const EXIT = {
  ok: 0,
  /** The service refused, the refund failed, or something else went wrong. */
  failed: 1,
  /** The command was called in a way it does not know. */
  usage: 2,
  /** The service could not be reached. */
  unreachable: 3,
  /** Some lines were recorded and others were not. */
  partly: 4,
  /** The time to wait ended first. */
  pending: 5,
} as const;

/** An error for the person at the terminal: what happened, and what to do about it. */
export class CommandError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

export class UsageError extends CommandError {
  constructor(message: string) {
    super(message, EXIT.usage);
  }
}

/** The service said no. */
export class RefusedError extends CommandError {
  readonly status: number;
  readonly code: string | null;
  readonly param: string | null;
  constructor(
    status: number,
    message: string,
    code: string | null,
    param: string | null,
    requestId: string | null,
  ) {
    const about = [`HTTP ${status}`, code, param === null ? null : `param ${param}`, requestId];
    super(`${message} (${about.filter((part) => part !== null).join(", ")})`);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

/** No answer came, so it is not known whether the service did it. */
export class UnreachableError extends CommandError {
  constructor(url: string, reason: string) {
    super(
      `${url} could not be reached: ${reason}. Is it running, and is --url (or EDGE_REFUNDS_URL) right?`,
      EXIT.unreachable,
    );
  }
}

/** A write that must not be repeated unseen was sent, and what became of it is not known. */
export class UnknownOutcomeError extends CommandError {
  constructor(reason: string, lookWith: string) {
    super(
      `${reason}\nIt may have happened all the same. Before you repeat it, look with: edge-refunds ${lookWith}`,
    );
  }
}
