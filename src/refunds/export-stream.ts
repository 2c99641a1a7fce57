// An export on its way. A piece is made when the client has taken the one before, so that memory does not grow with the
// export, and a client that goes away ends the work. One that cannot be finished ends in an error: the transfer is cut
// off, and nobody takes a part for the whole.

export type Pieces = AsyncGenerator<string, void, void>;

/** `onFailure` hears why no more could be made. */
export function streamOf(pieces: Pieces, onFailure: (error: unknown) => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (done) controller.close();
          else controller.enqueue(encoder.encode(value));
        } catch (error) {
          onFailure(error);
          // Not the error itself: the platform writes down what a stream ends with, and D1's carries parameters.
          controller.error(new Error("the export could not be finished"));
        }
      },
      async cancel() {
        await pieces.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The same pieces, the first of which has been made: what fails at once fails before there is an answer. */
export async function begun(pieces: Pieces): Promise<Pieces> {
  const first = await pieces.next();
  return (async function* () {
    if (first.done) return;
    yield first.value;
    yield* pieces;
  })();
}
