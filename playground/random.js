// Random numbers that a seed repeats.

/** Numbers in [0, 1), by mulberry32 (Tommy Ettinger, public domain). */
function makeRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An index, each as likely as its share of probabilities. */
function drawIndex(probabilities, random) {
  let total = 0;
  for (const p of probabilities) total += p;
  let left = random() * total;
  let last = 0;
  for (let i = 0; i < probabilities.length; i += 1) {
    if (probabilities[i] > 0) {
      last = i;
      left -= probabilities[i];
      if (left < 0) return i;
    }
  }
  return last; // rounding may leave a little
}

/** A standard normal, by Box and Muller. */
function drawNormal(random) {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}
