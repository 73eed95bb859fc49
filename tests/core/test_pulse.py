from core.pulse import Pulse


def test_a_loop_that_falls_silent_is_a_problem_until_it_turns_again() -> None:
    now = 0.0
    pulse = Pulse(10, clock=lambda: now)
    now = 9.9
    assert pulse.problem is None
    now = 11
    assert pulse.problem == "The main loop has not turned for 11 s; restart this part."
    pulse.beat()
    assert pulse.problem is None


def test_a_long_step_has_its_own_patience_and_no_more() -> None:
    now = 0.0
    pulse = Pulse(10, clock=lambda: now)
    with pulse.allowing(100):
        now = 99
        assert pulse.problem is None
        now = 101
        assert pulse.problem
    assert pulse.problem is None
    now = 112
    assert pulse.problem
