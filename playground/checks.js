// The page's own numbers against those that PyTorch gave for the same rounded weights.

const LOGITS_LIMIT = 1e-4;
const DENSITY_LIMIT = 1e-5;

function largestDifference(found, expected) {
  let most = 0;
  for (let i = 0; i < expected.length; i += 1) {
    const difference = Math.abs(found[i] - expected[i]);
    // what is not a number is not equal
    most = Math.max(most, Number.isNaN(difference) ? Infinity : difference);
  }
  return found.length === expected.length ? most : Infinity;
}

/** {what, difference, limit} of a pack's model. */
const CHECKS = {
  gpt(pack) {
    const { epochs, check } = pack.meta;
    const expected = tensor(pack, "check.logits");
    const found = epochs.map((epoch) => gptForward(gptModel(pack, epoch), check));
    const logits = found.map(({ logits: l }, i) => largestDifference(l, row(expected, i)));
    const square = found[found.length - 1].attention.flat(2).map((seen) =>
      check.map((_, t) => seen[t] ?? 0),
    );
    const attention = tensor(pack, "check.attention").values;
    const difference = Math.max(...logits, largestDifference(square.flat(), attention));
    return { what: "GPT's logits", difference, limit: LOGITS_LIMIT };
  },

  mixtures(pack) {
    const differences = pack.meta.runs.flatMap((run) => {
      const expected = tensor(pack, `${run.kind}.${run.n_components}.${run.start}.check`);
      return run.epochs.map((_, i) => {
        const mixture = mixtureAt(pack, run, i);
        const found = pack.meta.check.map((x) => logDensity(mixture, x));
        return largestDifference(found, row(expected, i));
      });
    });
    return {
      what: "mixtures' log-densities",
      difference: Math.max(...differences),
      limit: DENSITY_LIMIT,
    };
  },

  headlines(pack) {
    const found = headlinesForward(headlinesModel(pack), pack.meta.check);
    const flat = found.flatMap((logits) => Array.from(logSoftmax(logits)));
    const expected = tensor(pack, "check.log_probs").values;
    const difference = largestDifference(flat, expected);
    return { what: "headlines' log-probabilities", difference, limit: LOGITS_LIMIT };
  },

  sentiment(pack) {
    const model = sentimentModel(pack);
    const found = pack.meta.check.map((ids) => sentimentForward(model, ids));
    const logits = found.map(({ logit }) => logit);
    const attention = found[0].attention.flatMap((seen) => Array.from(seen));
    const difference = Math.max(
      largestDifference(logits, tensor(pack, "check.logits").values),
      largestDifference(attention, tensor(pack, "check.attention").values),
    );
    return { what: "sentiment's logits", difference, limit: LOGITS_LIMIT };
  },
};
