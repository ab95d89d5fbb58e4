"""Without pygame and labmaze everything is imported; the rest of `every_python` is run elsewhere."""

from tests import every_python

call = every_python.call
test_everything_is_imported_and_the_check_says_so = (
    every_python.test_everything_is_imported_and_the_check_says_so)
test_a_task_that_pygame_draws_says_that_it_is_missing = (
    every_python.test_a_task_that_pygame_draws_says_that_it_is_missing)
