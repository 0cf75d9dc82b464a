"""Which neighbourhoods are dearer than their flats explain?

Reads a table of flats, fits a price by size, rooms and age, and sums up by neighbourhood what the
fit leaves over. Most of the time that it takes under plain Python goes into its imports.
"""

import sys
from pathlib import Path

import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

TABLE = Path(__file__).with_name("flats.csv")
FEATURES = ["size_m2", "rooms", "age_years"]


def surplus_by_neighbourhood(flats: pd.DataFrame) -> tuple[float, pd.DataFrame]:
    """The share of the variance that the fit explains, and the mean surplus per neighbourhood."""
    model = LinearRegression().fit(flats[FEATURES], flats["price_eur"])
    expected = model.predict(flats[FEATURES])
    surplus = (
        flats.assign(surplus_eur=flats["price_eur"] - expected)
        .groupby("neighbourhood")
        .agg(flats=("surplus_eur", "size"), mean_surplus_eur=("surplus_eur", "mean"))
        .sort_values("mean_surplus_eur", ascending=False)
    )
    return r2_score(flats["price_eur"], expected), surplus


def main() -> int:
    table = Path(sys.argv[1]) if len(sys.argv) > 1 else TABLE
    explained, surplus = surplus_by_neighbourhood(pd.read_csv(table))
    print(f"explained by size, rooms and age: {explained:.1%}")
    print(surplus.round(0).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
