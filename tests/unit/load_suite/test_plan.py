from tests.unit.load_suite.values import plan


def test_a_request_that_is_sent_late_has_less_time_left() -> None:
    """Whoever has waited since it was due waits no longer than its deadline, all in all."""
    due_at_two = plan([2.0])
    assert due_at_two.left_ms(0, sent=2.0) == 1000
    assert due_at_two.left_ms(0, sent=2.25) == 750
    assert due_at_two.left_ms(0, sent=4.0) == 1  # a service is asked for no less
