"""Linear algebra, random numbers, masks and files."""

import numpy as np
import numpy.linalg
import numpy.random

generator = numpy.random.default_rng(42)
matrix = generator.normal(size=(200, 200))
identity = matrix @ numpy.linalg.inv(matrix)
assert np.allclose(identity, np.eye(200), atol=1e-6)
values = np.arange(1_000_000, dtype=np.float64)
print(values.sum(), values[values % 3 == 0].mean(), np.sqrt(values).std())
print(np.fft.rfft(values[:1024])[:3].round(6))
np.save("saved.npy", np.arange(10).reshape(2, 5))
print(np.load("saved.npy").T.tolist())
np.random.seed(3)
print(np.random.rand(3), generator.integers(0, 100, 5))
print(np.get_printoptions()["precision"], np.geterr())
