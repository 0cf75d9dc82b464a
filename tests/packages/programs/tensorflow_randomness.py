"""Numbers that nobody seeded; each line must differ from start to start."""

import tensorflow as tf

print("operation", tf.random.uniform([2]).numpy().tolist())
print("generator", tf.random.Generator.from_non_deterministic_state().uniform([2]).numpy().tolist())
print("global", tf.random.get_global_generator().uniform([2]).numpy().tolist())
print("shuffled", tf.random.shuffle(tf.range(10**6))[:2].numpy().tolist())
