"""Train and predict on OpenMP's threads, which are started by the training."""

import numpy as np
import xgboost

dice = np.random.default_rng(1)
x = dice.normal(size=(300, 4))
y = (x[:, 0] + x[:, 1] > 0).astype(int)
data = xgboost.DMatrix(x, y)
settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 2, "seed": 0}
model = xgboost.train(settings, data, 10)
prediction = model.predict(data)
print((prediction[:10] > 0.5).astype(int), ((prediction > 0.5) == y).mean())
model.save_model("model.json")
again = xgboost.Booster(model_file="model.json")
assert (again.predict(data) == prediction).all()
