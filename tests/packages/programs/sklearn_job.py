"""Fit and predict with several estimators, some of them on threads."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

dice = np.random.default_rng(0)
x = dice.normal(size=(400, 5))
y = x @ [1, 2, 3, 4, 5] + 0.5
fitted = LinearRegression().fit(x, y)
print(fitted.coef_.round(6), round(fitted.intercept_, 6))
label = (y > 0).astype(int)
print(LogisticRegression().fit(StandardScaler().fit_transform(x), label).score(x, label))
forest = RandomForestClassifier(20, random_state=1, n_jobs=2).fit(x, label)
print(forest.predict(x[:10]), cross_val_score(forest, x, label, cv=3).round(3))
print(np.sort(np.bincount(KMeans(3, n_init=2, random_state=0).fit_predict(x))))
