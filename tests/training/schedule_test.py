"""What is due where, by hand."""

from mbrl_tf.algorithms import base
from mbrl_tf.training import schedule


def test_every_is_due_when_a_multiple_is_reached_or_passed():
  every = schedule.Every(100)
  assert [every.due(before, now) for before, now in [(0, 99), (99, 100), (100, 199), (150, 450), (100, 100)]] == [
      False, True, False, True, False]
  assert not schedule.Every(0).due(0, 10**9)


def test_a_run_by_hand():
  plan = schedule.Schedule.from_config(base.RunConfig(
      env_steps=100, evaluate_every_env_steps=40, checkpoint_every_env_steps=50))
  steps = [(0, 30), (30, 60), (60, 90), (90, 120)]
  assert [plan.evaluates(*step) for step in steps] == [False, True, True, True]
  assert [plan.checkpoints(*step) for step in steps] == [False, True, False, True]
  assert [plan.ended(now) for _, now in steps] == [False, False, False, True]


def test_zero_means_never_to_evaluate_and_a_checkpoint_each_iteration():
  plan = schedule.Schedule.from_config(base.RunConfig(env_steps=100))
  assert not plan.evaluates(90, 100)
  assert plan.checkpoints(10, 11)
