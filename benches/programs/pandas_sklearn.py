import pandas  # noqa: F401
import sklearn.linear_model  # noqa: F401
