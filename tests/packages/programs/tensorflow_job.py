"""Matrices, gradients and a traced function, on threads that are started by their first use."""

import tensorflow as tf

print(tf.__version__)
a = tf.constant([[1.0, 2.0], [3.0, 4.0]])
print(tf.matmul(a, a).numpy().tolist(), float(tf.reduce_sum(tf.nn.relu(a - 2))))
x = tf.Variable(3.0)
with tf.GradientTape() as tape:
    y = x**3
print(float(tape.gradient(y, x)))


@tf.function
def traced(n):
    total = tf.constant(0)
    for i in tf.range(n):
        total += i
    return total


print(int(traced(tf.constant(100))))
