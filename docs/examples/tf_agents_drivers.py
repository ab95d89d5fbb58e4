"""Runs a trained policy under tf-agents' own driver and metrics.

quick_start.ipynb trains it.
"""

from mbrl_tf import library  # before TensorFlow, which it sets up

from tf_agents.drivers import dynamic_episode_driver
from tf_agents.environments import tf_py_environment
from tf_agents.metrics import tf_metrics

config = library.config('mbmpo/smoke', {'run.env_steps': 600})
with library.open_run(config, 'example_run') as run:
  environment = tf_py_environment.TFPyEnvironment(run.environment)
  returns = tf_metrics.AverageReturnMetric(batch_size=environment.batch_size)
  driver = dynamic_episode_driver.DynamicEpisodeDriver(
      environment, run.algorithm.evaluation_policy(), observers=[returns], num_episodes=6)
  driver.run()
  print('mean return of six episodes:', float(returns.result()))
