// Texts that a channel takes only so much of.

/** As many whole characters from the front as fit into `bytesMax` of UTF-8: never half of what a reader sees as one. */
export function cutToBytes(text: string, bytesMax: number): string {
  // A lone half of a surrogate pair has no bytes of its own, so what is signed would not be what is sent.
  const whole = text.toWellFormed();
  if (bytesOf(whole) <= bytesMax) return whole;
  const graphemes = Array.from(new Intl.Segmenter("zh").segment(whole), ({ segment }) => segment);
  // A first character longer than the limit leaves nothing but its code points.
  return fitting(graphemes, bytesMax) || fitting([...whole], bytesMax);
}

function fitting(pieces: string[], bytesMax: number): string {
  let kept = "";
  let left = bytesMax;
  for (const piece of pieces) {
    left -= bytesOf(piece);
    if (left < 0) break;
    kept += piece;
  }
  return kept;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}
