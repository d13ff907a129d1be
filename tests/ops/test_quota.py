"""Quota for two colours."""

from __future__ import annotations

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from ops.quota import Size, Usage, cores, short

SIZES = st.builds(Size, st.just("Standard_X"), st.just("family"), st.integers(1, 96))
INSTANCES = st.integers(1, 50)


@given(size=SIZES, instances=INSTANCES)
def test_a_deployment_takes_a_fifth_more_than_its_instances(size: Size, instances: int) -> None:
    """Rounded up to whole machines."""
    assert cores(size, instances) == ceil(instances * 12 / 10) * size.cores


@given(size=SIZES, instances=INSTANCES, used=st.integers(0, 500), limit=st.integers(0, 2000))
def test_what_is_called_missing_is_just_enough(size: Size, instances: int, used: int, limit: int) -> None:
    """With so many cores more both colours fit, and with one less they do not."""
    missing = short(size, instances, Usage(used, limit), 0)
    assert short(size, instances, Usage(used, limit + missing), 0) == 0
    assert missing == 0 or short(size, instances, Usage(used, limit + missing - 1), 0) == 1


def test_a_colour_that_is_up_is_in_the_use_already() -> None:
    """With blue there, only green is still to be placed; with both, nothing."""
    ds3 = Size("Standard_DS3_v2", "standardDSv2Family", 4)
    assert [short(ds3, 1, Usage(8, 12), up) for up in (0, 1, 2)] == [12, 4, 0]
