// A change of the product's own source that makes it wrong on purpose. The text it looks for must stand exactly once in
// its file: a mutant that has silently stopped applying would prove nothing, so it fails loudly instead.

export interface Patch {
  /** Relative to the repository, e.g. "src/charges/ledger.ts". */
  file: string;
  /** Occurs exactly once in the file. */
  find: string;
  replace: string;
}

/** The source of `file` with those of `patches` applied that are about it, in their order. */
export function applyPatches(file: string, source: string, patches: readonly Patch[]): string {
  let patched = source;
  for (const patch of patches) {
    if (patch.file !== file) continue;
    const found = patched.split(patch.find).length - 1;
    if (found !== 1) {
      const times = found === 0 ? "no longer in" : `${found} times in`;
      throw new Error(`the patch does not apply: ${JSON.stringify(patch.find)} is ${times} ${file}`);
    }
    // A function, because a replacement may hold "$&" and the like.
    patched = patched.replace(patch.find, () => patch.replace);
  }
  return patched;
}
