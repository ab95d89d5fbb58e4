"""What every config's validation is made of: which values pass, and how a refusal reads."""

import math

import numpy as np
import pytest

from mbrl_tf import errors
from mbrl_tf.algorithms import base
from tests import fakes


def config(rate):
  return fakes.CountingConfig(part=fakes.CountingPart(rate=rate))


RATE = {'part': ['rate']}
RULES = {
    'positive': lambda config: base.require_positive(config, RATE),
    'share': lambda config: base.require_share(config, RATE),
    'at_least': lambda config: base.require_at_least(config, -2, RATE)}


@pytest.mark.parametrize('rule, value', [('positive', 1e-9), ('share', 0), ('share', 1), ('at_least', -2)])
def test_what_can_be_used_passes(rule, value):
  RULES[rule](config(value))


@pytest.mark.parametrize('rule, value, expectation', [
    ('positive', 0, 'must be above 0 and finite'), ('positive', -0.5, 'must be above 0 and finite'),
    ('positive', math.nan, 'must be above 0 and finite'), ('positive', math.inf, 'must be above 0 and finite'),
    ('share', -1e-9, 'must lie between 0 and 1'), ('share', 1.5, 'must lie between 0 and 1'),
    ('share', math.nan, 'must lie between 0 and 1'), ('at_least', -2.5, 'must be -2 or more, and finite'),
    ('at_least', math.nan, 'must be -2 or more, and finite'), ('at_least', math.inf, 'must be -2 or more, and finite')])
def test_what_cannot_is_refused_and_named(rule, value, expectation):
  with pytest.raises(errors.UserError) as caught:
    RULES[rule](config(value))
  assert str(caught.value) == f'config.part.rate {expectation}. Received: part.rate={value!r}'


def test_every_field_of_every_part_is_asked():
  tried = fakes.CountingConfig()
  tried.run.env_steps, tried.part.sizes = 7, (3, 4)
  fields = {'run': ['seed', 'env_steps'], 'part': ['sizes']}
  asked = []
  base.require(tried, fields, lambda value: asked.append(value) or True, 'must be anything')
  assert asked == [0, 7, (3, 4)]
  with pytest.raises(errors.UserError, match=r'^config\.part\.sizes must be a number\. Received: part\.sizes=\(3, 4\)$'):
    base.require(tried, fields, lambda value: isinstance(value, int), 'must be a number')


@pytest.mark.parametrize('path, value, called', [
    ('run.env_steps', 1e5, 'a whole number'), ('run.env_steps', True, 'a whole number'),
    ('run.env_steps', 10**13, 'a trillion at most'), ('part.rate', 'high', 'a number'), ('part.rate', None, 'a number'),
    ('run.evaluate_videos', 1, 'True or False'), ('environment.name', 3, 'text'), ('environment.kwargs', [1], 'a dict'),
    ('part.sizes', (3, 4.5), 'a tuple of whole numbers'), ('part.sizes', 'wide', 'a tuple of whole numbers'), ('part.sizes', 3, 'a tuple of whole numbers')])
def test_a_value_of_another_type_is_refused(path, value, called):
  tried = fakes.CountingConfig()
  base.require_types(tried)
  part, name = path.split('.')
  setattr(getattr(tried, part), name, value)
  with pytest.raises(errors.UserError) as caught:
    base.require_types(tried)
  assert str(caught.value) == f'config.{path} must be {called}. Received: {path}={value!r}'


@pytest.mark.parametrize('kwargs', [{'a': {1: 2}}, {'a': [np.float32(1)]}, {'a': {1, 2}}, {'a': np.zeros(2)}])
def test_keyword_arguments_that_no_file_could_give_back_are_refused(kwargs):
  tried = fakes.CountingConfig()
  tried.environment.name, tried.environment.kwargs = 'toy:point_mass', {'b': [None, True, 1, 2.5, 'text', {'c': ()}]}
  base.validate_common(tried)
  tried.environment.kwargs = kwargs
  with pytest.raises(errors.UserError, match='must hold what JSON can.*Received: environment.kwargs='):
    base.validate_common(tried)


@pytest.mark.parametrize('path, value', [('part.rate', 3), ('part.sizes', [3, 4]), ('part.sizes', ()), ('run.env_steps', 10**12)])
def test_what_comes_to_the_same_is_taken(path, value):
  tried = fakes.CountingConfig()
  part, name = path.split('.')
  setattr(getattr(tried, part), name, value)
  base.require_types(tried)


@pytest.mark.parametrize('name, repeat, expected', [
    ('dmc:walker_walk', 0, 2), ('gym:Hopper-v5', 0, 1), ('my.module:factory', 0, 1),
    ('dmc:walker_walk', 4, 4), ('gym:Hopper-v5', 4, 4)])
def test_a_decision_takes_what_is_asked_or_what_the_kind_of_task_is_used_to(name, repeat, expected):
  assert base.EnvironmentConfig(name, action_repeat=repeat).env_steps_per_decision == expected
