"""Plans by random shooting through an exported model; imports nothing but TensorFlow.

quick_start.ipynb writes the model: `predict` of MB-MPO's ensemble, one step for a batch.
"""

import tensorflow as tf

SEQUENCES, HORIZON = 500, 10

model = tf.saved_model.load('example_export/model')


@tf.function
def plan(observation):
  """Returns the first action of the best of many random sequences, and what it would bring."""
  actions = tf.random.uniform([HORIZON, SEQUENCES, 2], -1.0, 1.0)  # export.json tells the size
  states, total = tf.repeat(observation[None], SEQUENCES, 0), tf.zeros([SEQUENCES])
  for action in tf.unstack(actions):
    predicted = model.predict(states, action)
    total += predicted['reward']
    states = predicted['next_observation']
  best = tf.argmax(total)
  return actions[0, best], total[best]


action, expected = plan(tf.constant([0.5, -0.3, 0.0, 0.0]))
print('action:', action.numpy(), 'expected return of', HORIZON, 'steps:', float(expected))
