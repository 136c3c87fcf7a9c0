const WORDS_PER_MINUTE = 220;

/** Returns how many minutes a text takes to read, at least one. */
export function minutes(text) {
  const words = text.trim().split(/\s+/).filter(Boolean).length;
  return Math.max(1, Math.ceil(words / WORDS_PER_MINUTE));
}
