from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.suite.operations import commands


@settings(deadline=None)
@given(st.sampled_from([1, 2]), st.integers(1, 9))
def test_each_promotion_brings_another_version_and_a_rollback_the_one_before(
    serving: int, promotions: int
) -> None:
    """None is told that its version serves already, and the last goes back by one."""
    *promoted, rolled_back = commands([1, 2], serving, promotions)
    assert len(promoted) == promotions
    assert all(words[0] == "promote" for words in promoted)
    assert rolled_back[:2] == ["rollback", "--to"]
    served = [str(serving), *(words[1] for words in promoted), rolled_back[2]]
    assert all(one != other for one, other in pairwise(served))
