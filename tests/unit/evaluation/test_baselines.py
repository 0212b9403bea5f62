import numpy as np

from pipelines.evaluation.baselines import COPY, TRUTH, baselines


def test_beside_every_figure_stand_the_reference_repeated_and_the_truth() -> None:
    truth = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    reference = truth[0] // 2
    outputs = baselines(reference, truth)
    assert list(outputs) == [COPY, TRUTH]
    np.testing.assert_array_equal(outputs[COPY], np.stack([reference] * 3))
    np.testing.assert_array_equal(outputs[TRUTH], truth)
