"""What a person sees of a run: on a terminal one line that lives, elsewhere plain ones."""

import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
import time

import pytest

from mbrl_tf.algorithms import clock
from mbrl_tf.training import progress


def test_without_a_terminal_one_plain_line_per_iteration(capsys):
  terminal = progress.Terminal(0, 100)
  terminal.write(50, 3, {'collect/return_mean': 12.34, 'collect/return_best': 12.34})
  terminal.write(100, 5, {'collect/return_mean': 11.0, 'other/metric': 1})
  terminal.close()
  assert capsys.readouterr().err == (
      '50/100 env steps, 3 s, return 12.3, best 12.3\n'
      '100/100 env steps, 5 s, return 11.0, best 12.3\n')


def test_time_left_is_told_by_what_went_on_after_the_first_iteration(capsys):
  terminal = progress.Terminal(200, 1000)
  terminal.write(300, 150, {})
  terminal.write(400, 175, {
      'collect/return_mean': 50.0, 'evaluate/return_mean': 6.0, 'evaluate/return_best': 7.0})
  terminal.close()
  # 100 env steps in 25 s, so 600 more take 150 s.
  assert capsys.readouterr().err == (
      '300/1000 env steps, 150 s\n'
      '400/1000 env steps, 175 s, 2 min left, return 50.0, evaluation 6.0, best 7.0\n')


@contextlib.contextmanager
def screen(monkeypatch):
  """A terminal in place of the error output; gives a function that reads what is on it so far."""
  ours, theirs = pty.openpty()
  fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 120, 0, 0))
  with open(theirs, 'w', encoding='utf-8') as shown, monkeypatch.context() as patch:
    patch.setattr(sys, 'stderr', shown)
    yield lambda: os.read(ours, 100_000).decode()
  os.close(ours)


@pytest.mark.parametrize('no_color', [False, True])
def test_a_terminal_shows_what_goes_on(monkeypatch, no_color):
  if no_color:
    monkeypatch.setenv('NO_COLOR', '1')
  with screen(monkeypatch) as read:
    terminal, phases = progress.Terminal(0, 1000), clock.PhaseClock()
    with clock.watched(terminal):
      terminal.write(100, 1, {})
      terminal.write(150, 2, {})
      terminal.write(250, 6, {'collect/return_mean': 4.0, 'collect/return_best': 4.0})
      with phases('learn'):
        time.sleep(2.5)  # a line that lives is renewed each second
    terminal.close()
    told = read()
  assert '25%|' in told and '250/1000 env steps' in told
  assert '30 s left, return 4.0, best 4.0, learn' in told
  assert ('\x1b[32m' in told) == (not no_color)


def test_a_new_run_tells_no_time_left_before_it_has_learned_twice(capsys):
  terminal = progress.Terminal(0, 1000)
  for env_steps, seconds in ((500, 1), (600, 101), (700, 111)):  # random data, compiled, learned
    terminal.write(env_steps, seconds, {})
  terminal.close()
  assert capsys.readouterr().err == (
      '500/1000 env steps, 1 s\n600/1000 env steps, 101 s\n'
      '700/1000 env steps, 111 s, 30 s left\n')


def test_without_a_terminal_a_long_phase_says_how_far_it_is(monkeypatch, capsys):
  now = [1000.0]
  monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
  terminal, phases = progress.Terminal(0, 1000), clock.PhaseClock()
  with clock.watched(terminal):
    with phases('learn'):
      for _ in phases.counted('learn', range(100), 100):
        now[0] += 10
    with phases('collect'):
      # What goes on beside it is not told as if it were this.
      for _ in phases.counted('learn', range(10), 10):
        now[0] += 100
  terminal.close()
  # The first step is done after 10 seconds; each line comes a minute after the one before.
  lines = capsys.readouterr().err.splitlines()
  assert lines[0] == 'learn 6/100, 16 min left of it'
  assert len(lines) == 16 and lines[-1] == 'learn 96/100, 40 s left of it'


def test_a_first_step_that_compiles_tells_nothing_of_what_is_left(monkeypatch, capsys):
  now = [1000.0]
  monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
  terminal, phases = progress.Terminal(0, 1000), clock.PhaseClock()
  with clock.watched(terminal), phases('learn'):
    for done in phases.counted('learn', range(100), 100):
      now[0] += 2 if done else 300
  terminal.close()
  lines = capsys.readouterr().err.splitlines()
  assert lines[:2] == ['learn 1/100', 'learn 31/100, 2 min left of it']


@pytest.mark.parametrize('seconds, said', [(8, '8 s'), (120, '2 min'), (7200, '2.0 h')])
def test_durations_are_said_as_people_say_them(seconds, said):
  assert progress.duration(seconds) == said
