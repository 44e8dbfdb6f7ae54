"""Extract the features of two customers once."""

from __future__ import annotations

import pandas as pd

from examples.pandas_features import features

if __name__ == "__main__":
    orders = pd.DataFrame({"customer": [1, 1, 2], "price": [5.0, 15.0, 7.0]})
    print(features.customer_features(orders).to_string())
