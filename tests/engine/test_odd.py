"""An image of which a model gives NaN or infinity is skipped by name; where many are such, it is the model's fault."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from onnxmint.engine.local import Local
from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import Probe
from tests.engine.conftest import Numbers, all_of, probe

DIVIDED = """
<ir_version: 8, opset_import: ["" : 17]>
divided (uint8[N,2,2,1] image) => (float[N,2,2,1] value, float[N,2,2,1] other)
<float limit = {LIMIT}, float none = {0}>
{ other = Cast <to=1> (image)  left = Sub (other, limit)  kept = Max (left, none)  value = Div (other, kept) }
"""  # infinity of every level up to the limit


def _probe(limit: int, **options: object) -> Probe:
    model = onnx.parser.parse_model(DIVIDED.replace("LIMIT", str(limit))).SerializeToString()
    columns = (("value", "value"), ("other", "other"))
    return replace(probe(batch_size=4), model=model, columns=columns, leaves_out_odd=True, **options)


def _seen(limit: int, count: int = 40, **options: object) -> Observations:
    return Local(workers=2).observe(_probe(limit, **options), all_of(Numbers(count, unreadable=(20,))), name="")


def test_a_few_such_images_are_skipped_by_name_and_all_columns_agree() -> None:
    seen = _seen(0)
    assert [one.path for one in seen.skipped] == ["13.png", "20.png", "0.png"]
    assert seen.skipped[-1].reason == "the model gives NaN or infinity of it"
    assert seen.row.tolist() == [row for row in range(40) if row not in (0, 13, 20)]
    np.testing.assert_array_equal(seen.columns["other"][:, 0, 0, 0], seen.row)
    assert np.isfinite(seen.columns["value"]).all()
    assert seen.sample[:, 0, 0, 0].tolist() == seen.row[: len(seen.sample)].tolist()


def test_activations_that_are_stored_are_those_of_the_rows() -> None:
    with _seen(0, stored=(("value", (2, 2, 1)), ("other", (2, 2, 1)))) as seen:
        values = seen.activations("other")
        assert values[:, 0, 0, 0].tolist() == seen.row.tolist()
        assert bool(seen.activations("value").isfinite().all())


@pytest.mark.parametrize("limit", [8, 255])
def test_a_column_of_many_such_rows_is_given_out_as_it_is(limit: int) -> None:
    seen = _seen(limit)
    assert [one.path for one in seen.skipped] == ["13.png", "20.png"]
    assert len(seen.row) == 38
    assert not np.isfinite(seen.columns["value"]).all()


def test_a_probe_that_does_not_ask_for_it_gives_out_everything() -> None:
    seen = Local().observe(replace(_probe(0), leaves_out_odd=False), all_of(Numbers(40)), name="")
    assert len(seen.row) == 39
    assert not np.isfinite(seen.columns["value"]).all()
