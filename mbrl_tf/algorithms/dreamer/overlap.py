"""Work in a thread beside other work, which never outlives it."""

import contextlib
import threading
from concurrent import futures


class _Abandoned(Exception):
  """Nobody waits for the work any longer."""


@contextlib.contextmanager
def beside(work):
  """Begins `work(check)` in a thread; the `with` block is computed meanwhile.

  The thread has ended when the block is left, however it is left: nothing runs on while its caller closes what it uses.

  Args:
    work: a function that calls its argument now and then; where the block was left without the result, that call raises and so
      ends the work.

  Yields:
    A function without arguments that waits for the work, and returns what it returned or raises what it raised.
  """
  left = threading.Event()

  def check():
    if left.is_set():
      raise _Abandoned

  with futures.ThreadPoolExecutor(1, thread_name_prefix='beside') as pool:
    try:
      yield pool.submit(work, check).result
    finally:
      left.set()
