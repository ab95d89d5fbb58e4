"""A served policy for LiteRT (TensorFlow Lite), which computes in float32 and draws nothing at random."""

import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, types_pb2
from tensorflow.python.framework import convert_to_constants

from mbrl_tf import errors

SIGNATURE = 'serving_default'
_DOUBLE, _FLOAT = types_pb2.DT_DOUBLE, types_pb2.DT_FLOAT
_LARGEST = float(np.finfo(np.float32).max)


def convert(function) -> bytes:
  """Returns the content of a `.tflite` file with the signature `serving_default`.

  What is float64 becomes float32. A difference from a constant is taken in two steps, of its float32
  and of the rest, so that it is as exact as what is given in float32: a small motion upon a large
  offset survives as far as float32 holds it.

  Args:
    function: a concrete function of named tensors that returns a dict, such as
      `serving.ServedPolicy.function`.

  Raises:
    UserError: LiteRT lacks an operation, such as random numbers.
  """
  try:
    return _converted(function)
  except Exception as error:  # of what kind, TensorFlow does not tell
    lacking = sorted({line.split('(')[0].strip() for line in str(error).splitlines()
                      if line.strip().startswith('tf.')})
    raise errors.UserError(
        'LiteRT cannot compute this policy: it draws nothing at random, as planning does, and has '
        f'not all operations. Received: {", ".join(lacking) or str(error).splitlines()[0]}'
    ) from error


def _converted(function):
  frozen = convert_to_constants.convert_variables_to_constants_v2(function)
  # Both come in the order of their names.
  inputs = dict(zip(sorted(function.structured_input_signature[1]), frozen.inputs, strict=True))
  outputs = dict(zip(sorted(function.structured_outputs),
                     (tensor.name for tensor in frozen.outputs), strict=True))
  graph = _narrowed(_folded(frozen.graph.as_graph_def(), outputs.values()))

  @tf.function(autograph=False)
  def compute(**given):
    found = tf.graph_util.import_graph_def(
        graph, {inputs[name].name: value for name, value in given.items()}, list(outputs.values()),
        name='narrowed')
    return dict(zip(outputs, found))

  narrow = lambda dtype: tf.float32 if dtype == tf.float64 else dtype
  module = tf.Module()
  module.function = compute.get_concrete_function(
      **{name: tf.TensorSpec(tensor.shape, narrow(tensor.dtype), name)
         for name, tensor in inputs.items()})
  with tempfile.TemporaryDirectory() as folder:
    tf.saved_model.save(module, folder, signatures={SIGNATURE: module.function})
    return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def _folded(graph, outputs):
  """Returns the graph with all that no input decides as constants, computed in its own precision."""
  nodes = {node.name: node for node in graph.node}
  constant = {}

  def is_constant(name):
    node = nodes[name]
    if name not in constant:
      constant[name] = node.op != 'Placeholder' and all(
          is_constant(_node_name(source)) for source in node.input)
    return constant[name]

  wanted = {_tensor_name(source) for node in graph.node if not is_constant(node.name)
            for source in node.input if not source.startswith('^')}
  wanted = sorted(tensor for tensor in {*wanted, *outputs}
                  if is_constant(_node_name(tensor)) and nodes[_node_name(tensor)].op != 'Const')
  if not wanted:
    return graph
  with tf.Graph().as_default() as whole:
    tf.graph_util.import_graph_def(graph, name='')
    with tf.compat.v1.Session(graph=whole) as session:
      values = dict(zip(wanted, session.run(wanted)))
  folded = graph_pb2.GraphDef(versions=graph.versions, library=graph.library)
  names = {}
  for number, (tensor, value) in enumerate(values.items()):
    name = _node_name(tensor) if tensor.endswith(':0') else f'folded_{number}'
    names[tensor] = name
    folded.node.append(_const(name, value))
  taken = set(names.values())
  for node in graph.node:
    if node.name in taken:
      continue
    kept = folded.node.add()
    kept.CopyFrom(node)
    for at, source in enumerate(kept.input):
      if not source.startswith('^') and _tensor_name(source) in names:
        kept.input[at] = names[_tensor_name(source)]
  return folded


def _narrowed(graph):
  """Returns the graph with float32 in the place of float64."""
  nodes = {node.name: node for node in graph.node}
  narrow = graph_pb2.GraphDef(versions=graph.versions, library=graph.library)

  def constant(name):
    """The value of a constant, None where it is none."""
    node = nodes[_node_name(name)]
    while node.op == 'Identity':
      node = nodes[_node_name(node.input[0])]
    return tf.make_ndarray(node.attr['value'].tensor) if node.op == 'Const' else None

  def add(name, op, *sources):
    node = narrow.node.add(name=name, op=op, input=sources)
    node.attr['T'].type = _FLOAT
    return name

  for node in graph.node:
    is_wide = 'T' in node.attr and node.attr['T'].type == _DOUBLE  # to look makes an attribute
    if is_wide and node.op == 'IsFinite':  # which LiteRT has not
      largest = f'{node.name}/largest'
      narrow.node.append(_const(largest, np.float32(_LARGEST)))
      add(node.name, 'LessEqual', add(f'{node.name}/size', 'Abs', node.input[0]), largest)
      continue
    if is_wide and node.op == 'Sub' and constant(node.input[1]) is not None:
      whole = constant(node.input[1])
      first = whole.astype(np.float32)
      parts = [f'{node.name}/{part}' for part in ('first', 'rest')]
      for part, value in zip(parts, (first, (whole - first).astype(np.float32))):
        narrow.node.append(_const(part, value))
      add(node.name, 'Sub', add(f'{node.name}/from_first', 'Sub', node.input[0], parts[0]), parts[1])
      continue
    if node.op == 'Const' and node.attr['dtype'].type == _DOUBLE:
      with np.errstate(over='ignore'):
        value = tf.make_ndarray(node.attr['value'].tensor).astype(np.float32)
      narrow.node.append(_const(node.name, value))
      continue
    kept = narrow.node.add()
    kept.CopyFrom(node)
    for attribute in kept.attr.values():
      if attribute.type == _DOUBLE:
        attribute.type = _FLOAT
      for at, dtype in enumerate(attribute.list.type):
        attribute.list.type[at] = _FLOAT if dtype == _DOUBLE else dtype
  return narrow


def _const(name, value):
  """Returns a node of a constant."""
  made = tf.compat.v1.NodeDef(name=name, op='Const')
  made.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value))
  made.attr['dtype'].type = made.attr['value'].tensor.dtype
  return made


def _node_name(source):
  return source.lstrip('^').split(':')[0]


def _tensor_name(source):
  return source if ':' in source else f'{source}:0'
