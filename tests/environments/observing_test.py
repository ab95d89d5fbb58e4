"""What each space becomes at the border, against arrays worked by hand."""

import numpy as np
import pytest
from gymnasium import spaces

from mbrl_tf import errors, types
from mbrl_tf.environments import observed, observing
from tests.environments import observation_kinds as kinds

UNBOUNDED = (-np.inf, np.inf)


def by_key(value):
  return value if isinstance(value, dict) else {'': value}


def image(space, images=observing.AUTO):
  return observing.Observing(space, 'seen', images)


@pytest.mark.parametrize('kind', kinds.ALL, ids=lambda kind: kind.__name__)
def test_what_is_read_is_what_the_spec_says(kind):
  env = kind()
  tested = observing.Observing(env.observation_space, 'kinds')
  read = tested.read(env.reset(seed=0)[0])
  specs, arrays = by_key(tested.spec), by_key(read)
  assert specs.keys() == arrays.keys() and tested.space.contains(read)
  for key, spec in specs.items():
    assert (arrays[key].shape, arrays[key].dtype) == (spec.shape, np.dtype(spec.dtype))


def test_nested_parts_are_read_by_their_path_and_texts_left_out():
  env = kinds.Nested()
  tested = observing.Observing(env.observation_space, 'nested')
  env.state = np.array([0.25, -1.0])
  read = tested.read(env.observe())
  assert tested.left_out == ('0/mission',)
  assert sorted(read) == ['0/cell', '0/place', '0/table', '1', '2', '3']
  assert read['0/cell'] == -5 + 12 and read['0/place'] == 0.25
  np.testing.assert_array_equal(read['0/table'], [[[0.25, -1], [0.25, -1]]])
  np.testing.assert_array_equal(read['1'], [1, 0, 0])
  assert read['2'].sum() == read['2'][5, 0] == 1
  np.testing.assert_array_equal(read['3'], [[12], [0]])
  assert tested.spec['0/cell'].choices == (20,) and tested.spec['0/cell'].minimum == -5
  assert tested.spec['3'].choices == (20, 3)


def test_a_packages_own_texts_are_texts():
  class Mission(spaces.Space):
    def __init__(self):
      super().__init__(dtype=str)

  space = spaces.Dict({'mission': Mission(), 'place': spaces.Box(-1, 1, [1])})
  assert observing.Observing(space, 'grid').left_out == ('mission',)


def test_keys_that_are_one_name_get_numbers():
  spec = observing.Observing(kinds.CollidingKeys.observation_space, 'colliding').spec
  assert sorted(spec) == ['Pos', 'a.b', 'a/b-2', 'a/b-3', 'a_b-4', 'pos-2']
  told = {key for key, part in spec.items() if 'too like another' in part.taken_from}
  assert told == {'a/b-2', 'a/b-3', 'a_b-4', 'pos-2'}
  # one that looks like a number that is given
  taken = observing.Observing(spaces.Dict({
      key: spaces.Box(-1, 1, [1]) for key in ('pos', 'Pos', 'pos-2')}), 'colliding').spec
  assert sorted(taken) == ['Pos', 'pos-2', 'pos-3']


BYTES = (0, 255, np.uint8)


@pytest.mark.parametrize('low, high, dtype, shape, seen', [
    (*BYTES, (64, 64, 3), (64, 64, 3)), (*BYTES, (210, 160, 3), (210, 160, 3)),
    (*BYTES, (3, 48, 80), (48, 80, 3)), (*BYTES, (16, 16), (16, 16, 1)),
    (*BYTES, (4, 84, 84), (84, 84, 4)), (*BYTES, (4, 84, 84, 3), (84, 84, 12)),
    (*BYTES, (4, 3, 84, 84), (84, 84, 12)), (*BYTES, (64, 64, 3, 4), (64, 64, 12)),
    (0, 1, np.uint8, (19, 19, 17), (19, 19, 17)), (0, 1, np.float32, (256, 16), (256, 16, 1)),
    (-1, 1, np.float64, (3, 20, 30), (20, 30, 3)), (0, 255, np.int64, (64, 64, 3), (64, 64, 3)),
    (0, 65535, np.uint16, (64, 48), (64, 48, 1)),
    # too small, no bounds, bounds that stand for none, not of one range, no rows and columns
    (*BYTES, (7, 7, 3), None), (*BYTES, (15, 64, 3), None), (0, 1, np.uint8, (17, 8, 8), None),
    (*UNBOUNDED, np.float32, (64, 64, 3), None), (-3.4e38, 3.4e38, np.float32, (64, 64), None),
    (-np.arange(1, 401.).reshape(20, 20), 1, np.float64, (20, 20), None), (*BYTES, (128,), None)])
def test_what_is_taken_for_an_image(low, high, dtype, shape, seen):
  spec = image(spaces.Box(low, high, shape, dtype)).spec
  if seen is None:
    assert not spec.is_image and spec.shape == shape
  else:
    assert spec.is_image and spec.shape == seen and spec.dtype == 'uint8'
    assert str(np.dtype(dtype)) in spec.taken_from


def test_pixels_are_put_in_place_and_in_range():
  generator = np.random.default_rng(0)
  frames = generator.integers(0, 256, (2, 3, 20, 30)).astype(np.uint8)  # n, c, h, w
  read = image(spaces.Box(0, 255, frames.shape, np.uint8)).read(frames)
  for row, column, frame, channel in ((0, 0, 0, 0), (19, 29, 1, 2), (7, 11, 1, 0)):
    assert read[row, column, 3 * frame + channel] == frames[frame, channel, row, column]
  board = image(spaces.Box(0, 1, [16, 16], np.uint8)).read(np.eye(16, dtype=np.uint8))
  np.testing.assert_array_equal(board[..., 0], 255 * np.eye(16))
  grey = np.zeros([16, 16], np.float32)
  grey[0, :5] = [-1.0, 0.5, 1.0, -0.502, 7.0]  # the last is beyond the bounds
  read = image(spaces.Box(-1, 1, [16, 16], np.float32)).read(grey)
  np.testing.assert_array_equal(read[0, :5, 0], [0, 191, 255, 63, 255])
  grey[3, 3] = np.nan
  with pytest.raises(observed.Misfit, match='finite numbers'):
    image(spaces.Box(-1, 1, [16, 16], np.float32)).read(grey)


def test_what_is_read_is_a_copy():
  for kind in kinds.ALL:
    env = kind()
    seen = env.reset(seed=0)[0]
    if isinstance(seen, np.ndarray):
      read = observing.Observing(env.observation_space, 'kinds').read(seen)
      assert not np.shares_memory(read, seen)


def test_somebody_says_what_an_image_is():
  space = spaces.Dict({'depth': spaces.Box(*UNBOUNDED, [20, 30]), 'map': spaces.Box(0, 1, [16, 16]),
                       'tiny': spaces.Box(0, 255, [8, 3, 9], np.uint8)})
  spec = image(space, 'depth=hw:-5..5, map=numbers,tiny=hcw').spec
  assert spec['depth'].is_image and '-5 to 5' in spec['depth'].taken_from
  assert not spec['map'].is_image and spec['map'].dtype == 'float32'
  assert spec['tiny'].shape == (8, 9, 3) and spec['tiny'].is_image
  for images, taken in (('none', set()), ('none,map=hw', {'map'}),
                        ('depth=hw:0..1,auto', {'map', 'depth'})):
    spec = image(space, images).spec
    assert {key for key, part in spec.items() if part.is_image} == taken


@pytest.mark.parametrize('images, told', [
    ('observation=chw', 'names each axis'), ('observation=hh', 'names each axis'),
    ('observation=wc', 'names each axis'), ('seen=hw', 'Known: observation'),
    ('observation=hw', 'need a range'), ('observation=hw:5..0', 'goes upwards'),
    ('observation', 'KEY=LAYOUT'), ('', 'KEY=LAYOUT')])
def test_what_cannot_be_meant_is_told(images, told):
  with pytest.raises(errors.UserError, match=f'{told}.*Received: '):
    image(spaces.Box(*UNBOUNDED, [20, 30]), images)
  with pytest.raises(errors.UserError, match='8 pixels high and wide.*Received: '):
    image(spaces.Box(0, 1, [20, 7]), 'observation=hw')


@pytest.mark.parametrize('space', [
    spaces.Text(4), spaces.Graph(spaces.Box(0, 1, [2]), None), spaces.Sequence(spaces.Discrete(2)),
    spaces.Dict({}), spaces.Tuple([spaces.Text(3)]), spaces.OneOf([spaces.Discrete(2)]),
    spaces.Dict({'far': spaces.Sequence(spaces.Discrete(2))}), spaces.Discrete(10**6)], ids=str)
def test_what_no_model_reads_is_refused_with_the_wrapper_that_helps(space):
  told = 'gymnasium.wrappers.TransformObservation.*Received: .*observation_space='
  with pytest.raises(errors.UserError, match=told):
    observing.Observing(space, 'odd')


@pytest.mark.parametrize('space, value, key', [
    (spaces.Discrete(3, start=1), 0, 'observation'), (spaces.Discrete(3), 1.5, 'observation'),
    (spaces.MultiDiscrete([2, 3]), [0, 3], 'observation'),
    (spaces.Tuple([spaces.Discrete(2)] * 2), (0,), 'observation'),
    (spaces.Dict({'in': spaces.Tuple([spaces.Discrete(2)])}), {'in': 5}, 'in'),
    (spaces.Dict({'in': spaces.Tuple([spaces.Discrete(2)])}), {'in': (9,)}, 'in/0'),
    (spaces.Box(0, 1, [16, 16]), np.zeros([16, 15]), 'observation')], ids=str)
def test_what_is_outside_its_space_is_told_by_its_path(space, value, key):
  with pytest.raises(observed.Misfit) as caught:
    observing.Observing(space, 'odd').read(value)
  assert caught.value.key == key


def test_specs_of_what_was_known_before_are_what_they_were():
  box = spaces.Box(-2, 3, [4], np.float32)
  spec = image(box).spec
  assert isinstance(spec, types.ArraySpec) and (spec.shape, spec.dtype) == ((4,), 'float32')
  np.testing.assert_array_equal([spec.minimum, spec.maximum], [box.low, box.high])
  assert image(spaces.Box(*UNBOUNDED, [4], np.float32)).spec == types.ArraySpec((4,), 'float32')
