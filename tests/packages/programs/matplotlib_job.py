"""A figure drawn by Agg, to the byte."""

import hashlib
import io

import matplotlib
import matplotlib.pyplot as plt

matplotlib.use("Agg")
figure, axes = plt.subplots()
axes.plot([1, 2, 3], [3, 1, 2], label="line")
axes.set_title("title")
axes.legend()
data = io.BytesIO()
figure.savefig(data, format="png", metadata={"Software": None})
print(hashlib.sha256(data.getvalue()).hexdigest(), matplotlib.get_backend())
